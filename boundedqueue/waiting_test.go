package boundedqueue

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/litmus"
)

// call is a put or a get in a goroutine of its own.
type call struct {
	cancel context.CancelCauseFunc
	ended  bool
	n      int
	got    []int
	err    error
}

// start runs f, which may wait, until it has ended or is durably blocked. Each call has a context of its own that can be
// cancelled, or none.
func start(t *testing.T, cancellable bool, f func(ctx context.Context, c *call)) *call {
	t.Helper()
	ctx, cancel := context.Background(), context.CancelCauseFunc(func(error) {})
	if cancellable {
		ctx, cancel = context.WithCancelCause(t.Context())
	}
	c := &call{cancel: cancel}
	go func() {
		f(ctx, c)
		c.ended = true
	}()
	synctest.Wait()
	return c
}

func put(t *testing.T, q *Queue[int], v int) *call {
	t.Helper()
	return start(t, v%2 == 0, func(ctx context.Context, c *call) { c.err = q.Put(ctx, v) })
}

func putBatch(t *testing.T, q *Queue[int], vs ...int) *call {
	t.Helper()
	return start(t, true, func(ctx context.Context, c *call) { c.n, c.err = q.PutBatch(ctx, vs) })
}

func get(t *testing.T, q *Queue[int], cancellable bool) *call {
	t.Helper()
	return start(t, cancellable, func(ctx context.Context, c *call) {
		v, err := q.Get(ctx)
		c.got, c.err = []int{v}, err
	})
}

func getBatch(t *testing.T, q *Queue[int], size int) *call {
	t.Helper()
	return start(t, size%2 == 0, func(ctx context.Context, c *call) {
		dst := make([]int, size)
		n, err := q.GetBatch(ctx, dst)
		c.got, c.n, c.err = dst[:n], n, err
	})
}

// ended checks that c has ended with err.
func ended(t *testing.T, c *call, err error) {
	t.Helper()
	synctest.Wait()
	require.True(t, c.ended)
	require.ErrorIs(t, c.err, err)
}

func waits(t *testing.T, calls ...*call) {
	t.Helper()
	synctest.Wait()
	for _, c := range calls {
		require.False(t, c.ended)
	}
}

// Waiting puts are admitted in order of arrival, each before the get that made room returns, and nobody overtakes.
func TestPutsWaitInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := filled(t, 2, 2)
		third, fourth, fifth := put(t, q, 3), put(t, q, 4), put(t, q, 5)
		waits(t, third, fourth, fifth)
		require.Equal(t, 3, q.Stats().PutWaiters)
		require.ErrorIs(t, q.TryPut(6), ErrFull)
		for i, c := range []*call{third, fourth, fifth} {
			v, err := q.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, i+1, v)
			require.Equal(t, 2, q.Len(), "the next one is in before Get returns")
			require.ErrorIs(t, q.TryPut(6), ErrFull)
			ended(t, c, nil)
		}
		require.Equal(t, []int{4, 5}, rest(t, q))
		require.Equal(t, Stats{Cap: 2, HighWater: 2, Puts: 5, Gets: 5, Rejected: 4, PutWaits: 3}, q.Stats())
	})
}

// Waiting gets are served in order of arrival, and each by one value of TryPut, Put or PutBatch.
func TestGetsWaitInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config[int]{Capacity: 5})
		gets := []*call{get(t, q, true), get(t, q, false), getBatch(t, q, 2), get(t, q, false), getBatch(t, q, 3), getBatch(t, q, 4)}
		waits(t, gets...)
		_, err := q.TryGet()
		require.ErrorIs(t, err, ErrEmpty)
		require.NoError(t, q.TryPut(1))
		require.NoError(t, q.Put(t.Context(), 2))
		n, err := q.PutBatch(t.Context(), []int{3, 4, 5})
		require.NoError(t, err)
		require.Equal(t, 3, n)
		for i, want := range [][]int{{1}, {2}, {3, 4}, {5}} {
			ended(t, gets[i], nil)
			require.Equal(t, want, gets[i].got)
		}
		waits(t, gets[4:]...)
		require.NoError(t, q.TryPut(6)) // a GetBatch does not wait for more
		ended(t, gets[4], nil)
		require.Equal(t, []int{6}, gets[4].got)
		_, err = q.PutBatch(t.Context(), count(7, 12))
		require.NoError(t, err)
		ended(t, gets[5], nil)
		require.Equal(t, count(7, 10), gets[5].got)
		require.Equal(t, []int{11, 12}, rest(t, q))
		require.Equal(t, uint64(6), q.Stats().GetWaits)
	})
}

