package boundedqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

// item is the k'th value of one producer.
type item struct{ producer, k int }

// Each consumer sees the values of each producer in order, and all of them arrive once: hedzr/go-ringbuf v2.2.5 ignores a
// lost compare-and-swap and breaks this.
func TestOrderOfEachProducer(t *testing.T) {
	for _, c := range []struct{ capacity, producers, consumers, each int }{
		{1, 1, 1, 3000}, {1, 4, 4, 500}, {3, 2, 5, 2000}, {16, 8, 8, 2000}, {1000, 4, 4, 5000}, {64, 100, 100, 100},
	} {
		q := newQueue(t, Config[item]{Capacity: c.capacity})
		var producers, consumers sync.WaitGroup
		var total atomic.Int64
		for p := range c.producers {
			producers.Go(func() {
				ctx, cancel := context.Background(), func() {}
				if p%2 == 0 {
					ctx, cancel = context.WithCancel(ctx)
				}
				defer cancel()
				for k := 0; k < c.each; {
					if k%10 != 0 || k+5 > c.each {
						if err := q.Put(ctx, item{p, k}); err != nil {
							t.Error(err)
						}
						k++
						continue
					}
					batch := []item{{p, k}, {p, k + 1}, {p, k + 2}, {p, k + 3}, {p, k + 4}}
					n, err := q.PutBatch(ctx, batch)
					assert.NoError(t, err)
					k += n
				}
			})
		}
		for i := range c.consumers {
			consumers.Go(func() {
				last := make([]int, c.producers)
				see := func(v item) {
					assert.LessOrEqual(t, last[v.producer], v.k)
					last[v.producer] = v.k + 1
					total.Add(1)
				}
				dst := make([]item, 4)
				for {
					var err error
					n := 1
					if i%2 == 0 {
						n, err = q.GetBatch(t.Context(), dst)
					} else {
						dst[0], err = q.Get(context.Background())
					}
					if err != nil {
						assert.ErrorIs(t, err, ErrClosed)
						return
					}
					for _, v := range dst[:n] {
						see(v)
					}
				}
			})
		}
		producers.Wait()
		q.Close()
		consumers.Wait()
		require.Equal(t, int64(c.producers*c.each), total.Load())
		require.NoError(t, q.validate())
	}
}

// Every call at once, under each policy: what went in is what came out, was dropped, or is left.
func TestHammer(t *testing.T) {
	for _, overflow := range []Overflow{Block, Reject, DropOldest} {
		for _, capacity := range []int{1, 3, 2000} {
			var in, out, told atomic.Int64
			q := newQueue(t, Config[int]{Capacity: capacity, Overflow: overflow, OnDrop: func(v int) { told.Add(int64(v)) }})
			hammer.Run(t, 8, 1000, func(_ int, rng *rand.Rand) error {
				return hammerOnce(q, rng, &in, &out)
			})
			s := q.Stats()
			for _, v := range q.CloseAndDrain() {
				out.Add(int64(v))
			}
			assert.Equal(t, in.Load(), out.Load()+told.Load())
			assert.Equal(t, s.Puts, s.Gets+s.Dropped+uint64(s.Len))
			assert.LessOrEqual(t, s.HighWater, capacity)
			assert.NoError(t, q.validate())
		}
	}
}

func hammerOnce(q *Queue[int], rng *rand.Rand, in, out *atomic.Int64) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rng.IntN(4) > 0 {
		go cancel()
	} else {
		cancel()
	}
	v := 1 + rng.IntN(100)
	var err error
	switch rng.IntN(8) {
	case 0, 1:
		if err = q.Put(ctx, v); err == nil {
			in.Add(int64(v))
		}
	case 2:
		if err = q.TryPut(v); err == nil {
			in.Add(int64(v))
		}
	case 3:
		var n int
		n, err = q.PutBatch(ctx, []int{v, v, v, v})
		in.Add(int64(n * v))
	case 4:
		v, err = q.Get(ctx)
		out.Add(int64(v))
	case 5:
		v, err = q.TryGet()
		out.Add(int64(v))
	case 6:
		dst := make([]int, 3)
		_, err = q.GetBatch(ctx, dst)
		out.Add(int64(dst[0] + dst[1] + dst[2]))
	case 7:
		if n := q.Len(); n < 0 || n > q.Cap() {
			return fmt.Errorf("%d values", n)
		}
		q.Peek()
		if s := q.Stats(); s.Puts != s.Gets+s.Dropped+uint64(s.Len) {
			return fmt.Errorf("%+v", s)
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrFull) && !errors.Is(err, ErrEmpty) {
		return err
	}
	return nil
}

