//go:build !race

// The race detector allocates on its own account, so what is said of memory is said without it.

package slidingwindow

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/invariants"
)

func heapBytes() int64 {
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
	x, words := newMax[int](t, 100), newMax[string](t, 3)
	add := func(a, b int64) int64 { return a + b }
	lite := newFold(t, FoldConfig[int64]{Size: 100, Combine: add})
	worst := newFold(t, FoldConfig[int64]{Size: 100, Combine: add, WorstCase: true})
	for i := range 100 {
		x.Push(i)
		words.Push("x")
		lite.Push(int64(i))
		worst.Push(int64(i))
	}
	clock := newCounter(t, CounterConfig{Window: 10 * time.Microsecond}) // new buckets all the time
	events := newCounter(t, CounterConfig{Window: time.Second, EventTime: true})
	counters := newCounters(t, CountersConfig{Window: time.Second, Outcomes: 3})
	top := newTopK[string](t, TopKConfig{Window: time.Second, EventTime: true, Capacity: 16})
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	dst := make([]int64, 0, 3)
	i, now := 0, time.Unix(1000, 0)
	addTop := func() { i++; top.AddAt(now.Add(time.Duration(i)*time.Millisecond), keys[i*i%64], 1) }
	for range 5000 {
		addTop()
	}
	for name, call := range map[string]func(){
		"Extremum.Push":       func() { x.Push(i); i++ },
		"Extremum of strings": func() { words.Push("y") },
		"Extremum.Value":      func() { x.Value() },
		"Fold.Push":           func() { lite.Push(1) },
		"Fold.Pop and Push":   func() { lite.Pop(); lite.Value(); lite.Push(1) },
		"worst Push":          func() { worst.Push(1) },
		"worst Pop and Push":  func() { worst.Pop(); worst.Value(); worst.Push(1) },
		"Counter.Add":         func() { clock.Add(1) },
		"Counter.AddAt":       func() { clock.AddAt(time.Now(), 1) },
		"AddAt of an event":   func() { i++; events.AddAt(now.Add(time.Duration(i)*time.Millisecond), 1) },
		"Sum and Rate":        func() { clock.Sum(); clock.Rate(); events.Sum(); events.Rate() },
		"Counters":            func() { counters.Add(2, 1); counters.AddAt(time.Now(), 1, 1); counters.Sums(dst); counters.Sum(1) },
		"TopK.AddAt":          addTop,
		"TopK.Get and Total":  func() { top.Get("key5"); top.Total() },
		"Stats":               func() { clock.Stats(); counters.Stats(); top.Stats() },
	} {
		assert.Zero(t, testing.AllocsPerRun(2000, call), name)
	}
}

// used returns how many bytes of the heap what build returns holds.
func used(build func() any) int64 {
	before := heapBytes()
	kept := build()
	after := heapBytes()
	runtime.KeepAlive(kept)
	return after - before
}

// The sizes of the package comment. Many windows at once, so that what else happens on the heap does not show; the
// allocator rounds up to its size classes.
func TestBytesPerWindow(t *testing.T) {
	const many = 50
	for name, tt := range map[string]struct {
		make  func() any
		limit int64
	}{
		"Extremum of 1024 ints": {func() any {
			x := newMax[int64](t, 1024)
			for i := range int64(3000) {
				x.Push(i)
			}
			return x
		}, 1024*8 + 64},
		"Fold of 1024 ints": {func() any {
			f := newFold(t, FoldConfig[int64]{Size: 1024, Combine: func(a, b int64) int64 { return a + b }})
			for i := range int64(3000) {
				f.Push(i)
			}
			return f
		}, 2 * 1024 * 8},
		"Counter of 60": {func() any { return newCounter(t, CounterConfig{Window: time.Minute, Buckets: 60}) }, 16*60 + 200},
		"Counters of 60 with 3": {func() any {
			return newCounters(t, CountersConfig{Window: time.Minute, Buckets: 60, Outcomes: 3})
		}, 32*60 + 200},
		"TopK of 10 x 1024": {func() any {
			k := newTopK[int64](t, TopKConfig{Window: time.Minute, EventTime: true})
			for i := range int64(40_000) {
				k.AddAt(time.Unix(1000+i%10*6, 0), i, 1)
			}
			return k
		}, 10*(1024*(8+64)+200) + 200},
	} {
		bytes := used(func() any {
			all := make([]any, many)
			for i := range all {
				all[i] = tt.make()
			}
			return all
		})/many - 16
		t.Logf("%s: %d bytes", name, bytes)
		assert.LessOrEqual(t, bytes, tt.limit+tt.limit/16, name)
	}
	assert.LessOrEqual(t, unsafe.Sizeof(Extremum[int64]{}), uintptr(64))
}

// A million keys, a window later, and one call.
func TestMemoryReturnsAfterAMillionKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTopK[int](t, TopKConfig{Window: time.Second, Capacity: 1 << 20})
		before := heapBytes()
		for i := range 1_000_000 {
			k.Add(i, 1)
		}
		require.Len(t, k.ring[0].entries, 1_000_000)
		require.Greater(t, heapBytes()-before, int64(30<<20))
		time.Sleep(time.Second)
		assert.Zero(t, k.Total())
		assert.Less(t, heapBytes()-before, before/10+1<<20)
		runtime.KeepAlive(k)
	})
}

// The number of distinct keys does not matter beyond Capacity.
func TestMemoryIsBoundedUnderHostileKeys(t *testing.T) {
	k := newTopK[int](t, TopKConfig{Window: time.Hour, Capacity: 1000})
	before := heapBytes()
	for i := range 1_000_000 {
		k.Add(i, 1)
	}
	assert.Less(t, heapBytes()-before, int64(1000*(8+64)+100_000))
	assert.Equal(t, 1000, k.Len())
}

// What an event left behind is garbage once its bucket has been found expired.
func TestExpiredKeysAreCollected(t *testing.T) {
	k := newTopK[*[1 << 10]byte](t, TopKConfig{Window: time.Second, EventTime: true, Capacity: 4})
	freed := make(chan int, 100)
	for i := range 20 {
		key := new([1 << 10]byte)
		runtime.AddCleanup(key, func(i int) { freed <- i }, i)
		k.AddAt(time.Unix(0, int64(i)*3e7), key, 1)
	}
	for ms := range int64(20) { // bucket by bucket, so that one of them is kept for reuse
		k.AddAt(time.Unix(0, 600e6+ms*100e6), nil, 1)
	}
	collect(t, freed, 20, "expired")
	runtime.KeepAlive(k)
}
