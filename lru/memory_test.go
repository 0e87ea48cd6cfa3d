//go:build !race

// The race detector allocates on its own account, so what is said of memory is said without it.

package lru

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/invariants"
)

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// mallocs counts the allocations of n calls, all of them.
func mallocs(n int, call func()) uint64 {
	call()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		call()
	}
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

func TestNoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the checks allocate")
	}
	type point struct{ x, y int64 }
	checkNoAllocations(t, "int", func(i int) int { return i })
	names := make([]string, 1<<16)
	for i := range names {
		names[i] = fmt.Sprintf("key-%d", i)
	}
	checkNoAllocations(t, "string", func(i int) string { return names[i%len(names)] })
	checkNoAllocations(t, "struct", func(i int) point { return point{int64(i), -int64(i)} })
}

func checkNoAllocations[K comparable](t *testing.T, name string, key func(int) K) {
	t.Helper()
	const capacity, calls = 100, 5000
	told := 0
	hook := func(K, int, Reason) { told++ }
	for form, cfg := range map[string]Config[K, int]{
		"plain":   {Capacity: capacity},
		"hook":    {Capacity: capacity, OnEvict: hook},
		"weights": {Capacity: capacity, MaxWeight: capacity, Weigh: func(K, int) int64 { return 1 }, OnEvict: hook},
		"shards":  {Capacity: capacity, Shards: 8, OnEvict: hook},
	} {
		c := mustNew(t, cfg)
		for i := range 20_000 { // every shard has grown as far as it will
			c.Set(key(i), i)
		}
		next := 20_000
		for call, run := range map[string]func(){
			"Get hit":              func() { c.Get(key(next - 1)) },
			"Get miss":             func() { c.Get(key(next + 1)) },
			"Peek":                 func() { c.Peek(key(next - 1)) },
			"Contains":             func() { c.Contains(key(next - 1)) },
			"Set of a present key": func() { c.Set(key(next-1), 1) },
			"Set that evicts":      func() { c.Set(key(next), 1); next++ },
			"GetOrSet hit":         func() { c.GetOrSet(key(next-1), 1) },
			"GetOrSet that evicts": func() { c.GetOrSet(key(next), 1); next++ },
			"Delete and Set":       func() { c.Delete(key(next - 1)); c.Set(key(next-1), 1) },
			"DeleteOldest":         func() { c.DeleteOldest(); c.Set(key(next), 1); next++ },
			"Len, Cap, Stats":      func() { c.Len(); c.Cap(); c.Stats(); c.Oldest() },
		} {
			few := uint64(3) // the runtime itself allocates now and then
			if cfg.Shards > 0 {
				few += 3 * 2 * uint64(cfg.Shards) // a shard may meet a new high once or twice: three blocks each
			}
			assert.LessOrEqual(t, mallocs(calls, run), few, "%s, %s: %d of %s", name, form, calls, call)
			assert.Zero(t, testing.AllocsPerRun(100, run), "%s, %s: %s", name, form, call)
		}
	}
}

// What New allocates depends on the number of shards alone.
func TestNewReservesNothing(t *testing.T) {
	for shards, limit := range map[int]uint64{0: 1 << 10, 8: 8 * 400, 256: 256 * 400} {
		assert.Less(t, newBytes[int](t, shards), limit, "shards %d", shards)
		assert.Less(t, newBytes[[1 << 16]byte](t, shards), limit, "shards %d, large values", shards)
	}
}

func newBytes[V any](t *testing.T, shards int) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := mustNew(t, Config[int, V]{Capacity: MaxCapacity, Shards: shards})
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(c)
	return after.TotalAlloc - before.TotalAlloc
}

func TestBytesPerEntry(t *testing.T) {
	weigh := func(int64, int64) int64 { return 1 }
	for _, n := range []int{2049, 8192, 8193, 100_000, 1_000_000} {
		for form, test := range map[string]struct {
			cfg   Config[int64, int64]
			limit float64
		}{
			"one lock": {Config[int64, int64]{Capacity: n}, 60},
			"weights":  {Config[int64, int64]{Capacity: n, MaxWeight: int64(n), Weigh: weigh}, 68},
			"shards":   {Config[int64, int64]{Capacity: n, Shards: 8}, 80},
		} {
			before := heap()
			c := mustNew(t, test.cfg)
			for k := range int64(n) {
				c.Set(k, k)
			}
			bytes := float64(heap()-before) / float64(n)
			t.Logf("%d entries, %s: %.1f bytes each", n, form, bytes)
			assert.LessOrEqual(t, bytes, test.limit, "%d entries, %s", n, form)
			assert.GreaterOrEqual(t, bytes, 32.0, "the measurement is broken")
			runtime.KeepAlive(c)
		}
	}
}

