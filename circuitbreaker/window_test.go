package circuitbreaker

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The boundaries of the epochs are exact, for a length that no ten divides and at the end of time.
func TestEpochs(t *testing.T) {
	for _, length := range []time.Duration{1_000_000, 1_000_003, 10_000_000_009, forever - 1, forever} {
		for _, epoch := range []int64{0, 1, 9, 10, 11, 12345} {
			if epoch > epochAt(forever, length) {
				continue // after the end of time
			}
			start := startOf(epoch, length)
			require.Equal(t, epoch, epochAt(time.Duration(start), length))
			if start > 0 {
				require.Equal(t, epoch-1, epochAt(time.Duration(start-1), length))
			}
		}
	}
	assert.Equal(t, int64(math.MaxInt64), startOf(11, forever), "saturated")
	assert.EqualValues(t, 10, epochAt(forever, forever))
	assert.Zero(t, epochAt(-1, 1_000_000))
}

// A result is seen for more than 9/10 of the window, and never after it: with traffic in between and without.
func TestResultsExpire(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	synctest.Test(t, func(t *testing.T) {
		for _, length := range []time.Duration{time.Millisecond, time.Second, 1_000_003, 77_777_777} {
			for _, traffic := range []bool{false, true} {
				b := mustNew(t, Config{Window: length, FailureRate: 1})
				for range 50 {
					time.Sleep(time.Duration(rng.Int64N(int64(length))))
					before := b.Stats().Window
					do(b, 1, fail)
					counted := before
					counted.Failures++
					require.Equal(t, counted, b.Stats().Window)
					at := time.Now()
					nearly := at.Add(length*9/10 + 1)
					if traffic {
						for time.Until(nearly) > length/7 {
							time.Sleep(length / 7)
							do(b, 1, ok)
						}
					}
					time.Sleep(time.Until(nearly) - 1)
					require.NotZero(t, b.Stats().Window.Failures, "%v after 9/10", length)
					time.Sleep(time.Until(at.Add(length)))
					require.Zero(t, b.Stats().Window.Failures, "%v after all", length)
				}
			}
		}
	})
}

// However long nobody calls, a rotation clears at most ten buckets.
func TestRotationAfterIdling(t *testing.T) {
	bubble(t, Config{Window: time.Millisecond}, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 5, fail)
		time.Sleep(100 * 365 * 24 * time.Hour) // 3e16 buckets
		assert.Zero(t, b.Stats().Window)
		assert.EqualValues(t, 5, b.Stats().Total.Failures)
	})
}

// Every bucket is cleared before it is used again, whatever the gaps.
func TestRotationClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for gap := range 25 {
			b := mustNew(t, Config{Window: time.Second, FailureRate: 1})
			for range 10 {
				do(b, 1, fail)
				time.Sleep(100 * time.Millisecond)
			}
			require.EqualValues(t, 9, b.Stats().Window.Failures)
			time.Sleep(time.Duration(gap) * 100 * time.Millisecond)
			do(b, 1, ok) // rotates by a success
			want := Counts{Successes: 1, Failures: uint64(max(0, 9-gap))}
			require.Equal(t, want, b.Stats().Window, gap)
		}
	})
}

// Calls that last longer than the window still count, when they end (gobreaker drops them).
func TestCallsLongerThanTheWindow(t *testing.T) {
	bubble(t, Config{Window: time.Second, MinCalls: 10}, func(t *testing.T, b *Breaker, l *log) {
		var tickets []*Ticket
		for range 12 {
			tickets = append(tickets, allow(t, b))
		}
		time.Sleep(time.Hour)
		for _, ticket := range tickets {
			ticket.Done(errDown)
		}
		assert.Equal(t, []string{"closed->open: failure rate"}, l.take())
		assert.EqualValues(t, 2, b.Stats().Discarded)
	})
}

// Each Closed episode begins with nothing.
func TestWindowBeginsEmpty(t *testing.T) {
	for _, c := range []Config{{MinCalls: 4}, {CountWindow: 4}, {ConsecutiveFailures: 4}} {
		c.OpenDuration, c.NoJitter = time.Second, true
		bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
			for range 3 {
				do(b, 3, fail)
				require.Equal(t, 3, b.Stats().ConsecutiveFailures)
				halfOpen(t, b)
				do(b, 1, ok)
				require.Zero(t, b.Stats().Window)
				require.Zero(t, b.Stats().ConsecutiveFailures)
				do(b, 3, fail)
				require.Equal(t, Closed, b.State())
				do(b, 1, fail)
				require.Equal(t, Open, b.State())
				b.Reset()
			}
		})
	}
}

