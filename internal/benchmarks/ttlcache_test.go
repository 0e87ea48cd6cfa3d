package benchmarks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ttlOfAll is the life of every entry unless the work says otherwise: long enough that nothing expires.
const ttlOfAll = time.Hour

// ttlCache is the work that the caches with expiry are compared on; ttlSetter and ttlLoader are what some can do besides.
type ttlCache[K lruKey] interface {
	Get(key K) (int, bool)
	Set(key K, value int) // for ttlOfAll
	Settle()              // waits for what the cache does in the background
	Close()
}

type ttlSetter[K lruKey] interface {
	SetTTL(key K, value int, ttl time.Duration)
}

type ttlLoader[K lruKey] interface {
	Load(ctx context.Context, key K) (int, error)
}

type ttlImpl[K lruKey] struct {
	name    string
	strict  bool // an exact LRU: everything that fits is there
	slides  bool
	newWith func(capacity int, sliding bool) ttlCache[K]
}

func ttlImpls[K lruKey]() []ttlImpl[K] {
	return []ttlImpl[K]{
		{"mainstay", true, true, newMainstayTTL[K]},
		{"ttlcache", true, true, newJellydatorTTL[K]},
		{"expirable", true, false, newExpirableTTL[K]},
		{"otter", false, true, newOtterTTL[K]},
		{"theine", false, false, newTheineTTL[K]},
	}
}

// ttlLoad is the origin; a slow one would hide the cache. Calls are counted where that matters.
func ttlLoad[K lruKey](_ context.Context, key K) (int, error) {
	ttlLoads.Add(1)
	if slow := ttlLoadTakes.Load(); slow > 0 {
		end := time.Now().Add(time.Duration(slow))
		for time.Now().Before(end) {
			runtime.Gosched()
		}
	}
	return len(fmt.Sprint(key)), nil
}

var ttlLoads, ttlLoadTakes atomic.Int64

