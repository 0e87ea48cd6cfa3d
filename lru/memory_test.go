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

func TestNoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the checks allocate")
	}
	type point struct{ x, y int64 }
	checkNoAllocations(t, "int", func(i int) int { return i })
	names := make([]string, 4000)
	for i := range names {
		names[i] = fmt.Sprintf("key-%d", i)
	}
	checkNoAllocations(t, "string", func(i int) string { return names[i%len(names)] })
	checkNoAllocations(t, "struct", func(i int) point { return point{int64(i), -int64(i)} })
}

func checkNoAllocations[K comparable](t *testing.T, name string, key func(int) K) {
	t.Helper()
	const capacity = 100
	told := 0
	for form, cfg := range map[string]Config[K, int]{
		"plain":  {Capacity: capacity},
		"hook":   {Capacity: capacity, OnEvict: func(K, int, Reason) { told++ }},
		"weight": {Capacity: capacity, MaxWeight: capacity, Weigh: func(K, int) int64 { return 1 }},
		"shards": {Capacity: capacity, Shards: 8, OnEvict: func(K, int, Reason) { told++ }},
	} {
		c := mustNew(t, cfg)
		for i := range 3000 { // every shard has grown as far as it will
			c.Set(key(i), i)
		}
		next := 3000
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
			assert.Zero(t, testing.AllocsPerRun(200, run), "%s, %s: %s", name, form, call)
		}
	}
}

func TestNewReservesNothing(t *testing.T) {
	for shards, limit := range map[int]uint64{0: 64 << 10, 256: 512 << 10} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c := mustNew(t, Config[int, int]{Capacity: MaxCapacity, Shards: shards})
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, limit, "shards %d", shards)
		runtime.KeepAlive(c)
	}
}

func TestBytesPerEntry(t *testing.T) {
	for _, n := range []int{8192, 100_000, 1_000_000} {
		before := heap()
		c := mustNew(t, Config[int64, int64]{Capacity: n})
		for k := range int64(n) {
			c.Set(k, k)
		}
		bytes := float64(heap()-before) / float64(n)
		t.Logf("%d entries: %.1f bytes each", n, bytes)
		assert.LessOrEqual(t, bytes, 64.0)
		assert.GreaterOrEqual(t, bytes, 32.0, "the measurement is broken")
		runtime.KeepAlive(c)
	}
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
