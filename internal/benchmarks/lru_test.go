package benchmarks

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lruKey is what every peer accepts as a key.
type lruKey interface{ int | string }

// lruCache is the work that the caches are compared on.
type lruCache[K lruKey] interface {
	Get(key K) (int, bool)
	Set(key K, value int)
	Settle() // waits for what the cache does in the background
	Close()
}

// lruImpl is one implementation. A strict one must give the hits of an exact LRU; the others only values that are right.
type lruImpl[K lruKey] struct {
	name   string
	strict bool
	make   func(capacity int) lruCache[K]
}

func lruImpls[K lruKey]() []lruImpl[K] {
	return []lruImpl[K]{
		{"mainstay", true, newMainstayLRU[K]},
		{"golang-lru", true, newGolangLRU[K]},
		{"otter", false, newOtterLRU[K]},
		{"theine", false, newTheineLRU[K]},
		{"ristretto", false, newRistrettoLRU[K]},
	}
}

func intKey(i int) int       { return i }
func stringKey(i int) string { return fmt.Sprintf("key-%012d", i) }

func lruKeys[K lruKey](n int, key func(int) K) []K {
	keys := make([]K, n)
	for i := range keys {
		keys[i] = key(i)
	}
	return keys
}

// lruTrace is a sequence of key numbers whose length is a power of two.
func lruTrace(length int, next func() int) []int {
	trace := make([]int, length)
	for i := range trace {
		trace[i] = next()
	}
	return trace
}

func lruRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func lruZipf(n int) func() int {
	z := rand.NewZipf(lruRand(), 1.01, 10, uint64(n-1))
	return func() int { return int(z.Uint64()) }
}

// lruInOrder lays the keys out in the order of the trace, so that the loop reads
// them one after the other and the time measured is that of the cache.
func lruInOrder[K lruKey](trace []int, keys []K) []K {
	order := make([]K, len(trace))
	for n, i := range trace {
		order[n] = keys[i]
	}
	return order
}

// lruFull returns a cache that holds the first capacity keys, each with its number as value.
func lruFull[K lruKey](b *testing.B, impl lruImpl[K], capacity int, keys []K) lruCache[K] {
	b.Helper()
	c := impl.make(capacity)
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
	return c
}

// reportHits prints the share of look-ups that were hits: what an approximate policy may win back.
func reportHits(b *testing.B, hits, lookups int) {
	b.Helper()
	b.ReportMetric(100*float64(hits)/float64(lookups), "hit-%")
}

const lruCapacity = 8192

func BenchmarkLRUGet(b *testing.B) {
	benchLRUGet(b, "int", intKey)
	benchLRUGet(b, "string", stringKey)
}

