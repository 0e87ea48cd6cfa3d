package tokenbucket

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// emptyBucket has one token every second, none now.
func emptyBucket(t *testing.T, burst int64) *Bucket {
	t.Helper()
	b := newBucket(t, PerSecond(1), burst)
	require.True(t, b.AllowN(burst))
	return b
}

// waiter is a WaitN in the background.
type waiter struct {
	cancel context.CancelFunc
	start  time.Time
	took   time.Duration
	err    error
	done   atomic.Bool // set last
}

// waitN starts a WaitN and returns when it has been refused, served or queued.
func waitN(ctx context.Context, b *Bucket, n int64) *waiter {
	ctx, cancel := context.WithCancel(ctx)
	w := &waiter{cancel: cancel, start: time.Now()}
	go func() {
		w.err = b.WaitN(ctx, n)
		w.took = time.Since(w.start)
		w.done.Store(true)
	}()
	synctest.Wait()
	return w
}

// after asserts that the wait was served after exactly d.
func (w *waiter) after(t *testing.T, d time.Duration) {
	t.Helper()
	synctest.Wait()
	require.True(t, w.done.Load(), "still waits")
	require.NoError(t, w.err)
	assert.Equal(t, d, w.took)
}

func sleepUntil(start time.Time, d time.Duration) {
	time.Sleep(d - time.Since(start))
	synctest.Wait()
}

func TestWaitEndsAtTheExactInstant(t *testing.T) {
	tests := []struct {
		rate Rate
		want time.Duration
	}{
		{PerSecond(10), 100 * time.Millisecond},
		{PerSecond(3), 333_333_334},
		{PerSecond(1e9), 1},
		{PerMinute(100), 600 * time.Millisecond},
		{Every(10 * year), 10 * year},
	}
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range tests {
			b := newBucket(t, tt.rate, 1)
			require.NoError(t, b.Wait(t.Context()))
			w := waitN(t.Context(), b, 1)
			time.Sleep(tt.want)
			w.after(t, tt.want)
		}
	})
}

// The third of a second that is rounded up for one waiter is not added for the next.
func TestWaitLoopDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tokens := range []int64{3, 7, 13} {
			b := newBucket(t, PerSecond(tokens), 1)
			require.True(t, b.Allow())
			start := time.Now()
			for k := range 100 * tokens {
				require.NoError(t, b.Wait(t.Context()))
				require.InDelta(t, ((k+1)*1e9+tokens-1)/tokens, int64(time.Since(start)), 1)
			}
			assert.Equal(t, 100*time.Second, time.Since(start))
		}
	})
}

// A timer that fires late does not slow down those behind, and the tokens of the time that it was late do not overflow.
func TestLateTimerLosesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		var ws []*waiter
		for range 3 {
			ws = append(ws, waitN(t.Context(), b, 1))
		}
		b.mu.Lock()
		b.timer.Stop()
		b.mu.Unlock()
		time.Sleep(2500 * time.Millisecond)
		b.timerFired()
		ws[0].after(t, 2500*time.Millisecond)
		ws[1].after(t, 2500*time.Millisecond)
		sleepUntil(ws[0].start, 3*time.Second)
		ws[2].after(t, 3*time.Second)
	})
}

// A timer that fires early, or when nobody is queued any more, changes nothing.
func TestEarlyTimerGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		b.timerFired()
		assert.False(t, b.Allow())
		w := waitN(t.Context(), b, 1)
		time.Sleep(400 * time.Millisecond)
		b.timerFired()
		synctest.Wait()
		assert.False(t, w.done.Load())
		time.Sleep(600 * time.Millisecond)
		w.after(t, time.Second)
	})
}

func TestWaitChecksInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		done, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		soon, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		b := newBucket(t, PerSecond(1), 5)
		require.ErrorIs(t, b.WaitN(done, -1), context.Canceled, "a done context comes first")
		require.ErrorIs(t, b.WaitN(done, 0), context.Canceled)
		require.ErrorIs(t, b.WaitN(done, 6), context.Canceled)
		require.ErrorIs(t, b.WaitN(done, 1), cause)
		assert.Equal(t, int64(5), b.Tokens(), "no side effect")
		require.ErrorIs(t, b.WaitN(soon, -1), ErrNegative)
		require.ErrorIs(t, b.WaitN(soon, math.MinInt64), ErrNegative)
		require.ErrorIs(t, b.WaitN(soon, 6), ErrExceedsBurst)
		require.ErrorIs(t, b.WaitN(soon, math.MaxInt64), ErrExceedsBurst)
		require.NoError(t, b.WaitN(soon, 5))
		require.ErrorIs(t, b.WaitN(soon, 6), ErrExceedsBurst, "before the deadline is looked at")
		require.ErrorIs(t, b.WaitN(soon, 1), ErrWouldExceedDeadline)
		assert.Zero(t, b.Stats().Waiting)
	})
}

func TestWaitOfZeroPassesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		w := waitN(t.Context(), b, 1)
		require.NoError(t, b.WaitN(t.Context(), 0))
		assert.True(t, b.AllowN(0))
		r, err := b.Reserve(0, 0)
		require.NoError(t, err)
		assert.Zero(t, r.Delay())
		r.Cancel()
		wait, ok := b.RetryAfter(0)
		assert.True(t, ok)
		assert.Zero(t, wait)
		assert.Equal(t, 1, b.Stats().Waiting)
		time.Sleep(time.Second)
		w.after(t, time.Second)
	})
}

func TestContextErrorMatchesErrAndCause(t *testing.T) {
	cause := errors.New("shutting down")
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		plain, cancel := context.WithCancel(t.Context())
		withCause, cancelCause := context.WithCancelCause(t.Context())
		wrapping, cancelWrapping := context.WithCancelCause(t.Context())
		ends := make(chan error, 3)
		for _, ctx := range []context.Context{plain, withCause, wrapping} {
			go func() { ends <- b.Wait(ctx) }()
			synctest.Wait()
		}
		cancel()
		assert.Equal(t, context.Canceled, <-ends)
		assert.Equal(t, context.Canceled, b.Wait(plain))
		cancelCause(cause)
		err := <-ends
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		cancelWrapping(fmt.Errorf("%w: %w", cause, context.Canceled))
		err = <-ends
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		assert.Equal(t, context.Cause(wrapping), err, "a cause that matches both is enough")
	})
}

// golang/go#54541: x/time/rate refuses a hopeless wait with an error that is not context.DeadlineExceeded.
func TestHopelessDeadlineIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 2)
		first := waitN(t.Context(), b, 2)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		before := time.Now()
		err := b.Wait(ctx)
		assert.Equal(t, before, time.Now(), "at once")
		require.ErrorIs(t, err, ErrWouldExceedDeadline)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "tokenbucket: wait would exceed the deadline: 3s to wait, 3s left")
		assert.Equal(t, 1, b.Stats().Waiting, "not queued")

		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second+1)
		defer cancel()
		second := waitN(ctx, b, 1)
		assert.False(t, second.done.Load(), "a nanosecond more is enough")
		time.Sleep(3 * time.Second)
		first.after(t, 2*time.Second)
		second.after(t, 3*time.Second)
	})
}

// A deadline that has passed although the context does not say so yet.
func TestDeadlineInThePast(t *testing.T) {
	b := newBucket(t, PerHour(1), 1)
	require.True(t, b.Allow())
	err := b.Wait(pastDeadline{t.Context()})
	require.ErrorIs(t, err, ErrWouldExceedDeadline)
	assert.Zero(t, b.Stats().Waiting)
}

type pastDeadline struct{ context.Context }

func (pastDeadline) Deadline() (time.Time, bool) { return time.Time{}, true }

// clipperhouse/rate#14 asks for what most limiters lack: an order among those who wait.
func TestQueueIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		big := waitN(t.Context(), b, 5)
		small := waitN(t.Context(), b, 1)
		r, err := b.Reserve(2, time.Hour)
		require.NoError(t, err)
		last := waitN(t.Context(), b, 1)
		assert.Equal(t, 8*time.Second, r.Delay())
		time.Sleep(9 * time.Second)
		big.after(t, 5*time.Second)
		small.after(t, 6*time.Second)
		assert.Zero(t, r.Delay())
		last.after(t, 9*time.Second)
	})
}

func TestNoBargingWhileSomebodyIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		w := waitN(t.Context(), b, 5)
		time.Sleep(4 * time.Second)
		assert.Equal(t, Stats{Rate: PerSecond(1), Burst: 5, Tokens: 4, Waiting: 1}, b.Stats())
		assert.Equal(t, int64(4), b.Tokens(), "the level does not care who is queued")
		assert.False(t, b.Allow())
		assert.False(t, b.AllowN(4))
		assert.Zero(t, b.AllowUpTo(4))
		assert.True(t, b.AllowN(0))
		wait, ok := b.RetryAfter(1)
		assert.True(t, ok)
		assert.Equal(t, 2*time.Second, wait, "after everybody queued")
		wait, ok = b.RetryAfter(5)
		assert.True(t, ok)
		assert.Equal(t, 6*time.Second, wait)
		_, ok = b.retryAfterSlow(6) // as if SetLimit had come in between
		assert.False(t, ok)
		time.Sleep(2*time.Second - 1)
		w.after(t, 5*time.Second)
		assert.False(t, b.Allow())
		time.Sleep(time.Nanosecond)
		assert.True(t, b.Allow())
	})
}

// At the very instant of a grant an Allow serves whoever is due, whether its goroutine runs before the timer or after.
func TestAllowAtTheInstantOfAGrantComesSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			b := emptyBucket(t, 1)
			w := waitN(t.Context(), b, 1)
			got := make(chan bool, 2)
			time.AfterFunc(time.Second, func() { got <- b.Allow() })
			time.AfterFunc(time.Second, func() { got <- b.AllowUpTo(1) == 1 })
			time.Sleep(time.Second)
			assert.False(t, <-got)
			assert.False(t, <-got)
			w.after(t, time.Second)
		}
	})
}

// uber-go/ratelimit#99: a blocking take that no context can end.
func TestCancelledWaitMovesTheOthersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		first, second, third := waitN(t.Context(), b, 1), waitN(t.Context(), b, 5), waitN(t.Context(), b, 1)
		time.Sleep(2 * time.Second)
		first.after(t, time.Second)
		second.cancel()
		third.after(t, 2*time.Second)
		require.ErrorIs(t, second.err, context.Canceled)
		assert.Equal(t, 2*time.Second, second.took, "promptly")
		assert.Zero(t, b.Tokens(), "the one token was for the third")
	})
}

// Cancelling the head plans the timer anew for the next one, which is not due yet.
func TestCancelledHeadPlansTheTimerAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		head, next := waitN(t.Context(), b, 5), waitN(t.Context(), b, 2)
		time.Sleep(time.Second)
		head.cancel()
		synctest.Wait()
		assert.False(t, next.done.Load())
		time.Sleep(time.Second)
		next.after(t, 2*time.Second)
	})
}

// The grant of the same instant wins over the cancellation, and the token is charged.
func TestGrantMeetsCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			b := emptyBucket(t, 1)
			w := waitN(t.Context(), b, 1)
			time.AfterFunc(time.Second, w.cancel)
			time.Sleep(time.Second)
			w.after(t, time.Second)
			assert.Zero(t, b.Tokens())
		}
	})
}

// The timer has not run, the context is done, but the turn had come before: the tokens are taken, and the result is nil.
func TestGrantBeforeCancellationWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		w := waitN(t.Context(), b, 1)
		b.mu.Lock()
		b.timer.Stop()
		b.mu.Unlock()
		time.Sleep(1500 * time.Millisecond)
		w.cancel()
		w.after(t, 1500*time.Millisecond)
		time.Sleep(500*time.Millisecond - 1)
		assert.False(t, b.Allow(), "charged at one second, not at one and a half")
		time.Sleep(time.Nanosecond)
		assert.True(t, b.Allow())
	})
}

func TestReturnServesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		first, second, third := waitN(t.Context(), b, 3), waitN(t.Context(), b, 1), waitN(t.Context(), b, 5)
		r, err := b.Reserve(1, time.Hour)
		require.NoError(t, err)
		b.Return(4)
		assert.Equal(t, 2, b.Stats().Waiting, "released before Return returns")
		first.after(t, 0)
		second.after(t, 0)
		b.Return(math.MaxInt64)
		third.after(t, 0)
		assert.Equal(t, 1, b.Stats().Waiting, "capped at Burst")
		assert.Equal(t, 10*time.Second, r.Delay(), "the delay was fixed by Reserve")
	})
}

func TestTenThousandWaitersUseOneTimer(t *testing.T) {
	const waiters = 10_000
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(waiters), 1)
		require.True(t, b.Allow())
		assert.Nil(t, b.timer, "no waiter, no timer")
		goroutines := runtime.NumGoroutine()
		ends, start := make(chan time.Duration, waiters), time.Now()
		w := waitN(t.Context(), b, 1)
		timer := b.timer
		for range waiters - 1 {
			go func() {
				assert.NoError(t, b.Wait(t.Context()))
				ends <- time.Since(start)
			}()
		}
		synctest.Wait()
		assert.Same(t, timer, b.timer)
		assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines+waiters, "no goroutine but those of the callers")
		time.Sleep(time.Second)
		w.after(t, time.Second/waiters)
		for i := range waiters - 1 {
			require.Equal(t, time.Duration(i+2)*time.Second/waiters, <-ends)
		}
		assert.Nil(t, b.timer)
		assert.Equal(t, line{}, b.line)
	})
}

func TestCancelledQueueLeavesNothing(t *testing.T) {
	const waiters = 10_000
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ends := make(chan error, waiters)
		for range waiters {
			go func() { ends <- b.Wait(ctx) }()
		}
		synctest.Wait()
		require.Equal(t, waiters, b.Stats().Waiting)
		cancel()
		for range waiters {
			require.ErrorIs(t, <-ends, context.Canceled)
		}
		assert.Equal(t, line{}, b.line)
		assert.Nil(t, b.timer)
		assert.Zero(t, b.blocked)
		time.Sleep(time.Second)
		assert.True(t, b.Allow(), "none of them was charged")
		assert.False(t, b.Allow())
	})
}

func TestABlockingWaitAllocatesAtMostThrice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ctx := emptyBucket(t, 1), t.Context()
		start := time.Now()
		allocs := testing.AllocsPerRun(100, func() { assert.NoError(t, b.Wait(ctx)) })
		assert.Equal(t, 101*time.Second, time.Since(start), "each of them blocked")
		assert.LessOrEqual(t, allocs, 3.0, "place, channel, timer")
	})
}

// golang/go#56924 and #69419: cancelling a reservation that was due restores nothing, and cancelling in the order of the
// queue leaves the bucket in debt.
func TestRegressionCancelAlwaysGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerHour(1), 3)
		var rs []*Reservation
		for i := range 5 {
			r, err := b.Reserve(1, 100*time.Hour)
			require.NoError(t, err)
			assert.InDelta(t, max(float64(i)-2, 0), r.Delay().Hours(), 0)
			rs = append(rs, r)
		}
		for _, r := range rs {
			r.Cancel()
		}
		assert.Equal(t, Stats{Rate: PerHour(1), Burst: 3, Tokens: 3}, b.Stats())
		for _, r := range rs {
			r.Cancel()
		}
		assert.True(t, b.AllowN(3))
		rs[0].Cancel()
		assert.False(t, b.Allow(), "the second Cancel does nothing")
	})
}

func TestReserveErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		for _, tt := range []struct {
			n       int64
			maxWait time.Duration
			want    error
			text    string
		}{
			{-1, time.Hour, ErrNegative, "tokenbucket: negative number of tokens: -1"},
			{math.MinInt64, time.Hour, ErrNegative, "tokenbucket: negative number of tokens: -9223372036854775808"},
			{6, time.Hour, ErrExceedsBurst, "tokenbucket: more tokens asked for than the bucket holds: 6 of 5"},
			{6, -1, ErrExceedsBurst, "tokenbucket: more tokens asked for than the bucket holds: 6 of 5"},
			{2, 2*time.Second - 1, ErrWouldExceedDeadline, "tokenbucket: wait would exceed the deadline: 2s to wait, 1.999999999s allowed"},
			{2, -time.Hour, ErrWouldExceedDeadline, "tokenbucket: wait would exceed the deadline: 2s to wait, 0s allowed"},
		} {
			r, err := b.Reserve(tt.n, tt.maxWait)
			assert.Nil(t, r)
			require.ErrorIs(t, err, tt.want)
			require.EqualError(t, err, tt.text)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "there is no context")
			assert.Zero(t, b.Stats().Waiting)
		}
		r, err := b.Reserve(2, 2*time.Second)
		require.NoError(t, err, "equal is accepted")
		assert.Equal(t, 2*time.Second, r.Delay())
	})
}

func TestReserveTakesNowOrAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(1), 3)
		now, err := b.Reserve(2, -1)
		require.NoError(t, err)
		assert.Zero(t, now.Delay())
		assert.Equal(t, int64(1), b.Tokens())
		later, err := b.Reserve(3, time.Hour)
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, later.Delay())
		assert.Nil(t, b.timer, "nobody to wake")
		time.Sleep(1500 * time.Millisecond)
		assert.Equal(t, 500*time.Millisecond, later.Delay(), "counts down")
		assert.Equal(t, 1, b.Stats().Waiting)
		time.Sleep(500 * time.Millisecond)
		assert.Zero(t, later.Delay())
		assert.Equal(t, Stats{Rate: PerSecond(1), Burst: 3}, b.Stats(), "due: charged, waiting no more")
		time.Sleep(time.Hour)
		assert.Zero(t, later.Delay())
		assert.Equal(t, int64(3), b.Tokens())
	})
}

// A reservation that nobody asks about is charged as of its turn: what is produced later is there.
func TestReservationIsChargedAtItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 3)
		_, err := b.Reserve(3, time.Hour)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		assert.Equal(t, int64(2), b.AllowUpTo(10))
	})
}

func TestCancelReservationMovesTheOthersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 3)
		r, err := b.Reserve(3, time.Hour)
		require.NoError(t, err)
		w := waitN(t.Context(), b, 1)
		second, err := b.Reserve(1, time.Hour)
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		assert.False(t, w.done.Load())
		r.Cancel()
		w.after(t, 1500*time.Millisecond)
		assert.Equal(t, 3500*time.Millisecond, second.Delay(), "fixed when Reserve returned")
		time.Sleep(500 * time.Millisecond)
		assert.Zero(t, b.Stats().Waiting, "charged sooner")
		time.Sleep(time.Second)
		assert.True(t, b.Allow())
		second.Cancel()
		assert.True(t, b.Allow(), "given back although not due by its own count")
	})
}

func TestCancelOfAChargedReservationServesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(1), 3)
		r, err := b.Reserve(3, 0)
		require.NoError(t, err)
		w := waitN(t.Context(), b, 3)
		r.Cancel()
		w.after(t, 0)
	})
}

func TestSetLimitKeepsTheLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(10), 10)
		require.True(t, b.AllowN(10))
		time.Sleep(250 * time.Millisecond) // two and a half tokens
		require.NoError(t, b.SetLimit(PerSecond(1), 100))
		assert.Equal(t, Stats{Rate: PerSecond(1), Burst: 100, Tokens: 2}, b.Stats())
		wait, _ := b.RetryAfter(3)
		assert.Equal(t, 500*time.Millisecond, wait, "the half is still there, the rest comes at the new rate")
		require.NoError(t, b.SetLimit(PerSecond(1), 2))
		require.NoError(t, b.SetLimit(PerSecond(10), 10))
		assert.Equal(t, int64(2), b.Tokens())
		wait, _ = b.RetryAfter(3)
		assert.Equal(t, 100*time.Millisecond, wait, "capped at the burst in between")
	})
}

