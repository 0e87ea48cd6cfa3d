package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestThreeSeconds runs the real thing: three hours of the synthetic day, with
// two of its abusers. The buckets do not refill within it, so the order and the
// times in which requests arrive cannot change who is denied how often.
func TestThreeSeconds(t *testing.T) {
	t.Parallel()
	cmd, stdout := child(t, "-headless", "-json", "-seconds", "3", "-speed", "3600", "-rate", "1/1000h", "-burst", "30")
	text, err := io.ReadAll(stdout)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "exit code 0")
	var r report
	require.NoError(t, json.Unmarshal(text, &r))
	l := r.Lanes["mainstay"]
	assert.Equal(t, stoppedBySeconds, r.Run.Stopped)
	assert.Equal(t, r.Run.Replayed, l.In)
	assert.Equal(t, l.In, l.Hit+l.Coalesced+l.OriginOK+l.Denied+l.Failed)
	assert.Positive(t, l.Hit)
	assert.Positive(t, l.Bytes)
	assert.Positive(t, r.Policy.DeniedExpected)
	want := append(slices.Clone(schema), "run.seed")
	slices.Sort(want)
	assert.Equal(t, want, reportFields(t, string(text)), "the synthetic day has a seed and no format")
	assert.Equal(t, r.Policy.DeniedExpected, l.Denied)
	assert.Len(t, l.DeniedByClient, r.Policy.ClientsDeniedExpected)
	inOrder, err := expect(daySample()[:r.Run.Replayed], policy{1, maxPer, 30}, 256, keepAll)
	require.NoError(t, err)
	t.Logf("lag p99 %v ms; hit ratio %.4f, in order and without giants %.4f",
		r.Run.LagMS.P99, ratio(l.Hit, l.In-l.Denied), inOrder.hitRatio)
}

// TestDeniedByClient: under load too, each client is denied exactly what the
// exact pass denies it.
func TestDeniedByClient(t *testing.T) {
	e := startTestEdge(t, "-speed", "1000000", "-rate", "1/1000h", "-burst", "20")
	e.replayer.stream = e.stream[:1200] // with an abuser
	_, err := e.replay(t.Context())
	require.NoError(t, err)
	require.NoError(t, e.stop(t.Context()))
	want, err := expect(e.stream[:1200], e.opts.policy, e.opts.cacheSize, keepAll)
	require.NoError(t, err)
	assert.Equal(t, want.deniedBy, e.gateway.replayed.deniedBy.snapshot())
}

// TestSabotage: every fault makes the run fail and name the invariant that
// caught it, and no other.
func TestSabotage(t *testing.T) {
	for name, id := range map[string]string{"lost-request": conservation, "over-admit": limiterBound, "cache-overflow": cacheBound} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, sabotages, name)
			begin := time.Now()
			r, out := runJSON(t, append(crowd(t), "-sabotage", name)...)
			assert.Equal(t, exitBroken, out.code)
			require.Len(t, r.Violations, 1)
			assert.Equal(t, id, r.Violations[0].ID)
			assert.False(t, r.OK)
			assert.Contains(t, out.stderr, "edgegate: "+id+" broken: ")
			assert.Less(t, time.Since(begin), 2*time.Second)
		})
	}
	assert.Len(t, sabotages, 3, "every sabotage is in the table above")
}

// crowd has enough requests and denials for every sabotage: those strike each
// hundredth and each tenth time.
func crowd(t *testing.T) []string {
	t.Helper()
	var lines []string
	for i := range 120 {
		lines = append(lines, commonLine(i/40, "greedy", fmt.Sprint("/", i%50)), commonLine(i/40, fmt.Sprint("h", i), "/"))
	}
	return []string{"-log", writeLog(t, lines...), "-docroot", newSite(t, threeFiles)}
}

func TestSabotagedTable(t *testing.T) {
	out := runProgram(t.Context(), append(smallRun(t), "-sabotage", "cache-overflow")...)
	assert.Equal(t, exitBroken, out.code)
	assert.Contains(t, out.stdout, "invariants: 3 of 4 hold\n")
	assert.Contains(t, out.stderr, "I3 broken: the cache held")
}

