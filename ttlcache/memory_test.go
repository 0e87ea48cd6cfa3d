//go:build !race

// The race detector allocates on its own account, so what is said of memory is said without it.

package ttlcache

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"

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
	names := make([]string, 1<<16)
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
	hook := func(K, int, Reason) { told++ }
	load := func(context.Context, K) (int, error) { return 1, nil }
	ctx := t.Context()
	for form, cfg := range map[string]Config[K, int]{
		"plain":   {Capacity: capacity, TTL: time.Hour},
		"hook":    {Capacity: capacity, TTL: time.Hour, OnEvict: hook, Sliding: true, Jitter: 0.5},
		"weights": {Capacity: capacity, TTL: time.Hour, MaxWeight: capacity, Weigh: func(K, int) int64 { return 1 }, OnEvict: hook},
		"forever": {Capacity: capacity, TTL: NoExpiry},
	} {
		c := mustNew(t, cfg)
		for i := range 20_000 {
			c.Set(key(i), i)
		}
		next := 20_000
		for call, run := range map[string]func(){
			"Get hit":              func() { c.Get(key(next - 1)) },
			"Get miss":             func() { c.Get(key(next + 1)) },
			"Peek":                 func() { c.Peek(key(next - 1)) },
			"Contains":             func() { c.Contains(key(next - 1)) },
			"TTL":                  func() { c.TTL(key(next - 1)) },
			"Expire, later":        func() { c.Expire(key(next-1), 2*time.Hour) },
			"Expire, earlier":      func() { c.Expire(key(next-1), time.Minute+time.Duration(next)) },
			"Set of a present key": func() { c.Set(key(next-1), 1) },
			"Set that evicts":      func() { c.Set(key(next), 1); next++ },
			"SetTTL, present":      func() { c.SetTTL(key(next-1), 1, time.Minute) },
			"SetTTL that evicts":   func() { c.SetTTL(key(next), 1, time.Minute); next++ },
			"SetTTL, refused":      func() { c.SetTTL(key(next), 1, 0) },
			"GetOrSet hit":         func() { c.GetOrSet(key(next-1), 1) },
			"GetOrSet that evicts": func() { c.GetOrSet(key(next), 1); next++ },
			"Delete and Set":       func() { c.Delete(key(next - 1)); c.Set(key(next-1), 1) },
			"GetOrLoad hit":        func() { c.Set(key(next-1), 1); _, _ = c.GetOrLoad(ctx, key(next-1), load) },
			"Len, Cap, Stats":      func() { c.Len(); c.Cap(); c.Stats(); c.Weight() },
		} {
			assert.Zero(t, testing.AllocsPerRun(200, run), "%s, %s: %s", name, form, call)
		}
		c.Clear()
	}
}

// A cache of one entry that comes and goes reuses its timer.
func TestTimerIsReused(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the checks allocate")
	}
	c := mustNew(t, Config[int, int]{Capacity: 100, TTL: time.Hour})
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		c.Set(1, 1)
		c.Delete(1)
	}))
}

func TestNewReservesNothing(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := mustNew(t, Config[int, [1 << 16]byte]{Capacity: MaxCapacity, TTL: time.Hour})
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(c)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(6<<10))
}

func TestBytesPerEntry(t *testing.T) {
	for _, n := range []int{4097, 8192, 100_000, 1_000_000} {
		for _, weighed := range []bool{false, true}[:1+8192/n] {
			cfg := Config[int64, int64]{Capacity: n, TTL: time.Hour}
			limit := 90.0
			if weighed {
				cfg.MaxWeight, cfg.Weigh, limit = int64(n), func(int64, int64) int64 { return 1 }, 98
			}
			before := heap()
			c := mustNew(t, cfg)
			for k := range int64(n) {
				c.Set(k, k)
			}
			bytes := float64(heap()-before) / float64(n)
			t.Logf("%d entries, weights %v: %.1f bytes each", n, weighed, bytes)
			assert.LessOrEqual(t, bytes, limit, "%d entries", n)
			assert.GreaterOrEqual(t, bytes, 60.0, "the measurement is broken")
			c.Clear()
			runtime.KeepAlive(c)
		}
	}
}

// A million entries that expire give their memory back without any call.
func TestMemoryReturnsAfterAMillionKeys(t *testing.T) {
	const n = 1_000_000
	for name, empty := range map[string]func(*Cache[int, int]){
		"expired": func(*Cache[int, int]) { sleep(time.Hour + time.Minute) },
		"Delete": func(c *Cache[int, int]) {
			for k := range n {
				c.Delete(k)
			}
		},
		"Clear": func(c *Cache[int, int]) { c.Clear() },
	} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{Capacity: n, TTL: time.Hour})
			c.SetTTL(-1, 0, NoExpiry)
			before := heap()
			for k := range n {
				c.Set(k, k)
			}
			empty(c)
			assert.LessOrEqual(t, heap()-before, max(before/10, 1<<20), name)
			runtime.KeepAlive(c)
		})
	}
}

func TestDepartedValuesAreCollected(t *testing.T) {
	type block = [128]byte
	for name, leave := range map[string]func(c *Cache[int, *block]){
		"Delete":   func(c *Cache[int, *block]) { c.Delete(1) },
		"replaced": func(c *Cache[int, *block]) { c.Set(1, nil) },
		"evicted":  func(c *Cache[int, *block]) { c.Set(2, nil); c.Set(3, nil) },
		"expired":  func(*Cache[int, *block]) { sleep(2 * time.Hour) },
		"Expire":   func(c *Cache[int, *block]) { c.Expire(1, 0) },
		"Clear":    func(c *Cache[int, *block]) { c.Clear() },
		"Resize": func(c *Cache[int, *block]) {
			c.Set(2, nil)
			_, _ = c.Resize(1)
		},
	} {
		bubble(t, func(t *testing.T) {
			told := 0
			c := mustNew(t, Config[int, *block]{Capacity: 2, TTL: time.Hour, OnEvict: func(int, *block, Reason) { told++ }})
			c.SetTTL(9, nil, NoExpiry)
			c.Delete(9)
			told = 0
			gone := func() weak.Pointer[block] {
				value := new(block)
				c.Set(1, value)
				return weak.Make(value)
			}()
			leave(c)
			runtime.GC()
			assert.Nil(t, gone.Value(), name)
			assert.Equal(t, 1, told)
			c.Clear()
		})
	}
}

// A million entries go at once: the lock is held for a part at a time.
func TestMassExpiryHoldsTheLockForAPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 200_000
		c := mustNew(t, Config[int, int]{Capacity: n, TTL: time.Hour})
		for k := range n {
			c.Set(k, k)
		}
		stopTimer(c)
		sleep(time.Hour)
		for held := n; held > 0; {
			c.mu.Lock()
			c.store.enter(c.readClock())
			room := c.store.table.Len()
			c.store.sweep(nil)
			left := c.store.table.Len()
			c.mu.Unlock()
			assert.LessOrEqual(t, room-left, sweepSteps)
			held = left
		}
	})
}
