package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/lru"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// startOrigin serves the handler on loopback until the test ends.
func startOrigin(t *testing.T, h http.Handler) string {
	t.Helper()
	var s servers
	srv, err := s.start(t.Context(), "origin", h)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.stop(context.Background())) })
	return srv.address()
}

// newTestGateway fills in what a test does not care about: a generous limit and
// room for everything.
func newTestGateway(t *testing.T, cfg gatewayConfig) *gateway {
	t.Helper()
	if cfg.limit.Burst == 0 {
		cfg.limit = tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 1000}
	}
	if cfg.clients == 0 {
		cfg.clients = 100
	}
	if cfg.cacheSize == 0 {
		cfg.cacheSize = 100
	}
	if cfg.timeout == 0 {
		cfg.timeout = 10 * time.Second
	}
	cfg.seal = "secret"
	g, err := newGateway(cfg)
	require.NoError(t, err)
	t.Cleanup(g.client.CloseIdleConnections)
	return g
}

// echo answers with the request line and remembers it.
type echo struct {
	mu    sync.Mutex
	lines []string
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Header.Get(headerMissing))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, line)
	w.Header().Set("X-Origin", "private")
	if r.Header.Get(headerMissing) != "" {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprint(w, line)
}

func (t *tally) counts() [outcomeCount]int64 {
	var counts [outcomeCount]int64
	for i := range counts {
		counts[i] = t.outcomes[i].Load()
	}
	return counts
}

func TestChain(t *testing.T) {
	const replayer = "visitor"
	type step struct {
		method, target string
		missing        bool
		want           outcome
		status         int
	}
	steps := []step{
		{"GET", "/a", false, originOK, 200},
		{"GET", "/a", false, hit, 200},
		{"GET", "/a?x", false, originOK, 200}, // the query is part of the key
		{"GET", "/a", true, originOK, 404},    // so is the wish for a 404
		{"GET", "/a", true, hit, 404},
		{"HEAD", "/a", false, originOK, 200}, // never from the cache
		{"HEAD", "/b", false, originOK, 200},
		{"GET", "/b", false, originOK, 200}, // nor into it
		{"POST", "/b", false, originOK, 200},
		{"GET", "/%7Eb%2f", false, originOK, 200}, // escapes pass as they are
		{"GET", "/~b/", false, originOK, 200},
	}
	back := &echo{}
	g := newTestGateway(t, gatewayConfig{origins: []string{startOrigin(t, back)}})
	var want [outcomeCount]int64
	var lines []string
	for _, s := range steps {
		header := sealed(g.seal, headerClient, replayer)
		mark := ""
		if s.missing {
			header.Set(headerMissing, "1")
			mark = "1"
		}
		r := ask(g, s.method, s.target, header)
		want[s.want]++
		assert.Equal(t, s.status, r.status, "%v", s)
		assert.Equal(t, want, g.replayed.counts(), "%v", s)
		assert.Empty(t, r.header.Get("X-Origin"), "only headers of the answer itself are passed on")
		line := fmt.Sprint(s.method, " ", s.target, " ", mark)
		if s.method != "HEAD" {
			assert.Equal(t, line, r.body)
		}
		if s.want == originOK {
			lines = append(lines, line)
		}
	}
	assert.Equal(t, lines, back.lines, "each load went to the origin once, byte for byte")
	assert.EqualValues(t, len(steps), g.replayed.in.Load())
	assert.Equal(t, map[int]int64{200: 9, 404: 2}, g.replayed.status.snapshot())
	assert.Zero(t, g.strangers.in.Load())
}

func TestEachTargetHasOneOrigin(t *testing.T) {
	backs := []*echo{{}, {}, {}}
	cfg := gatewayConfig{}
	for _, b := range backs {
		cfg.origins = append(cfg.origins, startOrigin(t, b))
	}
	g := newTestGateway(t, cfg)
	var want [3][]string
	for i := range 30 {
		target := fmt.Sprint("/", i)
		ask(g, "GET", target, nil)
		n := fnv1a64(target) % 3
		want[n] = append(want[n], "GET "+target+" ")
	}
	for i, b := range backs {
		assert.Equal(t, want[i], b.lines)
	}
}

