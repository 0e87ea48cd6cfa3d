package idgen

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

func TestStoresRejectBadArguments(t *testing.T) {
	stores := []NodeStore{&MemoryStore{}}
	if file, err := NewFileStore(t.TempDir()); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(t, err)
		stores = append(stores, file)
	}
	done, cancel := context.WithCancelCause(t.Context())
	cancel(errDown)
	for _, s := range stores {
		for _, nodes := range []int64{0, -1, 1<<24 + 1, math.MinInt64, math.MaxInt64} {
			_, _, err := s.Claim(t.Context(), nodes, time.Second)
			require.ErrorIs(t, err, ErrConfig)
			require.ErrorContains(t, err, "nodes must be")
		}
		for _, ttl := range []time.Duration{0, -1, math.MinInt64} {
			_, _, err := s.Claim(t.Context(), 1, ttl)
			require.ErrorIs(t, err, ErrConfig)
			require.ErrorContains(t, err, "ttl must be")
			require.ErrorIs(t, s.Extend(t.Context(), 0, 1, ttl), ErrConfig)
		}
		_, _, err := s.Claim(done, 1, time.Second)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errDown)
		require.ErrorIs(t, s.Extend(done, 0, 1, time.Second), context.Canceled)
		for _, node := range []int64{-1, 0, 1, math.MaxInt64, math.MinInt64} {
			require.ErrorIs(t, s.Extend(t.Context(), node, 0, time.Second), ErrLeaseLost)
			require.ErrorIs(t, s.Extend(t.Context(), node, 1, time.Second), ErrLeaseLost)
		}
		node, token, err := s.Claim(t.Context(), 1<<24, math.MaxInt64)
		require.NoError(t, err)
		assert.Zero(t, node, "nothing that was refused had an effect")
		assert.Equal(t, int64(1), token)
	}
}

// MemoryStore equals the sentences of NodeStore, as a naive model of them.
func TestMemoryStoreModel(t *testing.T) {
	type held struct {
		token int64
		until time.Time
	}
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			store, model, last := &MemoryStore{}, map[int64]held{}, int64(0)
			nodes := rapid.Int64Range(1, 4).Draw(rt, "nodes")
			ttls := rapid.SampledFrom([]time.Duration{1, 2, 5, 9})
			rt.Repeat(map[string]func(*rapid.T){
				"claim": func(rt *rapid.T) {
					ttl, want, now := ttls.Draw(rt, "ttl"), int64(-1), time.Now()
					for node := range nodes {
						h, used := model[node]
						if !used {
							want = node
							break
						}
						if !h.until.After(now) && (want < 0 || h.until.Before(model[want].until)) {
							want = node
						}
					}
					node, token, err := store.Claim(context.Background(), nodes, ttl)
					if want < 0 {
						require.ErrorIs(rt, err, ErrNoNode)
						return
					}
					require.NoError(rt, err)
					require.Equal(rt, want, node)
					require.Greater(rt, token, last)
					last, model[node] = token, held{token, now.Add(ttl)}
				},
				"extend": func(rt *rapid.T) {
					node, ttl := rapid.Int64Range(0, nodes).Draw(rt, "node"), ttls.Draw(rt, "ttl")
					h, used := model[node]
					token := h.token + rapid.Int64Range(-1, 0).Draw(rt, "stale")
					err := store.Extend(context.Background(), node, token, ttl)
					if !used || token != h.token {
						require.ErrorIs(rt, err, ErrLeaseLost)
						return
					}
					require.NoError(rt, err)
					model[node] = held{token, time.Now().Add(ttl)}
				},
				"sleep": func(rt *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(0, 6).Draw(rt, "d"))) },
			})
		})
	})
}

// meituan Leaf#186 and others never give a number back to the pool.
func TestRegressionNumbersAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &MemoryStore{}
		for round := range int64(10) {
			for node := range int64(3) {
				got, token, err := store.Claim(t.Context(), 3, time.Second)
				require.NoError(t, err)
				assert.Equal(t, node, got)
				assert.Equal(t, 3*round+node+1, token)
				time.Sleep(1)
			}
			_, _, err := store.Claim(t.Context(), 3, time.Second)
			require.ErrorIs(t, err, ErrNoNode)
			time.Sleep(time.Second)
		}
	})
}

func TestMemoryStoreKeeps32BytesForANumber(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(reservation{}), uintptr(32))
}

func TestTokensDoNotWrap(t *testing.T) {
	store := &MemoryStore{registry: registry{Token: math.MaxInt64}}
	_, _, err := store.Claim(t.Context(), 1, time.Second)
	require.ErrorIs(t, err, ErrNoNode)
}

