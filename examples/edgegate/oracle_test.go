package main

import (
	"container/list"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/lru"
)

var defaultPolicy = policy{1, 30 * time.Second, 30}

func keepAll(cacheKey) bool { return true }

// daySample is the synthetic day of seed 1. Tests share it and must not write
// to it.
var daySample = sync.OnceValue(func() []request { return syntheticDay(1) })

func TestExpectedDenials(t *testing.T) {
	tests := []struct {
		name            string
		stream          func(t *testing.T) []request
		denied, clients int64
	}{
		{"synthetic", func(*testing.T) []request { return daySample() }, 2394, 36},
		{"NASA", func(t *testing.T) []request { return load(t, nasaDay) }, 259, 15},
		{"Apache without silences", func(t *testing.T) []request {
			stream := load(t, apacheSample)
			closeGaps(stream, 120*time.Second)
			return stream
		}, 597, 32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := expect(tt.stream(t), defaultPolicy, 256, keepAll)
			require.NoError(t, err)
			assert.Equal(t, tt.denied, got.denied)
			assert.Len(t, got.deniedBy, int(tt.clients))
		})
	}
}

func TestAbusersAreDenied(t *testing.T) {
	want, err := expect(daySample(), defaultPolicy, 256, keepAll)
	require.NoError(t, err)
	assert.EqualValues(t, 300-31, want.deniedBy["stuffer.example"], "burst, and 59.8 s bring one token more")
	assert.EqualValues(t, 600-30-39, want.deniedBy["crawler.example"], "burst, and 1198 s bring 39")
	assert.EqualValues(t, 1000-30, want.deniedBy["flooder.example"], "burst, and 20 s bring none")
}

func load(t *testing.T, name string) []request {
	t.Helper()
	stream, _, err := readLog(t.Context(), trace(t, name))
	require.NoError(t, err)
	return stream
}

// listLRU is the LRU cache of the whiteboard, the model of what the gateway
// caches with.
type listLRU struct {
	capacity int
	order    list.List
	at       map[string]*list.Element
}

func (c *listLRU) touch(key string) (hit bool) {
	if e, ok := c.at[key]; ok {
		c.order.MoveToFront(e)
		return true
	}
	if c.order.Len() == c.capacity {
		delete(c.at, c.order.Remove(c.order.Back()).(string))
	}
	c.at[key] = c.order.PushFront(key)
	return false
}

// TestHitRatioOfRealURLs pins what a strict LRU makes of the URLs of the NASA
// day.
func TestHitRatioOfRealURLs(t *testing.T) {
	stream := load(t, nasaDay)
	for capacity, percent := range map[int]float64{64: 58.3, 256: 78.0, 1024: 91.3} {
		cache, err := lru.New(lru.Config[string, struct{}]{Capacity: capacity})
		require.NoError(t, err)
		model := listLRU{capacity: capacity, at: map[string]*list.Element{}}
		hits := 0
		for _, r := range stream {
			_, hit := cache.GetOrSet(r.path, struct{}{})
			require.Equal(t, model.touch(r.path), hit)
			if hit {
				hits++
			}
		}
		assert.InDelta(t, percent, 100*float64(hits)/float64(len(stream)), 0.05, "capacity %d", capacity)
	}
}

func TestExpectedHits(t *testing.T) {
	get := func(path string, status int) request { return request{0, "c", "GET", path, status, 0} }
	stream := []request{
		get("/a", 200), get("/a", 304), // hit: a logged 304 is an ordinary request
		get("/a", 404), get("/a", 404), // a hit of its own: the 404 is another answer
		{0, "c", "HEAD", "/a", 200, 0}, {0, "c", "POST", "/a", 200, 0}, // never cached
		get("a", 200),                // hit: the same on the wire
		get("/b", 200), get("/a", 0), // both present
		{0, "d", "POST", "/b", 404, 0}, // a logged 404 is replayed as GET
	}
	want, err := expect(stream, policy{1, time.Second, 100}, 10, keepAll)
	require.NoError(t, err)
	assert.InDelta(t, 4.0/10, want.hitRatio, 1e-12)

	want, err = expect(stream, policy{1, time.Second, 1}, 10, keepAll)
	require.NoError(t, err)
	assert.EqualValues(t, 8, want.denied)
	assert.Zero(t, want.hitRatio, "denied requests never reach the cache")

	_, err = expect(nil, defaultPolicy, 0, keepAll)
	require.ErrorIs(t, err, lru.ErrConfig)
	want, err = expect(nil, defaultPolicy, 1, keepAll)
	require.NoError(t, err)
	assert.Zero(t, want.hitRatio)
}

// TestGatewayEqualsTheOracle decides the same requests one by one in both, with
// a limit that does not refill and a cache that has to evict. Nothing depends
// on time, so the counts must be equal.
func TestGatewayEqualsTheOracle(t *testing.T) {
	files := map[string]string{"large.go": strings.Repeat("x", maxCachedBody)}
	for i := range 100 {
		files[fmt.Sprintf("%d.go", i)] = fmt.Sprint("package p", i)
	}
	for i := range 3 {
		files[fmt.Sprintf("giant%d.go", i)] = strings.Repeat("x", maxCachedBody+1)
	}
	s, err := openSite(t.Context(), newSite(t, files))
	require.NoError(t, err)
	p := policy{1, maxPer, 30}
	limit, err := p.bucket(speedUnit)
	require.NoError(t, err)
	g := newTestGateway(t, gatewayConfig{limit: limit, clients: 4096, cacheSize: 64})
	for range originCount {
		g.origins = append(g.origins, startOrigin(t, &origin{site: s, seal: g.seal}))
	}
	stream := daySample()[:4000]
	for _, r := range stream {
		w := onWire(r)
		header := sealed(g.seal, headerClient, r.client)
		if w.missing {
			header.Set(headerMissing, "1")
		}
		ask(g, w.method, w.target, header)
	}
	want, err := expect(stream, p, 64, s.keepable)
	require.NoError(t, err)
	assert.Equal(t, want.hits, g.replayed.outcomes[hit].Load())
	assert.Equal(t, want.deniedBy, g.replayed.deniedBy.snapshot())
	assert.Equal(t, want.denied, g.replayed.outcomes[denied].Load())
	assert.Zero(t, g.replayed.outcomes[failed].Load())

	inflated, err := expect(stream, p, 64, keepAll)
	require.NoError(t, err)
	assert.Greater(t, inflated.hits, want.hits, "the sample asks for giants more than once")
}