func TestLimiterInTheChain(t *testing.T) {
	back := &echo{}
	g := newTestGateway(t, gatewayConfig{
		origins: []string{startOrigin(t, back)},
		limit:   tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 2},
	})
	get := func(client string) reply { return ask(g, "GET", "/", sealed(g.seal, headerClient, client)) }
	assert.Equal(t, 200, get("a").status)
	assert.Equal(t, 200, get("a").status)
	refused := get("a")
	assert.Equal(t, http.StatusTooManyRequests, refused.status)
	assert.Equal(t, "3600", refused.header.Get("Retry-After"), "whole seconds, rounded up")
	assert.Equal(t, 200, get("b").status, "another client")
	get("a")
	assert.Equal(t, map[string]int64{"a": 2}, g.replayed.deniedBy.snapshot())
	assert.Equal(t, [outcomeCount]int64{hit: 2, originOK: 1, denied: 2}, g.replayed.counts())
	assert.Len(t, back.lines, 1, "a denied request costs the origin nothing")
	assert.Len(t, g.history.admits["a"], 2)
	assert.Len(t, g.history.admits["b"], 1)
}

func TestStrangersCannotChooseABucket(t *testing.T) {
	g := newTestGateway(t, gatewayConfig{
		origins: []string{startOrigin(t, &echo{})},
		limit:   tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 2},
	})
	for i, header := range []http.Header{
		{headerClient: {"victim"}},
		sealed("guess", headerClient, "victim"),
		sealed("", headerClient, "other"),
	} {
		want := 200
		if i == 2 {
			want = http.StatusTooManyRequests // all of them share the bucket of their address
		}
		assert.Equal(t, want, ask(g, "GET", "/", header).status)
	}
	assert.EqualValues(t, 3, g.strangers.in.Load())
	assert.Zero(t, g.replayed.in.Load())
	assert.Equal(t, 200, ask(g, "GET", "/", sealed(g.seal, headerClient, "192.0.2.1")).status,
		"a client of the log named like the stranger's address has a bucket of its own")
	assert.Equal(t, 200, ask(g, "GET", "/", sealed(g.seal, headerClient, url.PathEscape("odd näme/%"))).status)
	assert.Len(t, g.history.admits["odd näme/%"], 1, "names arrive whole")
	assert.NotContains(t, g.history.admits, "victim")
}

func TestOriginFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	tests := []struct {
		name   string
		origin string
		want   int
	}{
		{"refused", closed.Addr().String(), http.StatusBadGateway},
		{"server error", startOrigin(t, status(500)), http.StatusBadGateway},
		{"redirect", startOrigin(t, status(302)), http.StatusBadGateway},
		{"connection closed", startOrigin(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		})), http.StatusBadGateway},
		{"body cut short", startOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			w.Write([]byte("short"))
		})), http.StatusBadGateway},
		{"silence", startOrigin(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		})), http.StatusGatewayTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := gatewayConfig{origins: []string{tt.origin}}
			if tt.want == http.StatusGatewayTimeout {
				cfg.timeout = 50 * time.Millisecond
			}
			g := newTestGateway(t, cfg)
			for range 2 {
				assert.Equal(t, tt.want, ask(g, "GET", "/", sealed(g.seal)).status)
			}
			assert.Equal(t, [outcomeCount]int64{failed: 2}, g.replayed.counts())
			assert.Zero(t, g.cache.Len(), "a failure is not cached")
		})
	}
}

func TestGiantsAreNotCached(t *testing.T) {
	size := maxCachedBody
	g := newTestGateway(t, gatewayConfig{origins: []string{startOrigin(t, http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", size)) },
	))}})
	ask(g, "GET", "/allowed", nil)
	assert.Equal(t, 1, g.cache.Len())
	size++
	assert.Len(t, ask(g, "GET", "/giant", nil).body, size)
	assert.Equal(t, 1, g.cache.Len())
}