// A cache that was resized and filled again costs what a new one of that size
// does.
func TestBytesPerEntryAfterResize(t *testing.T) {
	for _, shards := range []int{0, 8} {
		before := heap()
		c := mustNew(t, Config[int64, int64]{Capacity: 1_000_000, Shards: shards})
		for k := range int64(1_000_000) {
			c.Set(k, k)
		}
		_, err := c.Resize(125_000)
		require.NoError(t, err)
		for k := range int64(1_000_000) {
			c.Set(k, k)
		}
		assert.LessOrEqual(t, float64(heap()-before)/125_000, 80.0, "shards %d", shards)
		runtime.KeepAlive(c)
	}
}

// A capacity that grows in small steps must not copy the table in each.
func TestResizeInSmallSteps(t *testing.T) {
	const n = 20_000
	var before, after runtime.MemStats
	for _, shards := range []int{0, 8} {
		c := mustNew(t, Config[int, int]{Capacity: 1, Shards: shards})
		runtime.ReadMemStats(&before)
		for k := range n {
			_, err := c.Resize(k + 1)
			require.NoError(t, err)
			c.Set(k, k)
		}
		runtime.ReadMemStats(&after)
		assert.Equal(t, n, c.Len())
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(n*48*20), "shards %d", shards)
	}
}

// The table learns of a new capacity: it doubles up to it and does not creep.
func TestTableFollowsResize(t *testing.T) {
	const n = 100_000
	var before, after runtime.MemStats
	for _, shards := range []int{0, 8} {
		c := mustNew(t, Config[int, int]{Capacity: 1, Shards: shards})
		_, err := c.Resize(n)
		require.NoError(t, err)
		runtime.ReadMemStats(&before)
		for k := range n {
			c.Set(k, k)
		}
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(n*48*4), "shards %d", shards)
	}
}

// Evictions empty a shard as deletions do, and its memory returns.
func TestEvictionsShrinkAShard(t *testing.T) {
	const capacity = 10_000
	c := mustNew(t, Config[int, int]{Capacity: capacity, Shards: 2})
	fill := func(shard int) {
		for k, n := 0, 0; n < capacity; k++ {
			if c.many.of(c.hash(k)) == &c.many.shards[shard] {
				c.Set(k, k)
				n++
			}
		}
	}
	fill(0)
	fill(1)
	assert.False(t, c.many.shards[0].list.table.Sparse())
	assert.Zero(t, c.many.shards[0].list.table.Len())
	validate(t, c)
}

func TestMemoryReturnsAfterAMillionKeys(t *testing.T) {
	const n = 1_000_000
	for _, shards := range []int{0, 16} {
		for name, empty := range map[string]func(*Cache[int, int]){
			"Delete": func(c *Cache[int, int]) {
				for k := range n {
					c.Delete(k)
				}
			},
			"DeleteOldest": func(c *Cache[int, int]) {
				for c.Len() > 0 {
					c.DeleteOldest()
				}
			},
			"Clear": func(c *Cache[int, int]) { c.Clear() },
			"Resize": func(c *Cache[int, int]) {
				_, err := c.Resize(1)
				require.NoError(t, err)
			},
		} {
			c := mustNew(t, Config[int, int]{Capacity: n, Shards: shards})
			c.Set(-1, 0)
			before := heap()
			for k := range n {
				c.Set(k, k)
			}
			empty(c)
			assert.LessOrEqual(t, heap()-before, max(before/10, 1<<20), "%s, shards %d", name, shards)
			validate(t, c)
			runtime.KeepAlive(c)
		}
	}
}

// golang-lru kept the last evicted pair alive in a buffer that it reuses. Here nothing stays reachable.
func TestDepartedValuesAreCollected(t *testing.T) {
	type block = [128]byte
	for name, leave := range map[string]func(c *Cache[int, *block]){
		"Delete":       func(c *Cache[int, *block]) { c.Delete(1) },
		"DeleteOldest": func(c *Cache[int, *block]) { c.DeleteOldest() },
		"replaced":     func(c *Cache[int, *block]) { c.Set(1, nil) },
		"evicted":      func(c *Cache[int, *block]) { c.Set(2, nil); c.Set(3, nil) },
		"Clear":        func(c *Cache[int, *block]) { c.Clear() },
		"Resize": func(c *Cache[int, *block]) {
			c.Set(2, nil)
			_, err := c.Resize(1)
			require.NoError(t, err)
		},
	} {
		eachForm(t, func(t *testing.T, shards int) {
			told := 0
			c := mustNew(t, Config[int, *block]{
				Capacity: 2, Shards: shards, OnEvict: func(int, *block, Reason) { told++ },
			})
			gone := func() weak.Pointer[block] {
				value := new(block)
				c.Set(1, value)
				return weak.Make(value)
			}()
			leave(c)
			runtime.GC()
			assert.Nil(t, gone.Value(), name)
			assert.Equal(t, 1, told)
			runtime.KeepAlive(c)
		})
	}
}
