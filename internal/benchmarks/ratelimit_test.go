package benchmarks

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// ratelimitKeyed charges 1 to a key and reports whether that was within the limit.
type ratelimitKeyed interface{ Allow(key string) bool }

// ratelimitImpl is one implementation: a limiter of so many a second for each key, and a middleware with the same limit
// whose key is the peer's address. What a peer cannot do is nil.
type ratelimitImpl struct {
	name       string
	keyed      func(perSecond, maxKeys int) ratelimitKeyed
	middleware func(perSecond int) func(http.Handler) http.Handler
	bounded    bool // holds at most maxKeys
}

const (
	ratelimitPlenty  = 1_000_000_000 // every answer is yes
	ratelimitMaxKeys = 1 << 17
)

func ratelimitImpls() []ratelimitImpl {
	return []ratelimitImpl{ratelimitMainstay, ratelimitGoLimiter, ratelimitThrottled, ratelimitUlule, ratelimitXTime, ratelimitHTTPRate}
}

func ratelimitKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "client-" + strconv.Itoa(i)
	}
	return keys
}

// benchRatelimit asks for keys in the order of next, serially and in parallel, and checks that all answers were want.
func benchRatelimit(b *testing.B, name string, l ratelimitKeyed, keys []string, next func(i uint64) uint64, want bool) {
	b.Helper()
	b.Run(name+"/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		wrong, i := 0, uint64(0)
		for b.Loop() {
			if l.Allow(keys[next(i)]) != want {
				wrong++
			}
			i++
		}
		require.Zero(b, wrong, "answers that were not %v", want)
	})
	b.Run(name+"/mode=parallel", func(b *testing.B) {
		b.ReportAllocs()
		var wrong atomic.Int64
		var workers atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			mine, i := int64(0), workers.Add(1)<<40
			for pb.Next() {
				if l.Allow(keys[next(i)]) != want {
					mine++
				}
				i++
			}
			wrong.Add(mine)
		})
		require.Zero(b, wrong.Load(), "answers that were not %v", want)
	})
}

// scattered visits n places in an order that no prefetcher guesses; n is a power of two.
func scattered(n uint64) func(i uint64) uint64 {
	return func(i uint64) uint64 { return (i * 0x9e3779b97f4a7c15 >> 32) & (n - 1) }
}

// BenchmarkRatelimitAllow admits every call of 100,000 clients.
func BenchmarkRatelimitAllow(b *testing.B) {
	keys := ratelimitKeys(1 << 17)
	for _, impl := range ratelimitImpls() {
		if impl.keyed == nil {
			continue
		}
		l := impl.keyed(ratelimitPlenty, 2*ratelimitMaxKeys)
		for _, key := range keys {
			require.True(b, l.Allow(key))
		}
		benchRatelimit(b, "impl="+impl.name+"/keys=131072", l, keys, scattered(1<<17), true)
	}
}

// BenchmarkRatelimitRefuse refuses every call of 8,192 clients, who have spent what they had.
func BenchmarkRatelimitRefuse(b *testing.B) {
	keys := ratelimitKeys(1 << 13)
	for _, impl := range ratelimitImpls() {
		if impl.keyed == nil {
			continue
		}
		l := impl.keyed(-1, ratelimitMaxKeys)
		for _, key := range keys {
			require.True(b, l.Allow(key))
			require.False(b, l.Allow(key))
		}
		benchRatelimit(b, "impl="+impl.name+"/keys=8192", l, keys, scattered(1<<13), false)
	}
}

// BenchmarkRatelimitZipf admits calls whose clients are as unequal as in nature.
func BenchmarkRatelimitZipf(b *testing.B) {
	keys := ratelimitKeys(1 << 17)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(keys)-1))
	order := make([]uint32, 1<<16)
	for i := range order {
		order[i] = uint32(zipf.Uint64())
	}
	for _, impl := range ratelimitImpls() {
		if impl.keyed == nil {
			continue
		}
		l := impl.keyed(ratelimitPlenty, 2*ratelimitMaxKeys)
		benchRatelimit(b, "impl="+impl.name+"/keys=zipf", l, keys, func(i uint64) uint64 { return uint64(order[i&0xffff]) }, true)
	}
}

// BenchmarkRatelimitFlood is a flood of clients that come once, into a limiter that holds 65,536: only those that bound
// their memory take part.
func BenchmarkRatelimitFlood(b *testing.B) {
	for _, impl := range ratelimitImpls() {
		if impl.keyed == nil || !impl.bounded {
			continue
		}
		l := impl.keyed(10, 1<<16)
		b.Run(fmt.Sprintf("impl=%s/keys=new", impl.name), func(b *testing.B) {
			b.ReportAllocs()
			var text [24]byte
			i, wrong := int64(0), 0
			for b.Loop() {
				if !l.Allow(string(strconv.AppendInt(append(text[:0], "client-"...), i, 10))) {
					wrong++
				}
				i++
			}
			require.Zero(b, wrong)
		})
	}
}

// BenchmarkRatelimitHTTP serves an admitted request through a middleware with the fields that it knows.
func BenchmarkRatelimitHTTP(b *testing.B) {
	for _, impl := range ratelimitImpls() {
		if impl.middleware == nil {
			continue
		}
		served := 0
		h := impl.middleware(ratelimitPlenty)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = "192.0.2.7:1234"
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			served = 0
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			require.Equal(b, b.N, served)
		})
	}
}