// benchLRUGet looks up keys that are all present, uniformly.
func benchLRUGet[K lruKey](b *testing.B, name string, key func(int) K) {
	b.Helper()
	keys := lruKeys(lruCapacity, key)
	rng := lruRand()
	trace := lruTrace(1<<16, func() int { return rng.IntN(lruCapacity) })
	order := lruInOrder(trace, keys)
	for _, impl := range lruImpls[K]() {
		b.Run(fmt.Sprintf("impl=%s/key=%s/cap=%d", impl.name, name, lruCapacity), func(b *testing.B) {
			c := lruFull(b, impl, lruCapacity, keys)
			b.ReportAllocs()
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

func BenchmarkLRUInsert(b *testing.B) {
	benchLRUInsert(b, "int", intKey)
	benchLRUInsert(b, "string", stringKey)
}

// benchLRUInsert goes round through twice the capacity, so that each Set of an LRU inserts and evicts.
func benchLRUInsert[K lruKey](b *testing.B, name string, key func(int) K) {
	b.Helper()
	keys := lruKeys(2*lruCapacity, key)
	for _, impl := range lruImpls[K]() {
		b.Run(fmt.Sprintf("impl=%s/key=%s/cap=%d", impl.name, name, lruCapacity), func(b *testing.B) {
			c := lruFull(b, impl, lruCapacity, keys)
			b.ReportAllocs()
			n := lruCapacity
			for b.Loop() {
				i := n & (2*lruCapacity - 1)
				c.Set(keys[i], i)
				n++
			}
			if last := (n - 1) & (2*lruCapacity - 1); impl.strict {
				if value, ok := c.Get(keys[last]); !ok || value != last {
					b.Fatal("the last key is not there")
				}
			}
		})
	}
}

func BenchmarkLRUZipf(b *testing.B) {
	benchLRUZipf(b, "int", intKey, lruCapacity)
	benchLRUZipf(b, "string", stringKey, lruCapacity)
	benchLRUZipf(b, "string", stringKey, 100_000)
}

// benchLRUZipf is the loop of a read-through cache: look up, and on a miss store, keys by Zipf over twice the capacity.
func benchLRUZipf[K lruKey](b *testing.B, name string, key func(int) K, capacity int) {
	b.Helper()
	keys := lruKeys(2*capacity, key)
	trace := lruTrace(1<<20, lruZipf(2*capacity))
	order := lruInOrder(trace, keys)
	for _, impl := range lruImpls[K]() {
		b.Run(fmt.Sprintf("impl=%s/key=%s/cap=%d", impl.name, name, capacity), func(b *testing.B) {
			c := lruFull(b, impl, capacity, keys)
			b.ReportAllocs()
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

// BenchmarkLRURand and BenchmarkLRUFreq are the two shapes of golang-lru's own benchmarks: as many additions as look-ups
// over four times the capacity; and additions over twice the capacity, then look-ups over four times.
func BenchmarkLRURand(b *testing.B) {
	rng := lruRand()
	benchLRUShape(b, func() int { return rng.IntN(4 * lruCapacity) }, func() int { return rng.IntN(4 * lruCapacity) })
}

func BenchmarkLRUFreq(b *testing.B) {
	rng := lruRand()
	benchLRUShape(b, func() int { return rng.IntN(2 * lruCapacity) }, func() int { return rng.IntN(4 * lruCapacity) })
}

// benchLRUShape counts one addition and one look-up as one operation.
func benchLRUShape(b *testing.B, add, look func() int) {
	b.Helper()
	keys := lruKeys(4*lruCapacity, intKey)
	adds, looks := lruTrace(1<<16, add), lruTrace(1<<16, look)
	for _, impl := range lruImpls[int]() {
		b.Run(fmt.Sprintf("impl=%s/key=int/cap=%d", impl.name, lruCapacity), func(b *testing.B) {
			c := lruFull(b, impl, lruCapacity, keys)
			b.ReportAllocs()
			hits, n := 0, 0
			for b.Loop() {
				at := n & (1<<16 - 1)
				c.Set(adds[at], adds[at])
				if value, ok := c.Get(looks[at]); ok {
					if value != looks[at] {
						b.Fatalf("Get(%d) = %d", looks[at], value)
					}
					hits++
				}
				n++
			}
			reportHits(b, hits, n)
		})
	}
}

// BenchmarkLRUParallel is all goroutines on one cache: look-ups alone, and one addition to nine look-ups.
func BenchmarkLRUParallel(b *testing.B) {
	keys := lruKeys(2*lruCapacity, intKey)
	trace := lruTrace(1<<18, lruZipf(2*lruCapacity))
	for _, writes := range []int{0, 10} {
		for _, impl := range lruImpls[int]() {
			b.Run(fmt.Sprintf("impl=%s/key=int/cap=%d/writes=%d%%", impl.name, lruCapacity, writes), func(b *testing.B) {
				c := lruFull(b, impl, lruCapacity, keys)
				b.ReportAllocs()
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

// BenchmarkLRUMemory fills a cache with a million entries of int to int and measures what the heap holds then, and what a
// collection of it costs.
func BenchmarkLRUMemory(b *testing.B) {
	const entries = 1_000_000
	for _, impl := range lruImpls[int]() {
		b.Run(fmt.Sprintf("impl=%s/key=int/cap=%d", impl.name, entries), func(b *testing.B) {
			var bytes, gc float64
			for b.Loop() {
				before := heapBytes()
				c := impl.make(entries)
				for i := range entries {
					c.Set(i, i)
				}
				c.Settle()
				bytes += float64(heapBytes()-before) / entries
				start := time.Now()
				runtime.GC()
				gc += float64(time.Since(start).Microseconds()) / 1000
				runtime.KeepAlive(c)
				c.Close()
			}
			b.ReportMetric(bytes/float64(b.N), "B/entry")
			b.ReportMetric(gc/float64(b.N), "ms/GC")
		})
	}
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
