//go:build !race

// The race detector allocates on its own account, so what is said of memory is said without it.

package ratelimit

import (
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestNoAllocations(t *testing.T) {
	for _, a := range algorithms {
		checkNoAllocations(t, a, "client-17")
		checkNoAllocations(t, a, 17)
		checkNoAllocations(t, a, netip.MustParseAddr("2001:db8::17"))
	}
}

func checkNoAllocations[K comparable](t *testing.T, a Algorithm, key K) {
	t.Helper()
	ctx := t.Context()
	l := mustNew(t, Config[K]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(2000)}})
	require.True(t, l.AllowN(key, 2000)) // the stamps exist
	l.Return(key, 1000)
	for name, call := range map[string]func(){
		"Allow":          func() { l.Allow(key) },
		"AllowN refused": func() { l.AllowN(key, 2000) },
		"AllowN above":   func() { l.AllowN(key, 2001) },
		"Take":           func() { _, _ = l.Take(ctx, key, 1); l.Return(key, 1) },
		"Take of 0":      func() { _, _ = l.Take(ctx, key, 0) },
		"Take refused":   func() { _, _ = l.Take(ctx, key, 2000) },
		"Stats":          func() { l.Stats() },
	} {
		assert.Zero(t, testing.AllocsPerRun(100, call), "%v %s %T", a, name, key)
	}
	var absent K
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = l.Take(ctx, absent, 0) }), "a look at nothing")
}

const million = 1_000_000

// What the text of the keys takes is not counted: it is the caller's. The window algorithms have the same entries as the
// bucket.
func TestBytesPerKey(t *testing.T) {
	all := make([]string, million)
	for i := range all {
		all[i] = "client-" + strconv.Itoa(i)
	}
	for a, most := range map[Algorithm]int64{TokenBucket: 96, SlidingLog: 200} {
		keys := all
		if a == SlidingLog {
			keys = keys[:million/5]
		}
		before := heap()
		l := mustNew(t, Config[string]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(10)}, MaxKeys: 2 * len(keys)})
		for _, key := range keys {
			l.Allow(key)
		}
		used := (heap() - before) / int64(len(keys))
		t.Logf("%v: %d bytes a key", a, used)
		assert.LessOrEqual(t, used, most, "%v", a)
		require.Len(t, keys, l.Len())
		runtime.KeepAlive(all)
	}
}

func TestMemoryReturnsAfterAMillionKeys(t *testing.T) {
	for a, keys := range map[Algorithm]int{TokenBucket: million, SlidingLog: million / 10} {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[int]{Algorithm: a, Limit: perSecond(10), MaxKeys: 2 * million})
			before := heap()
			fill := func() {
				for key := range keys {
					l.Allow(key)
				}
			}
			fill()
			require.Equal(t, keys, l.Len())
			filled := heap() - before
			time.Sleep(2 * time.Second)
			assert.Equal(t, keys, l.Prune())
			assert.Less(t, heap()-before, filled/10, "%v after Prune", a)
			fill()
			for key := range keys {
				require.True(t, l.Delete(key))
			}
			assert.Less(t, heap()-before, filled/10, "%v after Delete", a)
			l.AllowN(1, 10)
			l.Clear()
			assert.Less(t, heap()-before, filled/10, "%v after Clear", a)
			assert.Zero(t, l.Len())
		})
	}
}

// Millions of keys that come once: the memory is that of MaxKeys.
func TestFloodKeepsTheHeapFlat(t *testing.T) {
	for a, keys := range map[Algorithm]int{TokenBucket: million, SlidingLog: million / 4} {
		l := mustNew(t, Config[int]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(10)}, MaxKeys: 1000})
		for key := range 2000 {
			l.Allow(key)
		}
		before := heap()
		for key := range keys {
			l.Allow(key)
		}
		assert.Less(t, heap()-before, int64(32<<10), a)
		assert.LessOrEqual(t, l.Len(), 1000)
		runtime.KeepAlive(l)
	}
}