// ttlFull returns a cache that holds the first capacity keys, each with its number as value.
func ttlFull[K lruKey](b *testing.B, impl ttlImpl[K], capacity int, keys []K, sliding bool) ttlCache[K] {
	b.Helper()
	c := impl.newWith(capacity, sliding)
	b.Cleanup(c.Close)
	for i, key := range keys[:capacity] {
		c.Set(key, i)
	}
	c.Settle()
	if impl.strict {
		for i, key := range keys[:capacity] {
			value, ok := c.Get(key)
			require.True(b, ok)
			require.Equal(b, i, value)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	return c
}

func ttlName(impl, key string) string {
	return fmt.Sprintf("impl=%s/key=%s/cap=%d", impl, key, lruCapacity)
}

// BenchmarkTTLCacheGet looks up keys that are all present, uniformly.
func BenchmarkTTLCacheGet(b *testing.B) {
	benchTTLGet(b, "int", intKey, false)
	benchTTLGet(b, "string", stringKey, false)
}

// BenchmarkTTLCacheGetSliding is the same, and each hit starts the life of the entry anew.
func BenchmarkTTLCacheGetSliding(b *testing.B) { benchTTLGet(b, "int", intKey, true) }

func benchTTLGet[K lruKey](b *testing.B, name string, key func(int) K, sliding bool) {
	b.Helper()
	keys := lruKeys(lruCapacity, key)
	rng := lruRand()
	trace := lruTrace(1<<16, func() int { return rng.IntN(lruCapacity) })
	order := lruInOrder(trace, keys)
	for _, impl := range ttlImpls[K]() {
		if sliding && !impl.slides {
			continue
		}
		b.Run(ttlName(impl.name, name), func(b *testing.B) {
			c := ttlFull(b, impl, lruCapacity, keys, sliding)
			hits, n := 0, 0
			for b.Loop() {
				at := n & (len(trace) - 1)
				if value, ok := c.Get(order[at]); ok {
					if value != trace[at] {
						b.Fatalf("Get(%v) = %d", order[at], value)
					}
					hits++
				}
				n++
			}
			if impl.strict && hits != n {
				b.Fatalf("%d hits of %d", hits, n)
			}
			reportHits(b, hits, n)
		})
	}
}

// BenchmarkTTLCacheInsert goes round through twice the capacity, so that each Set inserts and evicts.
func BenchmarkTTLCacheInsert(b *testing.B) {
	keys := lruKeys(2*lruCapacity, intKey)
	for _, impl := range ttlImpls[int]() {
		b.Run(ttlName(impl.name, "int"), func(b *testing.B) {
			c := ttlFull(b, impl, lruCapacity, keys, false)
			n := lruCapacity
			for b.Loop() {
				i := n & (2*lruCapacity - 1)
				c.Set(keys[i], i)
				n++
			}
			last := (n - 1) & (2*lruCapacity - 1)
			if value, ok := c.Get(keys[last]); impl.strict && (!ok || value != last) {
				b.Fatal("the last key is not there")
			}
		})
	}
}

// BenchmarkTTLCacheZipf is the loop of a read-through cache: look up, and on a miss store.
func BenchmarkTTLCacheZipf(b *testing.B) {
	keys := lruKeys(2*lruCapacity, stringKey)
	trace := lruTrace(1<<20, lruZipf(2*lruCapacity))
	order := lruInOrder(trace, keys)
	for _, impl := range ttlImpls[string]() {
		b.Run(ttlName(impl.name, "string"), func(b *testing.B) {
			c := ttlFull(b, impl, lruCapacity, keys, false)
			hits, n := 0, 0
			for b.Loop() {
				at := n & (len(trace) - 1)
				if value, ok := c.Get(order[at]); !ok {
					c.Set(order[at], trace[at])
				} else if hits++; value != trace[at] {
					b.Fatalf("Get(%v) = %d", order[at], value)
				}
				n++
			}
			reportHits(b, hits, n)
		})
	}
}

// BenchmarkTTLCacheMixedTTL updates keys that are present with lives from a second to an hour, so that deadlines move in
// both directions. expirable has no life per entry.
func BenchmarkTTLCacheMixedTTL(b *testing.B) {
	keys := lruKeys(lruCapacity, intKey)
	rng := lruRand()
	trace := lruTrace(1<<16, func() int { return rng.IntN(lruCapacity) })
	lives := make([]time.Duration, len(trace))
	for i := range lives {
		lives[i] = time.Second + time.Duration(rng.Int64N(int64(time.Hour)))
	}
	for _, impl := range ttlImpls[int]() {
		b.Run(ttlName(impl.name, "int"), func(b *testing.B) {
			c := ttlFull(b, impl, lruCapacity, keys, false)
			setter, ok := c.(ttlSetter[int])
			if !ok {
				b.Skip("one life for all entries")
			}
			n := 0
			for b.Loop() {
				at := n & (len(trace) - 1)
				setter.SetTTL(trace[at], trace[at], lives[at])
				n++
			}
		})
	}
}

// BenchmarkTTLCacheLoadHit asks through the loader for a key that is present.
func BenchmarkTTLCacheLoadHit(b *testing.B) {
	keys := lruKeys(lruCapacity, intKey)
	rng := lruRand()
	trace := lruTrace(1<<16, func() int { return rng.IntN(lruCapacity / 2) })
	ctx := b.Context()
	for _, impl := range ttlImpls[int]() {
		b.Run(ttlName(impl.name, "int"), func(b *testing.B) {
			c := ttlFull(b, impl, lruCapacity, keys, false)
			loader, ok := c.(ttlLoader[int])
			if !ok {
				b.Skip("does not load")
			}
			n := 0
			for b.Loop() {
				i := trace[n&(len(trace)-1)]
				if value, err := loader.Load(ctx, i); err != nil || impl.strict && value != i {
					b.Fatalf("Load(%d) = %d, %v", i, value, err)
				}
				n++
			}
		})
	}
}

// BenchmarkTTLCacheStampede lets a thousand callers miss one key at once; an operation is one stampede. loads/op is how
// often the origin was asked.
func BenchmarkTTLCacheStampede(b *testing.B) {
	const callers = 1000
	ctx := b.Context()
	for _, impl := range ttlImpls[int]() {
		b.Run("impl="+impl.name, func(b *testing.B) {
			c := impl.newWith(lruCapacity, false)
			b.Cleanup(c.Close)
			loader, ok := c.(ttlLoader[int])
			if !ok {
				b.Skip("does not load")
			}
			ttlLoadTakes.Store(int64(100 * time.Microsecond))
			defer ttlLoadTakes.Store(0)
			before, key := ttlLoads.Load(), 0
			for b.Loop() {
				key++
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						if value, err := loader.Load(ctx, key); err != nil || value != len(fmt.Sprint(key)) {
							b.Errorf("Load(%d) = %d, %v", key, value, err)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(ttlLoads.Load()-before)/float64(key), "loads/op")
		})
	}
}

// BenchmarkTTLCacheMassExpiry lets a million entries expire at once and looks up another key all the while. What counts is
// the longest that a look-up has to wait, and the 99th percentile. idle-max-ns is the longest wait before that time: what
// the machine does to a look-up that nobody disturbs.
func BenchmarkTTLCacheMassExpiry(b *testing.B) {
	const entries, life = 1_000_000, 4 * time.Second
	for _, impl := range ttlImpls[int]() {
		b.Run("impl="+impl.name, func(b *testing.B) {
			var p99, longest, undisturbed time.Duration
			for b.Loop() {
				c := impl.newWith(entries+1, false)
				setter, ok := c.(ttlSetter[int])
				if !ok {
					b.Skip("one life for all entries")
				}
				start := time.Now()
				c.Set(-1, -1)
				for i := range entries {
					setter.SetTTL(i, i, life-time.Since(start))
				}
				before, during := ttlWaits{}, ttlWaits{}
				for end := start.Add(life + 1500*time.Millisecond); ; {
					asked := time.Now()
					if asked.After(end) {
						break
					}
					if _, ok := c.Get(-1); impl.strict && !ok {
						b.Fatal("the other key is not there")
					}
					if wait := time.Since(asked); asked.Sub(start) >= life {
						during.add(wait)
					} else if asked.Sub(start) < life-100*time.Millisecond {
						before.add(wait)
					}
				}
				if value, ok := c.Get(1); ok {
					b.Fatalf("Get of an expired key is %d", value)
				}
				if before.n == 0 || during.n == 0 {
					b.Fatal("the million was not stored before it expired")
				}
				p99, longest = max(p99, during.percentile(99)), max(longest, during.longest)
				undisturbed = max(undisturbed, before.longest)
				c.Close()
			}
			b.ReportMetric(float64(p99.Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(longest.Nanoseconds()), "max-ns")
			b.ReportMetric(float64(undisturbed.Nanoseconds()), "idle-max-ns")
		})
	}
}

// ttlWaits counts waits by their length in steps of 64 ns, so that a measurement of millions of them allocates nothing.
type ttlWaits struct {
	counts  [1 << 14]int
	n       int
	longest time.Duration
}

func (w *ttlWaits) add(wait time.Duration) {
	w.counts[min(int(wait/64), len(w.counts)-1)]++
	w.n++
	w.longest = max(w.longest, wait)
}

// percentile returns the wait that p of 100 do not exceed, at most a millisecond.
func (w *ttlWaits) percentile(p int) time.Duration {
	seen := 0
	for step, count := range w.counts {
		if seen += count; 100*seen >= p*w.n {
			return time.Duration(step+1) * 64
		}
	}
	return w.longest
}

// BenchmarkTTLCacheParallel is all goroutines on one cache: look-ups, and one addition to nine.
func BenchmarkTTLCacheParallel(b *testing.B) {
	keys := lruKeys(2*lruCapacity, intKey)
	trace := lruTrace(1<<18, lruZipf(2*lruCapacity))
	for _, writes := range []int{0, 10} {
		for _, impl := range ttlImpls[int]() {
			b.Run(fmt.Sprintf("%s/writes=%d%%", ttlName(impl.name, "int"), writes), func(b *testing.B) {
				c := ttlFull(b, impl, lruCapacity, keys, false)
				b.RunParallel(func(pb *testing.PB) {
					n := rand.IntN(len(trace))
					for pb.Next() {
						n++
						i := trace[n&(len(trace)-1)]
						if n%100 < writes {
							c.Set(i, i)
						} else if value, ok := c.Get(i); ok && value != i {
							b.Errorf("Get(%d) = %d", i, value)
						}
					}
				})
			})
		}
	}
}

// BenchmarkTTLCacheMemory fills a cache with a million entries of int to int and measures what the heap holds then.
func BenchmarkTTLCacheMemory(b *testing.B) {
	const entries = 1_000_000
	for _, impl := range ttlImpls[int]() {
		b.Run(fmt.Sprintf("impl=%s/key=int/cap=%d", impl.name, entries), func(b *testing.B) {
			var bytes float64
			for b.Loop() {
				before := heapBytes()
				c := impl.newWith(entries, false)
				for i := range entries {
					c.Set(i, i)
				}
				c.Settle()
				bytes += float64(heapBytes()-before) / entries
				runtime.KeepAlive(c)
				c.Close()
			}
			b.ReportMetric(bytes/float64(b.N), "B/entry")
		})
	}
}