func TestPanicIsCountedAndBreaksTheBooks(t *testing.T) {
	g := newTestGateway(t, gatewayConfig{}) // no origin: choosing one divides by zero
	r := ask(g, "GET", "/", sealed(g.seal))
	assert.Equal(t, http.StatusInternalServerError, r.status)
	broken := checkConservation(&g.replayed, &g.strangers, sending{sent: 1})
	require.Len(t, broken, 1)
	assert.Equal(t, violation{conservation, "1 requests arrived, 0 are accounted for, 1 panicked"}, broken[0])

	g = newTestGateway(t, gatewayConfig{})
	ask(g, "GET", "/", nil)
	assert.Len(t, checkConservation(&g.replayed, &g.strangers, sending{}), 1, "a stranger's panic counts too")
}

// brokenWriter panics in the middle of an answer.
type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { panic("broken") }

func TestPanicAfterTheAnswerBreaksTheBooks(t *testing.T) {
	g := newTestGateway(t, gatewayConfig{origins: []string{startOrigin(t, &echo{})}})
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header = sealed(g.seal)
	g.ServeHTTP(brokenWriter{httptest.NewRecorder()}, r)
	assert.Equal(t, [outcomeCount]int64{originOK: 1}, g.replayed.counts())
	assert.Equal(t, map[int]int64{200: 1}, g.replayed.status.snapshot(), "one request has one status")
	assert.Equal(t, []violation{{conservation, "1 requests arrived, 1 are accounted for, 1 panicked"}},
		checkConservation(&g.replayed, &g.strangers, sending{sent: 1}))
}

// TestEvictedBucketGrantsOneBurstMore: the price of bounded memory, and how the
// check accounts for it.
func TestEvictedBucketGrantsOneBurstMore(t *testing.T) {
	g := newTestGateway(t, gatewayConfig{
		origins: []string{startOrigin(t, &echo{})},
		limit:   tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 3},
		clients: 1,
	})
	get := func(client string) int {
		return ask(g, "GET", "/", sealed(g.seal, headerClient, client)).status
	}
	for range 3 {
		require.Equal(t, 200, get("a"))
	}
	require.Equal(t, 429, get("a"))
	require.Equal(t, 200, get("b")) // pushes out a's bucket
	for range 3 {
		require.Equal(t, 200, get("a"), "a fresh bucket")
	}
	require.Equal(t, 429, get("a"))
	assert.EqualValues(t, 2, g.buckets.Stats().Evictions)
	assert.Empty(t, g.history.check())

	clear(g.history.evicts) // without the evictions the same history is a violation
	broken := g.history.check()
	require.Len(t, broken, 1)
	assert.Equal(t, limiterBound, broken[0].ID)
	assert.Contains(t, broken[0].Text, "client a admitted 6, bound 3.00")
}

func TestFirstRequestsOfAClientShareOneBucket(t *testing.T) {
	g := newTestGateway(t, gatewayConfig{
		origins: []string{startOrigin(t, &echo{})},
		limit:   tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 5},
	})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { ask(g, "GET", "/", sealed(g.seal, headerClient, "new")) })
	}
	group.Wait()
	assert.EqualValues(t, 45, g.replayed.outcomes[denied].Load())
	assert.Empty(t, g.history.check())
}

func TestNewGatewayNamesTheFlag(t *testing.T) {
	_, err := newGateway(gatewayConfig{clients: 0, cacheSize: 1})
	require.ErrorIs(t, err, lru.ErrConfig)
	require.ErrorContains(t, err, "-clients")
	_, err = newGateway(gatewayConfig{clients: 1, cacheSize: 0})
	require.ErrorContains(t, err, "-cache")
}

func TestCachePeakIsReadEvery64thRequest(t *testing.T) {
	g := newTestGateway(t, gatewayConfig{origins: []string{startOrigin(t, &echo{})}, cacheSize: 10})
	for i := range 63 {
		ask(g, "GET", fmt.Sprint("/", i), sealed(g.seal))
	}
	assert.Zero(t, g.cachePeak.highest.Load())
	ask(g, "GET", "/", sealed(g.seal))
	assert.EqualValues(t, 10, g.cachePeak.highest.Load())
}