// Lowering and raising does not mint, whatever the units: a million changes are worth nothing.
func TestSetLimitDoesNotMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(7), 7)
		require.True(t, b.AllowN(6))
		for i := range 100_000 {
			require.NoError(t, b.SetLimit([]Rate{PerSecond(13), PerHour(1), {10, 1}, PerSecond(3)}[i%4], []int64{13, 1, 1000, 5}[i%4]))
		}
		assert.LessOrEqual(t, b.Tokens(), int64(1))
		assert.False(t, b.AllowN(2))
	})
}

// With x/time/rate a waiter sleeps for the time that the limit of its arrival gave, whatever SetLimit does.
func TestSetLimitPlansWaitersAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 4)
		first, second := waitN(t.Context(), b, 2), waitN(t.Context(), b, 2)
		time.Sleep(time.Second)
		require.NoError(t, b.SetLimit(PerSecond(10), 4)) // earlier: a token is missing, then two
		time.Sleep(100 * time.Millisecond)
		first.after(t, 1100*time.Millisecond)
		require.NoError(t, b.SetLimit(Every(10*time.Second), 4)) // later
		time.Sleep(20*time.Second - 1)
		synctest.Wait()
		assert.False(t, second.done.Load())
		time.Sleep(time.Nanosecond)
		second.after(t, 21100*time.Millisecond)
	})
}

func TestSetLimitServesWhoeverWasDueFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 4)
		r, err := b.Reserve(4, time.Hour)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		require.NoError(t, b.SetLimit(PerHour(1), 3))
		assert.Equal(t, Stats{Rate: PerHour(1), Burst: 3, Tokens: 1}, b.Stats(), "charged four by the old limit")
		r.Cancel()
		assert.Equal(t, int64(3), b.Tokens())
	})
}

func TestSetLimitBelowWhatAWaiterAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		big, small := waitN(t.Context(), b, 5), waitN(t.Context(), b, 2)
		last := waitN(t.Context(), b, 4)
		time.Sleep(time.Second)
		require.NoError(t, b.SetLimit(PerSecond(1), 3))
		synctest.Wait()
		require.ErrorIs(t, big.err, ErrExceedsBurst)
		require.ErrorIs(t, last.err, ErrExceedsBurst)
		require.EqualError(t, big.err, "tokenbucket: more tokens asked for than the bucket holds: 5 of 3")
		time.Sleep(time.Second)
		small.after(t, 2*time.Second)
		assert.Equal(t, line{}, b.line)
		assert.Nil(t, b.timer)
	})
}

// A deadline is judged once: a wait that SetLimit makes too long ends with the error of its context.
func TestSetLimitDoesNotJudgeDeadlinesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		w := waitN(ctx, b, 1)
		require.NoError(t, b.SetLimit(PerHour(1), 1))
		time.Sleep(2*time.Second - 1)
		synctest.Wait()
		assert.False(t, w.done.Load())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, w.err, context.DeadlineExceeded)
		require.NotErrorIs(t, w.err, ErrWouldExceedDeadline)
	})
}

func TestSetLimitBelowAReservationChargesTheWholeBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		r, err := b.Reserve(5, time.Hour)
		require.NoError(t, err)
		w := waitN(t.Context(), b, 1)
		require.NoError(t, b.SetLimit(PerSecond(1), 3))
		assert.Equal(t, 5*time.Second, r.Delay(), "the delay is fixed")
		time.Sleep(4 * time.Second)
		w.after(t, 4*time.Second)
		r.Cancel()
		assert.Equal(t, int64(3), b.Tokens(), "three had been charged")
	})
}

func TestSetLimitTwiceRestoresWhatAReservationCharges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBucket(t, 5)
		_, err := b.Reserve(5, time.Hour)
		require.NoError(t, err)
		require.NoError(t, b.SetLimit(PerSecond(1), 3))
		require.NoError(t, b.SetLimit(PerSecond(1), 5))
		time.Sleep(5 * time.Second)
		assert.Zero(t, b.Tokens())
		assert.Zero(t, b.Stats().Waiting)
	})
}