// stampede is a log in which 24 times 50 clients ask for one cold URL in the
// same second, between 820 URLs seen once.
func stampede() []string {
	var lines []string
	for burst := range 24 {
		for client := range 50 {
			lines = append(lines, commonLine(burst*60, fmt.Sprint("h", client), fmt.Sprint("/cold/", burst)))
		}
		for single := range 34 {
			lines = append(lines, commonLine(burst*60+1+single, "reader", fmt.Sprint("/once/", burst, "/", single)))
		}
	}
	for single := range 820 - 24*34 {
		lines = append(lines, commonLine(24*60+single, "reader", fmt.Sprint("/last/", single)))
	}
	return lines
}

const stampedeLog = "testdata/stampede.log.gz"

func TestStampedeLogIsWhatItSays(t *testing.T) {
	want, wantInfo, err := parseLog(t.Context(), strings.NewReader(strings.Join(stampede(), "\n")))
	require.NoError(t, err)
	got, info, err := readLog(t.Context(), stampedeLog)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, wantInfo, info)
}

func TestStampedeOfTheOracle(t *testing.T) {
	stream, _, err := readLog(t.Context(), stampedeLog)
	require.NoError(t, err)
	want, err := expect(stream, policy{1, time.Second, 1000}, 256, keepAll)
	require.NoError(t, err)
	assert.InDelta(t, float64(24*49)/(24*50+820), want.hitRatio, 1e-12)
}

// TestStampedeCosts shows what a cache without single flight pays: all who miss
// together load together.
func TestStampedeCosts(t *testing.T) {
	const crowd = 50
	var missed sync.WaitGroup
	missed.Add(crowd)
	g := newTestGateway(t, gatewayConfig{origins: []string{startOrigin(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		missed.Done()
		missed.Wait() // nobody is answered before everybody has asked
	}))}})
	var group sync.WaitGroup
	for range crowd {
		group.Go(func() { ask(g, "GET", "/cold", sealed(g.seal)) })
	}
	group.Wait()
	assert.Equal(t, [outcomeCount]int64{originOK: crowd}, g.replayed.counts(), "a sequential pass loads once and hits 49 times")
	assert.Equal(t, 1, g.cache.Len())
}

// onWrite calls itself at each write.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// TestRunEndsWithItsContext stops a run when it prints its addresses, before
// its first request.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stdout bytes.Buffer
	code := run(ctx, []string{"-headless", "-json", "-docroot", newSite(t, threeFiles)}, &stdout, onWrite(cancel))
	assert.Equal(t, exitOK, code)
	var r report
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &r))
	assert.Equal(t, stoppedBySignal, r.Run.Stopped)
	assert.Zero(t, r.Run.Replayed)
	assert.Zero(t, r.Policy.DeniedExpected, "the exact pass sees only what was sent")
	assert.Zero(t, r.Policy.ClientsDeniedExpected)
}

func TestInterruptedBeforeTheFirstRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := outcomeOf{exitInterrupted, "", "edgegate: interrupted before the first request\n"}
	log := writeLog(t, commonLine(0, "h", "/"))
	assert.Equal(t, want, runProgram(ctx, "-headless"), "go env GOROOT was killed, which is nobody's fault")
	assert.Equal(t, want, runProgram(ctx, "-headless", "-log", log, "-docroot", newSite(t, threeFiles)))

	_, _, err := readLog(ctx, log)
	require.ErrorIs(t, err, context.Canceled)
	_, err = openSite(ctx, newSite(t, threeFiles))
	require.ErrorIs(t, err, context.Canceled)
}

// child starts the program as a process of its own.
func child(t *testing.T, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childMode+"=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewReader(stdout)
}

// TestRealDay replays the NASA day and judges it as strictly as the machine
// allows.
func TestRealDay(t *testing.T) {
	if os.Getenv("EDGEGATE_LONG") == "" {
		t.Skip("set EDGEGATE_LONG to replay a whole day in 13 s")
	}
	r, out := runJSON(t, "-log", trace(t, nasaDay), "-speed", "3600")
	require.Equal(t, exitOK, out.code, out.stderr)
	assert.EqualValues(t, 259, r.Policy.DeniedExpected)
	assert.Equal(t, 15, r.Policy.ClientsDeniedExpected)
	assert.Less(t, r.Run.WallSeconds, 25.0)
	if r.Run.LagMS.P99 < 10 {
		assert.InEpsilon(t, 259, r.Lanes["mainstay"].Denied, 0.05)
	} else {
		t.Logf("%d denied, not judged: lag p99 %v ms", r.Lanes["mainstay"].Denied, r.Run.LagMS.P99)
	}
}
