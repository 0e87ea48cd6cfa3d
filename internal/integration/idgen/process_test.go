package idgen

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/idgen"
	"github.com/mainstay-go/mainstay/internal/integration/process"
	"github.com/mainstay-go/mainstay/internal/integration/redisserver"
)

// child starts this program in a role, which writes to out.
func child(t *testing.T, out string, env map[string]string) *process.Process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	args := []string{"IDGEN_OUT=" + out}
	for name, value := range env {
		args = append(args, name+"="+value)
	}
	p, err := process.Start(process.Command{
		Path: "/usr/bin/env", Args: append(args, self), Dir: t.TempDir(), Log: out + ".log",
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Kill()) })
	return p
}

// numbers reads the big-endian words that children have written.
func numbers(t *testing.T, path string) []int64 {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	words := make([]int64, 0, len(text)/8)
	for ; len(text) >= 8; text = text[8:] {
		words = append(words, int64(binary.BigEndian.Uint64(text)))
	}
	return words
}

// A process with a fixed number is killed and started again at once, two hundred times: no id is made twice.
func TestKillAndRestartUnderOneNumber(t *testing.T) {
	for _, ahead := range []string{"0s", "50ms"} {
		t.Run("ahead="+ahead, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "ids")
			for range 100 {
				size := func() int64 {
					info, err := os.Stat(out)
					if err != nil {
						return 0
					}
					return info.Size()
				}
				before, more := size(), int64(rand.IntN(4000)*8)
				p := child(t, out, map[string]string{"IDGEN_ROLE": "numbered", "IDGEN_AHEAD": ahead})
				require.NoError(t, p.Ready(func() error {
					if size() <= before+more {
						return fmt.Errorf("%d bytes", size()-before)
					}
					return nil
				}))
				require.NoError(t, p.Kill())
			}
			ids := numbers(t, out)
			t.Logf("%d ids", len(ids))
			require.True(t, slices.IsSorted(ids), "each life is later than the one before")
			assert.Len(t, slices.Compact(ids), len(ids), "an id was made twice")
		})
	}
}

// holders runs eight processes on six numbers for a while and does to them what a bad day does.
func holders(t *testing.T, env map[string]string, trouble func(round int)) {
	t.Helper()
	const processes, nodes, rounds = 8, 6, 24
	env["IDGEN_ROLE"], env["IDGEN_NODES"] = "holder", strconv.Itoa(nodes)
	dir := t.TempDir()
	outs := make([]string, processes)
	running := make([]*process.Process, processes)
	for i := range running {
		outs[i] = filepath.Join(dir, strconv.Itoa(i))
		running[i] = child(t, outs[i], env)
	}
	for round := range rounds {
		time.Sleep(250 * time.Millisecond)
		i := rand.IntN(processes)
		switch round % 4 {
		case 0:
			require.NoError(t, running[i].Kill())
			running[i] = child(t, outs[i], env)
		case 1:
			require.NoError(t, running[i].Freeze())
			victim := running[i]
			time.AfterFunc(ttl+guard+500*time.Millisecond, func() { _ = victim.Signal(syscall.SIGCONT) })
		default:
			trouble(round)
		}
	}
	var all []record
	for i, p := range running {
		require.NoError(t, p.Kill())
		words := numbers(t, outs[i])
		for ; len(words) >= 3; words = words[3:] {
			all = append(all, record{words[0], words[1], words[2]})
		}
		log, err := os.ReadFile(outs[i] + ".log")
		require.NoError(t, err)
		assert.Empty(t, string(log), "a child ended by itself")
	}
	verify(t, all, nodes)
}

// verify checks that no id was made twice, and that for each number the calls under one token have all begun before the first
// under the next: never two holders.
func verify(t *testing.T, all []record, nodes int64) {
	t.Helper()
	seen, byNode := map[int64]bool{}, map[int64][]record{}
	for _, r := range all {
		require.False(t, seen[r.id], "id %d was made twice", r.id)
		seen[r.id] = true
		node := small.Decode(idgen.ID(r.id)).Node
		require.Less(t, node, nodes)
		byNode[node] = append(byNode[node], r)
	}
	holders := 0
	for node, records := range byNode {
		slices.SortFunc(records, func(a, b record) int { return cmp.Compare(a.began, b.began) })
		for i, r := range records[1:] {
			require.GreaterOrEqual(t, r.token, records[i].token, "node %d had two holders", node)
			if r.token != records[i].token {
				holders++
			}
		}
	}
	t.Logf("%d ids, %d numbers, %d changes of the holder", len(all), len(byNode), holders)
	assert.Len(t, byNode, int(nodes))
	assert.Greater(t, holders, 10)
}

func TestHoldersOnAFileStore(t *testing.T) {
	t.Parallel()
	holders(t, map[string]string{"IDGEN_DIR": t.TempDir()}, func(int) {})
}

func TestHoldersOnRedis(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	holders(t, map[string]string{"IDGEN_REDIS": server.Addr()}, func(round int) {
		switch round % 8 {
		case 2:
			require.NoError(t, client.ScriptFlush(t.Context()).Err())
		case 3:
			server.Stop()
			time.Sleep(400 * time.Millisecond)
			server.Cont()
		case 6:
			server.Restart()
		case 7:
			server.Kill()
			server.Restart()
		}
	})
}

// A process that is stopped for longer than its lease makes no id when it wakes: another one has its number.
func TestStoppedHolderMakesNoID(t *testing.T) {
	server := redisserver.Start(t)
	for name, env := range map[string]map[string]string{"file": {"IDGEN_DIR": t.TempDir()}, "redis": {"IDGEN_REDIS": server.Addr()}} {
		t.Run("store="+name, func(t *testing.T) {
			t.Parallel()
			env["IDGEN_ROLE"], env["IDGEN_NODES"] = "holder", "1"
			dir := t.TempDir()
			outs := []string{filepath.Join(dir, "first"), filepath.Join(dir, "second")}
			wrote := func(i int) func() error {
				return func() error {
					if info, err := os.Stat(outs[i]); err != nil || info.Size() < recordSize {
						return fmt.Errorf("nothing yet: %w", err)
					}
					return nil
				}
			}
			first := child(t, outs[0], env)
			require.NoError(t, first.Ready(wrote(0)))
			require.NoError(t, first.Freeze())
			frozen := time.Now()
			second := child(t, outs[1], env)
			require.NoError(t, second.Ready(wrote(1)))
			assert.Greater(t, time.Since(frozen), guard, "the number was kept")
			woken := time.Now()
			require.NoError(t, first.Signal(syscall.SIGCONT))
			time.Sleep(200 * time.Millisecond)
			require.NoError(t, second.Kill())
			require.NoError(t, first.Kill())
			words := numbers(t, outs[0])
			for ; len(words) >= 3; words = words[3:] {
				assert.Less(t, words[0], woken.UnixNano(), "an id of a call that began after it woke")
			}
		})
	}
}
