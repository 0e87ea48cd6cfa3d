//go:build !race && !invariants

// The race detector and the checks allocate on their own account, so what is said of memory is said without them.

package boundedqueue

import (
	"context"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestNoAllocations(t *testing.T) {
	q, ctx := newQueue(t, Config[int]{Capacity: 100}), t.Context()
	p := newPriority(t, 100)
	in, out := make([]int, 30), make([]int, 30)
	dropping := newQueue(t, Config[int]{Capacity: 3, Overflow: DropOldest, OnDrop: func(int) {}})
	rejecting := newQueue(t, Config[int]{Capacity: 1, Overflow: Reject})
	for name, call := range map[string]func(){
		"Put, Get":           func() { _ = q.Put(ctx, 1); _, _ = q.Get(ctx) },
		"TryPut, TryGet":     func() { _ = q.TryPut(1); _, _ = q.TryGet() },
		"PutBatch, GetBatch": func() { _, _ = q.PutBatch(ctx, in); _, _ = q.GetBatch(ctx, out) },
		"Len, Peek, Stats":   func() { _, _ = q.Len(), q.Stats(); _, _ = q.Peek() },
		"ErrEmpty":           func() { _, _ = q.TryGet() },
		"ErrFull":            func() { _ = rejecting.Put(ctx, 1) },
		"DropOldest":         func() { _ = dropping.Put(ctx, 1); _ = dropping.TryPut(2) },
		"Priority":           func() { _ = p.Put(ctx, 1, 1); _ = p.TryPut(0, 2); _, _ = p.Get(ctx); _, _ = p.TryGet() },
		"Priority, looking":  func() { _, _ = p.Len(), p.Stats(); _, _, _ = p.Peek() },
	} {
		assert.Zero(t, testing.AllocsPerRun(200, call), name)
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(200, func() { _, _ = dropping.PutBatch(ctx, in) }), 1.0)
}

// A call that waits allocates nothing if it cannot be cancelled, else a waiter and a channel.
func TestAllocationsOfAWait(t *testing.T) {
	for _, c := range []struct {
		ctx  context.Context
		most float64
	}{{context.Background(), 0}, {t.Context(), 2}} {
		there, back := newQueue(t, Config[int]{Capacity: 1}), newQueue(t, Config[int]{Capacity: 1})
		var group sync.WaitGroup
		group.Go(func() {
			for v := range there.All(c.ctx) { // parks in every round
				for there.Stats().GetWaiters+back.Stats().GetWaiters == 0 {
					runtime.Gosched()
				}
				_ = back.Put(context.Background(), v)
			}
		})
		waits := func() uint64 { return there.Stats().GetWaits + back.Stats().GetWaits }
		before, rounds := waits(), 0.0
		allocs := testing.AllocsPerRun(300, func() {
			for there.Stats().GetWaiters == 0 {
				runtime.Gosched()
			}
			_ = there.Put(c.ctx, 1)
			_, _ = back.Get(c.ctx)
			rounds++
		})
		perRound := float64(waits()-before) / rounds
		assert.GreaterOrEqual(t, perRound, 1.9, "both sides parked")
		assert.LessOrEqual(t, allocs, c.most*perRound)
		there.Close()
		group.Wait()
	}
}

func TestSizes(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(Queue[int]{}), uintptr(256))
	for name, construct := range map[string]func(){
		"int":  func() { _, _ = New(Config[int]{Capacity: math.MaxInt}) },
		"1 kB": func() { _, _ = New(Config[[1024]byte]{Capacity: math.MaxInt}) },
		"heap": func() { _, _ = NewPriority[[64]byte](math.MaxInt) },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		construct()
		runtime.ReadMemStats(&after)
		assert.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10+4<<10), name)
	}
	assert.Len(t, newQueue(t, Config[int]{Capacity: math.MaxInt}).buf, 1024)
	assert.Len(t, newQueue(t, Config[int]{Capacity: 7}).buf, 7)
	assert.Len(t, newQueue(t, Config[[1 << 10]byte]{Capacity: 5000}).buf, 64)
	assert.Len(t, newQueue(t, Config[[1 << 17]byte]{Capacity: 5000}).buf, 1, "always at least one slot")
	assert.Len(t, newQueue(t, Config[struct{}]{Capacity: math.MaxInt}).buf, 1024)
}

// The ring follows the high water, not the capacity: at most twice as many slots, and at most the capacity.
func TestRingFollowsUse(t *testing.T) {
	q := newQueue(t, Config[int]{Capacity: 100_000})
	for i := range 100_000 {
		require.NoError(t, q.TryPut(i))
		require.LessOrEqual(t, len(q.buf), max(slotCount, 2*q.high))
		require.LessOrEqual(t, len(q.buf), q.max)
	}
	require.Len(t, q.buf, 100_000)
}

