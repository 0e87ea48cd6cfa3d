package circuitbreaker

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

func newThrottle(tb testing.TB, c ThrottleConfig) *Throttle {
	tb.Helper()
	th, err := NewThrottle(c)
	require.NoError(tb, err)
	return th
}

func TestNewThrottleRejects(t *testing.T) {
	for want, c := range map[string]ThrottleConfig{
		"K must be at least 1 and finite, got 0.99": {K: 0.99},
		"K must be at least 1 and finite, got -1":   {K: -1},
		"K must be at least 1 and finite, got NaN":  {K: math.NaN()},
		"K must be at least 1 and finite, got +Inf": {K: math.Inf(1)},
		"Window must be at least 1ms, got 1ns":      {Window: 1},
		"Window must be at least 1ms, got -1ns":     {Window: -1},
		"MaxReject must be in (0, 1), got 1":        {MaxReject: 1},
		"MaxReject must be in (0, 1), got -0.5":     {MaxReject: -0.5},
		"MaxReject must be in (0, 1), got NaN":      {MaxReject: math.NaN()},
		"MaxReject must be in (0, 1), got +Inf":     {MaxReject: math.Inf(1)},
	} {
		th, err := NewThrottle(c)
		require.Nil(t, th)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "circuitbreaker: invalid config: "+want)
	}
	th := newThrottle(t, ThrottleConfig{K: math.MaxFloat64, Window: forever, MaxReject: 1e-300})
	for range 100 {
		require.NoError(t, th.Do(t.Context(), ok))
		assert.ErrorIs(t, th.Do(t.Context(), fail), errDown)
	}
}

// The share shed is that of the equation, within one call: at one instant, for several K and several backends.
func TestThrottleShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, k := range []float64{1, 1.5, 2, 4} {
			for _, every := range []int{1, 2, 3, 10, 1 << 30} { // of so many calls the backend accepts one
				th := newThrottle(t, ThrottleConfig{K: k, MaxReject: 0.9})
				requests, accepts, expected, shed, reached := 0.0, 0.0, 0.0, 0, 0
				for i := range 10_000 {
					p := min(max((requests-k*accepts)/(requests+1), 0), 0.9)
					if i%100 == 0 {
						require.InDelta(t, p, th.Stats().Reject, 1e-12)
					}
					expected += p
					requests++
					err := th.Do(t.Context(), func(context.Context) error {
						if reached++; reached%every == 0 {
							accepts++
							return nil
						}
						return errDown
					})
					if errors.Is(err, ErrThrottled) {
						shed++
					}
				}
				require.InDelta(t, expected, shed, 1.01, "K=%v every=%d", k, every)
				s := th.Stats()
				require.EqualValues(t, shed, s.Rejected)
				require.EqualValues(t, 10_000, s.Requests)
				require.Equal(t, uint64(accepts), s.Accepts)
			}
		}
	})
}

// What counts as accepted.
func TestThrottleAccepts(t *testing.T) {
	classify := func(err error) Outcome {
		switch {
		case err == nil:
			return Success
		case errors.Is(err, errDown):
			return Failure
		default:
			return Outcome(9)
		}
	}
	for _, c := range []struct {
		name string
		call func(*Throttle)
		want uint64
	}{
		{"success", func(th *Throttle) { _ = th.Do(t.Context(), ok) }, 1},
		{"failure", func(th *Throttle) { _ = th.Do(t.Context(), fail) }, 0},
		{"no outcome", func(th *Throttle) { _ = th.Do(t.Context(), func(context.Context) error { return ErrOpen }) }, 0},
		{"panic", func(th *Throttle) {
			exits(func() { _ = th.Do(t.Context(), func(context.Context) error { panic(1) }) })
		}, 0},
		{"Goexit", func(th *Throttle) {
			exits(func() { _ = th.Do(t.Context(), func(context.Context) error { runtime.Goexit(); return nil }) })
		}, 0},
		{"own cancel", func(th *Throttle) {
			ctx, cancel := context.WithCancel(t.Context())
			_ = th.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
		}, 1},
		{"Done", func(th *Throttle) { ticket, _ := th.Allow(); ticket.Done(nil); ticket.Done(nil) }, 1},
		{"Done with failure", func(th *Throttle) { ticket, _ := th.Allow(); ticket.Done(errDown); ticket.Cancel() }, 0},
		{"Cancel", func(th *Throttle) { ticket, _ := th.Allow(); ticket.Cancel(); ticket.Cancel() }, 1},
		{"lost", func(th *Throttle) { _, _ = th.Allow() }, 0},
	} {
		th := newThrottle(t, ThrottleConfig{Classify: classify})
		c.call(th)
		assert.EqualValues(t, 1, th.Stats().Requests, c.name)
		assert.Equal(t, c.want, th.Stats().Accepts, c.name)
	}
}

func TestThrottleDoneContext(t *testing.T) {
	th := newThrottle(t, ThrottleConfig{})
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := th.Do(ctx, func(context.Context) error { panic("called") })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	assert.Zero(t, th.Stats())
	assert.Equal(t, "circuitbreaker: nil function", exits(func() { _ = th.Do(t.Context(), nil) }))
}

// The rejections of Allow, and a Classify that panics.
func TestThrottleAllow(t *testing.T) {
	th := newThrottle(t, ThrottleConfig{Classify: func(error) Outcome { panic("classify") }})
	for range 1000 {
		ticket, err := th.Allow()
		if err != nil {
			require.Equal(t, ErrThrottled, err)
			require.Equal(t, Ticket{}, ticket)
			continue
		}
		require.Equal(t, "classify", exits(func() { ticket.Done(nil) }))
	}
	assert.Greater(t, th.Stats().Rejected, uint64(800))
	assert.Zero(t, th.Stats().Accepts)
}

func TestThrottleFullBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, ThrottleConfig{})
		th.ring.words[0].Store(1000*accept + full - 1)
		_ = th.Do(t.Context(), fail)
		assert.EqualValues(t, full/2, th.Stats().Requests)
		assert.EqualValues(t, 500, th.Stats().Accepts)
	})
}

// Accepts come later than their requests, so that a bucket may hold more of them: they make room, too.
func TestThrottleManyAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, ThrottleConfig{Window: forever})
		ticket, err := th.Allow()
		require.NoError(t, err)
		th.ring.words[0].Store((full-1)*accept + full - 1000)
		ticket.Done(nil)
		assert.EqualValues(t, full/2, th.Stats().Accepts)
		assert.EqualValues(t, full/2-500, th.Stats().Requests)
	})
}

func TestThrottleHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, ThrottleConfig{Window: time.Second})
		hammer.Run(t, 8, 500, func(_ int, rng *rand.Rand) error {
			if rng.IntN(20) == 0 {
				time.Sleep(50 * time.Millisecond)
			}
			_ = th.Do(t.Context(), []func(context.Context) error{ok, fail}[rng.IntN(2)])
			return nil
		})
		s := th.Stats()
		require.LessOrEqual(t, s.Accepts, s.Requests)
	})
}