// The sum of what is queued exceeds 64 bits, and comes back.
func TestQueueOfHundredsOfYears(t *testing.T) {
	const burst = 3_153_600_000_000_000_000 // ten years of ten tokens per nanosecond
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, Rate{10, 1}, burst)
		require.True(t, b.AllowN(burst))
		var rs []*Reservation
		for i := range 20 {
			r, err := b.Reserve(burst, math.MaxInt64)
			require.NoError(t, err)
			if i < 2 {
				assert.Equal(t, time.Duration(i+1)*10*year, r.Delay())
			} else {
				assert.Equal(t, forever, r.Delay(), "beyond the horizon")
			}
			rs = append(rs, r)
		}
		_, err := b.Reserve(1, forever-1)
		require.ErrorIs(t, err, ErrWouldExceedDeadline)
		_, ok := b.RetryAfter(1)
		assert.False(t, ok)
		w := waitN(t.Context(), b, burst)
		for _, r := range rs {
			r.Cancel()
		}
		time.Sleep(10 * year)
		w.after(t, 10*year)
		assert.Equal(t, line{}, b.line)
	})
}

// Nobody can wake a waiter whose turn lies beyond the horizon, except its context or a Return.
func TestWaitBeyondTheHorizon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, Every(10*year), 1)
		require.True(t, b.Allow())
		time.Sleep(25 * year)
		require.True(t, b.Allow())
		w, second := waitN(t.Context(), b, 1), waitN(t.Context(), b, 1)
		assert.Nil(t, b.timer)
		time.Sleep(20 * year)
		synctest.Wait()
		assert.False(t, w.done.Load())
		b.Return(1)
		w.after(t, 20*year)
		second.cancel()
		synctest.Wait()
		require.ErrorIs(t, second.err, context.Canceled)
	})
}

func TestFairnessOfTwoWaitLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(1000), 1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var counts [2]int
		ends := make(chan struct{})
		for i := range counts {
			go func() {
				for b.Wait(ctx) == nil {
					counts[i]++
				}
				ends <- struct{}{}
			}()
		}
		<-ends
		<-ends
		total := counts[0] + counts[1]
		assert.Equal(t, 10_000, total)
		assert.InDelta(t, 0.5, float64(counts[0])/float64(total), 0.05)
	})
}

// The timer of a queue belongs to the bubble in which the queue formed: the same bucket serves in one after the other.
func TestOneBucketInManyBubbles(t *testing.T) {
	b := newBucket(t, Every(time.Second), 1)
	require.True(t, b.Allow())
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			wait, ok := b.RetryAfter(1)
			require.True(t, ok)
			w := waitN(t.Context(), b, 1)
			time.Sleep(wait)
			w.after(t, wait)
		})
	}
}

func TestValidateSeesDamage(t *testing.T) {
	three := func() (*line, []*place) {
		l, ps := &line{}, []*place{{need: 1, ready: make(chan struct{})}, {need: 2}, {need: 3}}
		for _, p := range ps {
			l.push(p)
		}
		return l, ps
	}
	l, _ := three()
	require.NoError(t, l.validate(1))
	for name, damage := range map[string]func(l *line, ps []*place){
		"back link":     func(_ *line, ps []*place) { ps[2].prev = ps[0] },
		"forward link":  func(_ *line, ps []*place) { ps[0].next = ps[2] },
		"cut":           func(_ *line, ps []*place) { ps[1].next = nil },
		"head":          func(l *line, ps []*place) { l.head = ps[1] },
		"tail":          func(l *line, ps []*place) { l.tail = ps[1] },
		"count":         func(l *line, _ []*place) { l.len++ },
		"sum":           func(l *line, _ []*place) { l.total.add(1) },
		"need":          func(_ *line, ps []*place) { ps[1].need++ },
		"charged place": func(_ *line, ps []*place) { ps[1].status = charged },
		"waker":         func(_ *line, ps []*place) { ps[0].ready = nil },
	} {
		l, ps := three()
		damage(l, ps)
		require.Error(t, l.validate(1), name)
	}
}