func TestMemoryReturnsAfterAMillionValues(t *testing.T) {
	const n = 1_000_000
	base := heapBytes()
	q := newQueue(t, Config[*int64]{Capacity: n})
	p, err := NewPriority[*int64](n)
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, q.TryPut(new(int64)))
		require.NoError(t, p.TryPut(int64(i%7), new(int64)))
	}
	for range n {
		_, err := q.TryGet()
		require.NoError(t, err)
		_, err = p.TryGet()
		require.NoError(t, err)
	}
	slots := int64(n * (8 + 24))
	assert.LessOrEqual(t, heapBytes()-base, slots+slots/10, "the slots stay while the queue is open")
	require.NoError(t, q.TryPut(new(int64)))
	q.Close()
	_, _ = q.TryGet()
	assert.Nil(t, p.CloseAndDrain())
	assert.LessOrEqual(t, heapBytes()-base, int64(100<<10))
	runtime.KeepAlive(q)
	runtime.KeepAlive(p)
}

// tracked are values whose collection can be seen.
type tracked [64]byte

// What has left in any way is not reachable from the queue (adrianbrad/queue v1.4.0 and hedzr/go-ringbuf keep values).
func TestDepartedValuesAreCollected(t *testing.T) {
	var queues []any
	var values []weak.Pointer[tracked]
	value := func() *tracked {
		v := new(tracked)
		values = append(values, weak.Make(v))
		return v
	}
	add := func(cfg Config[*tracked], leave func(q *Queue[*tracked])) {
		q, err := New(cfg)
		require.NoError(t, err)
		leave(q)
		queues = append(queues, q)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		fill := func(q *Queue[*tracked], n int) {
			for range n {
				require.NoError(t, q.TryPut(value()))
			}
		}
		for _, closed := range []bool{false, true} {
			add(Config[*tracked]{Capacity: 4}, func(q *Queue[*tracked]) {
				fill(q, 2)
				require.NoError(t, q.TryPut(nil)) // stays, and with it the slots
				if closed {
					q.Close()
				}
				_, _ = q.Get(ctx)
				_, _ = q.TryGet()
			})
		}
		add(Config[*tracked]{Capacity: 4}, func(q *Queue[*tracked]) {
			fill(q, 3)
			for range 3 {
				_, _ = q.Get(ctx)
			}
			_, _ = q.PutBatch(ctx, []*tracked{value(), value(), value()})
			_, _ = q.GetBatch(ctx, make([]*tracked, 5))
		})
		add(Config[*tracked]{Capacity: 2, Overflow: DropOldest}, func(q *Queue[*tracked]) {
			fill(q, 5)
			_, _ = q.PutBatch(ctx, []*tracked{value(), value(), value(), value()})
			_, _ = q.PutBatch(ctx, []*tracked{nil, nil})
		})
		add(Config[*tracked]{Capacity: 2}, func(q *Queue[*tracked]) { fill(q, 2); q.CloseAndDrain() })
		add(Config[*tracked]{Capacity: 1}, func(q *Queue[*tracked]) {
			fill(q, 1)
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			require.Error(t, q.Put(short, value())) // cancelled
			_, err := q.PutBatch(short, []*tracked{value()})
			require.Error(t, err)
			for _, waiting := range []context.Context{ctx, context.Background()} {
				done := make(chan struct{})
				go func() { _ = q.Put(waiting, value()); close(done) }() // handed over
				synctest.Wait()
				_, _ = q.TryGet()
				<-done
			}
			_, _ = q.TryGet()
			for range 2 {
				go func() { _, _ = q.Get(context.Background()) }() // handed over the other way
			}
			synctest.Wait()
			fill(q, 2)
			synctest.Wait()
		})
		add(Config[*tracked]{Capacity: 1}, func(q *Queue[*tracked]) {
			require.NoError(t, q.TryPut(nil))
			for _, waiting := range []context.Context{ctx, context.Background()} {
				go func() { _ = q.Put(waiting, value()) }() // woken by Close
			}
			synctest.Wait()
			q.Close()
			synctest.Wait()
		})
		p, err := NewPriority[*tracked](3)
		require.NoError(t, err)
		for i := range 3 {
			require.NoError(t, p.TryPut(int64(-i), value()))
		}
		for range 3 {
			_, _ = p.TryGet()
		}
		queues = append(queues, p)
	})
	runtime.GC()
	runtime.GC()
	for i, v := range values {
		assert.Nil(t, v.Value(), "value %d of %d", i, len(values))
	}
	runtime.KeepAlive(queues)
}

// A queue that nobody refers to is garbage, closed or not: it has neither goroutine nor finalizer.
func TestDroppedQueueIsCollected(t *testing.T) {
	p := weak.Make(filled(t, 5, 3))
	runtime.GC()
	runtime.GC()
	assert.Nil(t, p.Value())
}