// A batch that waits stands at the head of the line until it is complete: its values are contiguous.
func TestBatchIsContiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := filled(t, 3, 2)
		batch := putBatch(t, q, 11, 12, 13, 14, 15, 16, 17, 18) // longer than the queue
		single, second := put(t, q, 21), putBatch(t, q, 31, 32)
		waits(t, batch, single, second)
		var got []int
		for range 6 {
			got = append(got, rest1(t, q))
			waits(t, single)
			require.ErrorIs(t, q.TryPut(0), ErrFull)
		}
		got = append(got, rest1(t, q))
		ended(t, batch, nil)
		require.Equal(t, 8, batch.n)
		dst := make([]int, 10)
		n, err := q.GetBatch(t.Context(), dst) // room for three: the single one and the second batch
		require.NoError(t, err)
		got = append(got, dst[:n]...)
		ended(t, single, nil)
		ended(t, second, nil)
		got = append(got, rest(t, q)...)
		require.Equal(t, []int{1, 2, 11, 12, 13, 14, 15, 16, 17, 18, 21, 31, 32}, got)
		require.Equal(t, uint64(3), q.Stats().PutWaits)
	})
}

// rest1 takes the front.
func rest1(t *testing.T, q *Queue[int]) int {
	t.Helper()
	v, err := q.TryGet()
	require.NoError(t, err)
	return v
}

// On cancel and on Close a batch returns exactly how much of it went in.
func TestBatchInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, closing := range []bool{false, true} {
			for taken := range 4 {
				q := filled(t, 2, 1)
				batch := putBatch(t, q, 11, 12, 13, 14, 15)
				got := []int{}
				for range taken {
					got = append(got, rest1(t, q))
				}
				waits(t, batch)
				if closing {
					q.Close()
					ended(t, batch, ErrClosed)
				} else {
					batch.cancel(errReason)
					ended(t, batch, errReason)
					require.ErrorIs(t, batch.err, context.Canceled)
				}
				require.Equal(t, 1+taken, batch.n)
				require.Equal(t, append([]int{1}, count(11, 11+taken)...), append(got, rest(t, q)...))
			}
		}
	})
}

// A batch under Block hands values to waiting gets, fills the ring, and then waits with the rest.
func TestBatchServesGetsThenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config[int]{Capacity: 2})
		first, second := get(t, q, true), getBatch(t, q, 2)
		batch := putBatch(t, q, count(1, 7)...)
		ended(t, first, nil)
		ended(t, second, nil)
		require.Equal(t, []int{2, 3}, second.got)
		waits(t, batch)
		require.Equal(t, []int{4, 5, 6, 7}, rest(t, q))
		ended(t, batch, nil)
		require.Equal(t, 7, batch.n)
	})
}

// Waiting gets are served before the policy says what becomes of a batch that is too long.
func TestBatchServesGetsBeforeThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, overflow := range []Overflow{Reject, DropOldest} {
			var victims []int
			q := newQueue(t, Config[int]{Capacity: 2, Overflow: overflow, OnDrop: func(v int) { victims = append(victims, v) }})
			first, second := get(t, q, true), getBatch(t, q, 3)
			n, err := q.PutBatch(t.Context(), count(1, 9))
			ended(t, first, nil)
			ended(t, second, nil)
			require.Equal(t, []int{1}, first.got)
			require.Equal(t, []int{2, 3, 4}, second.got)
			want := Stats{Len: 2, Cap: 2, HighWater: 2, Gets: 4, GetWaits: 2}
			if overflow == Reject {
				require.ErrorIs(t, err, ErrFull)
				require.Equal(t, 6, n)
				require.Nil(t, victims)
				want.Puts, want.Rejected = 6, 3
				require.Equal(t, want, q.Stats())
				require.Equal(t, []int{5, 6}, rest(t, q))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, 9, n)
			require.Equal(t, []int{5, 6, 7}, victims)
			want.Puts, want.Dropped = 9, 3
			require.Equal(t, want, q.Stats())
			require.Equal(t, []int{8, 9}, rest(t, q))
		}
	})
}

// Whoever is cancelled leaves the line, wherever it stands; the others keep their order, and what it brought is never
// delivered (golang/go#37852, enriquebris/goconcurrentqueue#27).
func TestCancelledPutLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for gone := range 5 {
			q := filled(t, 1, 1)
			puts := make([]*call, 5)
			want := []int{1}
			for i := range puts {
				puts[i] = put(t, q, 10+2*i)
				if i != gone {
					want = append(want, 10+2*i)
				}
			}
			puts[gone].cancel(errReason)
			ended(t, puts[gone], context.Canceled)
			require.ErrorIs(t, puts[gone].err, errReason)
			require.Equal(t, 4, q.Stats().PutWaiters)
			require.Equal(t, want, rest(t, q))
			require.Equal(t, uint64(5), q.Stats().Puts)
		}
	})
}