// A bucket of two thousand million calls makes room and keeps its rates and the totals.
func TestFullBucket(t *testing.T) {
	bubble(t, Config{FailureRate: 0.9, SlowCallDuration: time.Hour}, func(t *testing.T, b *Breaker, _ *log) {
		r := &b.cur.Load().window.ring
		r.words[0].Store(1000*failure + full - 2)
		r.slow[0] = 500
		before := b.Stats()
		do(b, 1, ok)
		assert.Equal(t, before.Window.Successes+1, b.Stats().Window.Successes)
		do(b, 1, ok) // sees the bit
		after := b.Stats()
		assert.Equal(t, Counts{Successes: full/2 - 500, Failures: 500, Slow: 250}, after.Window)
		assert.Equal(t, before.Total.Successes+2, after.Total.Successes)
		assert.Equal(t, before.Total.Failures, after.Total.Failures)
		assert.Equal(t, before.Total.Slow, after.Total.Slow)
		r.words[0].Store(full - 1)
		do(b, 1, fail)
		assert.Equal(t, Counts{Successes: full/2 - 1, Failures: 1, Slow: 125}, b.Stats().Window)
		r.words[0].Store(full + 5)
		b.halve(&episode{}) // somebody whose episode is over
		assert.Equal(t, uint64(full+5), r.words[0].Load())
	})
}

// The streak looks at what was counted, also when successes go to an older bucket or move out of the window.
func TestStreakOverBuckets(t *testing.T) {
	bubble(t, Config{ConsecutiveFailures: 4, FailureRate: 1, MinCalls: 1000, Window: time.Second}, func(t *testing.T, b *Breaker, l *log) {
		do(b, 5, ok)
		do(b, 2, fail)
		time.Sleep(10 * time.Second)
		do(b, 1, fail)
		assert.Equal(t, 3, b.Stats().ConsecutiveFailures, "the successes have expired, the row goes on")
		time.Sleep(10 * time.Second)
		do(b, 1, ok)
		assert.Zero(t, b.Stats().ConsecutiveFailures)
		do(b, 3, fail)
		time.Sleep(10 * time.Second)
		require.Empty(t, l.take())
		do(b, 1, fail)
		assert.Equal(t, []string{"closed->open: consecutive failures"}, l.take())
	})
}

// A verdict that a success has overtaken is taken back, with nothing lost.
func TestVerdictTakenBack(t *testing.T) {
	bubble(t, Config{ConsecutiveFailures: 3, FailureRate: 1, MinCalls: 1000}, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 3-1, fail)
		ep := b.cur.Load()
		ep.window.count(Failure, false)
		ep.window.lengthen(ep.window.ring.sum()) // three in a row, as finishClosed sees it
		do(b, 1, ok)                             // and before the seal a success
		b.judge(ep, Failure, errDown)
		assert.Equal(t, Closed, b.State())
		assert.Equal(t, Counts{Successes: 1, Failures: 3}, b.Stats().Window)
		assert.Equal(t, 1, b.Stats().ConsecutiveFailures, "the success counts as before the last failure")
		do(b, 1, ok)
		assert.Equal(t, Counts{Successes: 2, Failures: 3}, b.Stats().Window)
	})
}

// Who finds a seal is counted later if the seal is taken back, and discarded if not.
func TestSuccessFindsASeal(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Breaker, _ *log) {
		r := &b.cur.Load().window.ring
		r.seal()
		r.words[0].Add(oneCall) // somebody late, who now waits for the mutex
		r.unseal()
		do(b, 1, ok)
		assert.Equal(t, Counts{Successes: 1}, b.Stats().Total)
		late := allow(t, b)
		b.Reset()
		late.Done(nil)
		late = allow(t, b)
		assert.EqualValues(t, 1, b.Stats().Discarded)
		assert.Equal(t, Counts{Successes: 1}, b.Stats().Total)
		late.Done(nil)
		assert.Equal(t, Counts{Successes: 2}, b.Stats().Total)
	})
}

func TestPerMillion(t *testing.T) {
	assert.Zero(t, perMillion(0))
	assert.EqualValues(t, 1, perMillion(5e-324))
	assert.EqualValues(t, 290_000, perMillion(0.29))
	assert.EqualValues(t, million, perMillion(1))
	assert.False(t, slices.ContainsFunc([]float64{math.NaN(), -1, 1.5, math.Inf(1), math.Inf(-1)}, share))
}