func TestHammerPriority(t *testing.T) {
	q := newPriority(t, 3)
	var in, out atomic.Int64
	hammer.Run(t, 8, 1500, func(_ int, rng *rand.Rand) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go cancel()
		v := 1 + rng.IntN(100)
		switch rng.IntN(4) {
		case 0:
			if q.Put(ctx, int64(v), v) == nil {
				in.Add(int64(v))
			}
		case 1:
			if q.TryPut(int64(v), v) == nil {
				in.Add(int64(v))
			}
		case 2:
			v, _ := q.Get(ctx)
			out.Add(int64(v))
		case 3:
			q.Peek()
			q.Stats()
			v, _ := q.TryGet()
			out.Add(int64(v))
		}
		return nil
	})
	for _, v := range q.CloseAndDrain() {
		out.Add(int64(v))
	}
	assert.Equal(t, in.Load(), out.Load())
	assert.NoError(t, q.validate())
}

// Close meets puts, gets and other drains: a put that returned nil is in what the gets and the drains have, once.
func TestCloseLosesNothing(t *testing.T) {
	for round := range 300 {
		q := newQueue(t, Config[int]{Capacity: 1 + round%4})
		var in, out atomic.Int64
		var group sync.WaitGroup
		for w := range 3 {
			group.Go(func() {
				for i := 1; ; i++ {
					n, err := q.PutBatch(t.Context(), []int{i, i})
					in.Add(int64(n * i))
					if err != nil {
						return
					}
				}
			})
			group.Go(func() {
				for v := range q.All(context.Background()) {
					out.Add(int64(v))
				}
			})
			group.Go(func() {
				for range 20 * w {
					q.Peek()
					runtime.Gosched()
				}
				for _, v := range q.CloseAndDrain() {
					out.Add(int64(v))
				}
			})
		}
		group.Wait()
		require.Equal(t, in.Load(), out.Load())
	}
}

// A TryGet after a put that has returned finds a value while nobody else takes one: the JDK had a poll that missed one
// (JDK-8371740), alibaba/PhotonLibOS PR#504 a pop, xsync a put and a get at small sizes.
func TestTryNeverFailsSpuriously(t *testing.T) {
	const workers = 4
	q := newQueue(t, Config[int]{Capacity: workers})
	hammer.Run(t, workers, 5000, func(worker int, _ *rand.Rand) error {
		// At most as many values as workers are in the queue, so that there is always room for one, and always one to get.
		if err := q.TryPut(worker); err != nil {
			return err
		}
		_, err := q.TryGet()
		return err
	})
	assert.Zero(t, q.Len())
}

// The channel's memory model: the k'th get happens before the (k+Cap)'th put returns, and a put before the get of its
// value. The race detector sees a buffer that is used again too early.
func TestMemoryModel(t *testing.T) {
	q, buffers := newQueue(t, Config[int]{Capacity: 2}), [3]int{}
	var group sync.WaitGroup
	group.Go(func() {
		for i := range 3000 {
			// When the put of value i-1 has returned, value i-3 has been got, and its buffer is free.
			buffers[i%3] = i
			_ = q.Put(context.Background(), i)
		}
		q.Close()
	})
	last := -1
	for {
		v, ok := q.Peek()
		if !ok {
			if q.Stats().Closed && q.Len() == 0 {
				break
			}
			runtime.Gosched()
			continue
		}
		assert.Equal(t, v, buffers[v%3])
		last, _ = q.TryGet()
	}
	group.Wait()
	assert.Equal(t, 2999, last)
}

// A lock that is held for long makes others wait on the mutex in the end: with a spin without end this one has no end.
func TestLockSpinIsBounded(t *testing.T) {
	q := filled(t, 2, 1)
	q.mu.Lock()
	var group sync.WaitGroup
	var got atomic.Int64
	for range 4 {
		group.Go(func() { got.Add(int64(q.Len())) })
	}
	stacks := make([]byte, 1<<20)
	for parked := 0; parked < 4; {
		runtime.Gosched()
		parked = strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "[sync.Mutex.Lock")
	}
	q.mu.Unlock()
	group.Wait()
	assert.Equal(t, int64(4), got.Load())
}