func fileStore(t *testing.T, dir string) *FileStore {
	t.Helper()
	s, err := NewFileStore(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return s
}

func TestNewFileStore(t *testing.T) {
	_, err := NewFileStore("")
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "dir must be set")
	dir := t.TempDir()
	fileStore(t, filepath.Join(dir, "a", "b"))
	require.DirExists(t, filepath.Join(dir, "a", "b"), "it is created")
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = NewFileStore(file)
	require.Error(t, err)
	t.Chdir(dir)
	s := fileStore(t, "relative")
	t.Chdir(t.TempDir())
	_, _, err = s.Claim(t.Context(), 1, time.Second)
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(dir, "relative", "nodes.json"), "a change of directory does not move it")
}

func TestFileStoreKeepsReservations(t *testing.T) {
	dir := t.TempDir()
	for node := range int64(3) {
		got, token, err := fileStore(t, dir).Claim(t.Context(), 3, time.Hour)
		require.NoError(t, err)
		assert.Equal(t, node, got)
		assert.Equal(t, node+1, token)
	}
	s := fileStore(t, dir)
	_, _, err := s.Claim(t.Context(), 3, time.Hour)
	require.ErrorIs(t, err, ErrNoNode)
	require.ErrorIs(t, s.Extend(t.Context(), 1, 1, time.Hour), ErrLeaseLost)
	require.NoError(t, s.Extend(t.Context(), 1, 2, 1))
	got, token, err := fileStore(t, dir).Claim(t.Context(), 3, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, int64(1), got, "the one that ended")
	assert.Equal(t, int64(4), token)
	require.ErrorIs(t, s.Extend(t.Context(), 1, 2, time.Hour), ErrLeaseLost)
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(dir, "lock"), filepath.Join(dir, "nodes.json")}, names)
}

// A state that cannot be read is an error, never an empty registry, and stays as it is.
func TestFileStoreRefusesADamagedState(t *testing.T) {
	dir := t.TempDir()
	s := fileStore(t, dir)
	_, _, err := s.Claim(t.Context(), 2, time.Hour)
	require.NoError(t, err)
	path := filepath.Join(dir, "nodes.json")
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	damaged := map[string]string{
		"empty": "", "garbage": "\x00\x00", "another version": `{"Version":2,"Token":1,"Nodes":[{"Token":1,"Until":"2030-01-01T00:00:00Z"}]}`,
		"null": "null", "no nodes": `{"Version":1,"Token":1}`, "no token": `{"Version":1,"Nodes":[{"Token":1,"Until":"2030-01-01T00:00:00Z"}]}`,
		"token above the last": `{"Version":1,"Token":1,"Nodes":[{"Token":2,"Until":"2030-01-01T00:00:00Z"}]}`,
		"node without a token": `{"Version":1,"Token":1,"Nodes":[{"Until":"2030-01-01T00:00:00Z"}]}`,
		"node without an end":  `{"Version":1,"Token":1,"Nodes":[{"Token":1}]}`,
		"more behind it":       string(good) + "{}",
	}
	for cut := 1; cut < len(good); cut += 7 {
		damaged["cut at "+string(good[:cut])] = string(good[:cut])
	}
	for name, text := range damaged {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, _, err := s.Claim(t.Context(), 2, time.Hour)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrNoNode, name)
		err = s.Extend(t.Context(), 0, 1, time.Hour)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrLeaseLost, name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(after))
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o755))
	_, _, err = s.Claim(t.Context(), 2, time.Hour)
	require.Error(t, err)
}

// What a killed process leaves, a draft, is no state and no obstacle.
func TestFileStoreIgnoresADraft(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nodes.json.new"), []byte(`{"Version":1,"Tok`), 0o644))
	node, _, err := fileStore(t, dir).Claim(t.Context(), 2, time.Hour)
	require.NoError(t, err)
	assert.Zero(t, node)
}

// The lock excludes the goroutines of one process too, through one store or several.
func TestFileStoreIsConcurrent(t *testing.T) {
	const workers, each = 8, 6
	dir := t.TempDir()
	shared := fileStore(t, dir)
	nodes := make(chan int64, workers*each)
	var group errgroup.Group
	for worker := range workers {
		s := shared
		if worker%2 == 0 {
			s = fileStore(t, dir)
		}
		group.Go(func() error {
			for range each {
				node, token, err := s.Claim(t.Context(), workers*each, time.Hour)
				if err != nil {
					return err
				}
				nodes <- node
				if err := s.Extend(t.Context(), node, token, time.Hour); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	close(nodes)
	seen := map[int64]bool{}
	for node := range nodes {
		seen[node] = true
	}
	assert.Len(t, seen, workers*each)
}

// A Lease on a FileStore, on the real clock.
func TestLeaseOnAFileStore(t *testing.T) {
	l, err := NewLease(t.Context(), LeaseConfig{Store: fileStore(t, t.TempDir()), TTL: time.Second})
	require.NoError(t, err)
	g := newGen(t, Config{Lease: l})
	_, err = g.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = g.Next(t.Context())
	require.ErrorIs(t, err, ErrLeaseLost)
}