// A cancelled get takes no value with it (zesterer/flume#104, n0-computer/iroh PR#2533 and PR#2536), and does not swallow
// the wake-up of the next (nim-lang/Nim PR#26230, marusama/semaphore#2).
func TestCancelledGetLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for gone := range 5 {
			q := newQueue(t, Config[int]{Capacity: 9})
			gets := make([]*call, 5)
			for i := range gets {
				gets[i] = get(t, q, true)
			}
			gets[gone].cancel(errReason)
			ended(t, gets[gone], errReason)
			next := 1
			for i, c := range gets {
				if i != gone {
					require.NoError(t, q.TryPut(next))
					ended(t, c, nil)
					require.Equal(t, []int{next}, c.got)
					next++
				}
			}
			require.NoError(t, q.TryPut(next))
			require.Equal(t, []int{next}, rest(t, q))
		}
	})
}

// A whole line is cancelled: no waiter is left, and the short ways are open again.
func TestCancelledLineLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := filled(t, 1, 1)
		puts := []*call{put(t, q, 2), putBatch(t, q, 4, 6), put(t, q, 8)}
		for _, c := range puts {
			c.cancel(nil)
			ended(t, c, context.Canceled)
		}
		require.Equal(t, 0, q.floor)
		require.Equal(t, []int{1}, rest(t, q))
		gets := []*call{get(t, q, true), getBatch(t, q, 2)}
		for _, c := range gets {
			c.cancel(nil)
			ended(t, c, context.Canceled)
			require.Zero(t, c.n)
		}
		require.Equal(t, len(q.buf), q.limit)
		require.Equal(t, line[int]{}, q.putting)
		require.Equal(t, line[int]{}, q.getting)
		require.NoError(t, q.TryPut(9))
	})
}

// A value that was handed over is returned with a nil error, even if the context is done by then.
func TestHandOverBeforeCancellationWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			q := newQueue(t, Config[int]{Capacity: 1})
			getter := get(t, q, true)
			require.NoError(t, q.TryPut(1)) // in the hands of the get, which has not run yet
			getter.cancel(errReason)
			ended(t, getter, nil)
			require.Equal(t, []int{1}, getter.got)

			require.NoError(t, q.TryPut(2))
			putter := put(t, q, 4)
			require.Equal(t, 2, rest1(t, q))
			putter.cancel(errReason)
			ended(t, putter, nil)
			require.Equal(t, []int{4}, rest(t, q))
		}
	})
}

// Deadlines end waits at their exact instant.
func TestDeadlineEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, from := filled(t, 1, 1), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, q.Put(ctx, 2), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(from))
		_ = rest(t, q)
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := q.GetBatch(ctx, make([]int, 3))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Hour+time.Second, time.Since(from))
	})
}

func TestCloseWakesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := filled(t, 2, 2)
		puts := []*call{put(t, q, 3), put(t, q, 4), putBatch(t, q, 5, 6)}
		q.Close()
		q.Close()
		for _, c := range puts {
			ended(t, c, ErrClosed)
			require.Zero(t, c.n)
		}
		require.Equal(t, []int{1, 2}, rest(t, q))
		_, err := q.Get(t.Context())
		require.ErrorIs(t, err, ErrClosed)

		q = newQueue(t, Config[int]{Capacity: 2})
		gets := []*call{get(t, q, true), get(t, q, false), getBatch(t, q, 3)}
		require.Nil(t, q.CloseAndDrain())
		for _, c := range gets {
			ended(t, c, ErrClosed)
		}
		require.Equal(t, Stats{Cap: 2, GetWaits: 3, Closed: true}, q.Stats())
		require.Nil(t, q.idle, "a closed queue keeps no waiters")
	})
}

// Values of puts that wait are not in the queue: CloseAndDrain does not return them.
func TestCloseAndDrainLeavesWaitingPutsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := filled(t, 2, 1)
		batch, single := putBatch(t, q, 2, 3), put(t, q, 5)
		require.Equal(t, []int{1, 2}, q.CloseAndDrain())
		ended(t, batch, ErrClosed)
		require.Equal(t, 1, batch.n)
		ended(t, single, ErrClosed)
	})
}

// All waits, ends at Close, and at the end of its context.
func TestAllWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cancelling := range []bool{false, true} {
			q := newQueue(t, Config[int]{Capacity: 2})
			c := start(t, true, func(ctx context.Context, c *call) {
				for v := range q.All(ctx) {
					c.got = append(c.got, v)
				}
				c.err = ctx.Err()
			})
			for i := range 5 {
				require.NoError(t, q.Put(t.Context(), i+1))
			}
			waits(t, c)
			require.Equal(t, count(1, 5), c.got)
			if cancelling {
				c.cancel(nil)
				ended(t, c, context.Canceled)
				require.Equal(t, 2, q.Cap()-q.Len())
			} else {
				q.Close()
				ended(t, c, nil)
			}
		}
	})
}

// A crowd of both kinds: all get through, each value once, and nobody is left (golang/go#37852: one wake-up for one).
func TestCrowdAtOneSlot(t *testing.T) {
	const crowd = 1000
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config[int]{Capacity: 1})
		var group sync.WaitGroup
		var sum atomic.Int64
		for i := range crowd {
			group.Go(func() { _ = q.Put(t.Context(), i) })
			group.Go(func() {
				v, err := q.Get(context.Background())
				if err != nil {
					t.Error(err)
				}
				sum.Add(int64(v))
			})
		}
		group.Wait()
		require.Equal(t, int64(crowd*(crowd-1)/2), sum.Load())
		s := q.Stats()
		require.Equal(t, uint64(crowd), s.Gets)
		require.LessOrEqual(t, q.idleLen, idleWaiters)
	})
}

// Cancel, hand-over and Close race: every value is delivered, or its put says that it was not; never both.
func TestCancelRacesHandOver(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 2000
	}
	type trial struct {
		q      *Queue[int]
		ctx    context.Context
		cancel context.CancelFunc
		early  bool // cancel before the other side comes
		done   *bool
	}
	var trials []trial
	setup := func() trial {
		q := newQueue(t, Config[int]{Capacity: 1})
		ctx, cancel := context.WithCancel(context.Background())
		trials = append(trials, trial{q, ctx, cancel, len(trials)%2 == 0, new(bool)})
		return trials[len(trials)-1]
	}
	stop := func(tr trial) {
		if tr.early {
			tr.cancel()
			return
		}
		go tr.cancel()
	}
	got := func(v int, err error) int {
		if err != nil {
			return 0
		}
		return v
	}
	// A get that is cancelled while a value comes either has it, or has left it in the queue.
	seen := litmus.Run(rounds, setup,
		func(tr trial) int {
			v := got(tr.q.Get(tr.ctx))
			*tr.done = v == 1
			return v
		},
		func(tr trial) int {
			stop(tr)
			_ = tr.q.TryPut(1)
			return 0
		})
	for _, tr := range trials {
		require.Equal(t, *tr.done, len(rest(t, tr.q)) == 0)
	}
	assert.NotZero(t, seen[litmus.Outcome{A: 1}])
	assert.NotZero(t, seen[litmus.Outcome{A: 0}])
	// A put that is cancelled while a slot gets free.
	trials = nil
	full := func() trial {
		tr := setup()
		_ = tr.q.TryPut(1)
		return tr
	}
	seen = litmus.Run(rounds, full,
		func(tr trial) int {
			*tr.done = tr.q.Put(tr.ctx, 2) == nil
			return toInt(*tr.done)
		},
		func(tr trial) int {
			if tr.q.Stats().PutWaiters == 0 {
				runtime.Gosched()
			}
			stop(tr)
			return got(tr.q.TryGet())
		})
	for _, tr := range trials {
		require.Equal(t, *tr.done, slices.Equal(rest(t, tr.q), []int{2}))
	}
	assert.NotZero(t, seen[litmus.Outcome{A: 1, B: 1}])
	assert.NotZero(t, seen[litmus.Outcome{A: 0, B: 1}])
}

// Workers put and get through one slot, and half of their contexts are cancelled at some time: every value that a put
// said was in comes out, once.
func TestCancellationConservesValues(t *testing.T) {
	const workers = 4
	rounds := 25_000 // of each worker: a hundred thousand in all
	if testing.Short() {
		rounds = 2500
	}
	q := newQueue(t, Config[int]{Capacity: 1})
	var balance, sum atomic.Int64
	work := func(putting bool, w, rounds int) {
		rng := rand.New(rand.NewPCG(uint64(w), 1))
		for i := range rounds {
			ctx, cancel := context.WithCancel(context.Background())
			if rng.IntN(2) == 0 {
				go cancel()
			} else {
				defer time.AfterFunc(time.Duration(rng.IntN(50))*time.Microsecond, cancel).Stop()
			}
			if putting && q.Put(ctx, i) == nil {
				balance.Add(1)
				sum.Add(int64(i))
			}
			if !putting {
				if v, err := q.Get(ctx); err == nil {
					balance.Add(-1)
					sum.Add(-int64(v))
				}
			}
		}
	}
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for range rounds / 100 { // so that the deferred calls do not pile up
				work(w%2 == 0, w, 100)
			}
		})
	}
	group.Wait()
	for _, v := range q.CloseAndDrain() {
		balance.Add(-1)
		sum.Add(-int64(v))
	}
	assert.Zero(t, balance.Load())
	assert.Zero(t, sum.Load())
	assert.Positive(t, q.Stats().Gets)
}
