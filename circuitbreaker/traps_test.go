package circuitbreaker

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

// What has gone wrong in other breakers. Each test names where.

// A probe that ends by Goexit or panic, or whose ticket is lost, must not keep its slot: else the breaker rejects for ever
// (sony/gobreaker and failsafe-go as measured; resilience4j#903 #935 #544 #1389 #1568, sentinel-golang#196 #202,
// monix#1080).
func TestNothingWedgesHalfOpen(t *testing.T) {
	ends := map[string]func(*Breaker){
		"Goexit": func(b *Breaker) {
			_ = b.Do(context.Background(), func(context.Context) error { runtime.Goexit(); return nil })
		},
		"panic": func(b *Breaker) {
			_ = b.Do(context.Background(), func(context.Context) error { panic("probe") })
		},
		"Goexit of a value": func(b *Breaker) {
			_, _ = Do(context.Background(), b, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		},
		"panic of a value": func(b *Breaker) {
			_, _ = Do(context.Background(), b, func(context.Context) (int, error) { panic("probe") })
		},
		"lost ticket": func(b *Breaker) { _, _ = b.Allow() },
		"ignored":     func(b *Breaker) { t, _ := b.Allow(); t.Cancel() },
	}
	for name, end := range ends {
		bubble(t, quick, func(t *testing.T, b *Breaker, l *log) {
			for range 5 {
				halfOpen(t, b)
				l.take()
				exits(func() { end(b) })
				switch name {
				case "lost ticket":
					sleep(30 * time.Second)
					require.Equal(t, []string{"half-open->open: probe timeout"}, l.take(), name)
				case "ignored":
					require.Empty(t, l.take(), name)
				default:
					require.Equal(t, []string{"half-open->open: probe failed"}, l.take(), name)
				}
				sleep(time.Second)
				require.Equal(t, 1, do(b, 1, ok), name)
				require.Equal(t, Closed, b.State(), name)
			}
		})
	}
}

// The result of a call that began before the trip says nothing about the dependency now: failsafe-go lets it close a
// half-open breaker and adds a permit, eapache/go-resiliency reopens.
func TestStaleResults(t *testing.T) {
	c := quick
	c.Probes, c.ProbeSuccesses = 2, 2
	for _, result := range []error{nil, errDown} {
		bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
			var stale []*Ticket
			for range 50 {
				stale = append(stale, allow(t, b))
			}
			halfOpen(t, b)
			l.take()
			probes := []*Ticket{allow(t, b), allow(t, b)}
			for _, s := range stale[:20] {
				s.Done(result)
			}
			stale[20].Cancel()
			_, err := b.Allow()
			require.ErrorIs(t, err, ErrOpen, "no slot has been added")
			require.Empty(t, l.take())
			for _, p := range probes {
				p.Done(nil)
			}
			require.Equal(t, []string{"half-open->closed: probes passed"}, l.take())
			for _, s := range stale[21:] { // Closed again, but another stay
				s.Done(result)
			}
			require.Empty(t, l.take())
			require.EqualValues(t, 50, b.Stats().Discarded)
			require.Equal(t, Counts{Successes: 2}, b.Stats().Total)
			require.Zero(t, b.Stats().Window)
		})
	}
}

// Panics and Goexits are failures, and are not recovered: failsafe-go, cep21/circuit, mercari/go-circuitbreaker and
// rubyist/circuitbreaker stay closed.
func TestPanicsCount(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		assert.Equal(t, "one", exits(func() { _ = b.Do(t.Context(), func(context.Context) error { panic("one") }) }))
		assert.Nil(t, exits(func() { _ = b.Do(t.Context(), func(context.Context) error { runtime.Goexit(); return nil }) }))
		assert.Equal(t, "two", exits(func() {
			_, _ = Do(t.Context(), b, func(context.Context) (int, error) { panic("two") })
		}))
		assert.Equal(t, Open, b.State())
		_, err := b.Allow()
		assert.NoError(t, errors.Unwrap(err), "a panic is no error")
	})
}

// Deadlines count: ten of them leave mercari/go-circuitbreaker and cep21/circuit closed. A dependency that hangs is the
// failure that a breaker is for.
func TestDeadlinesCount(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := b.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("get: %w", ctx.Err()) })
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		assert.Equal(t, Open, b.State())
	})
}

// Callers that leave say nothing: gobreaker and failsafe-go open, Polly closed by a cancelled probe (Polly#217 #311,
// apache/brpc#3532).
func TestOwnCancelSaysNothing(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, l *log) {
		leave := func() error {
			ctx, cancel := context.WithCancel(t.Context())
			return b.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
		}
		for range 100 {
			require.ErrorIs(t, leave(), context.Canceled)
		}
		require.Equal(t, Counts{Ignored: 100}, b.Stats().Total)
		halfOpen(t, b)
		l.take()
		for range 100 {
			require.ErrorIs(t, leave(), context.Canceled)
			require.Equal(t, HalfOpen, b.State())
		}
		require.Empty(t, l.take())
	})
}

// A callback may ask and change the breaker: gobreaker deadlocks (sony/gobreaker#37 #39 #119).
func TestCallbackMayUseTheBreaker(t *testing.T) {
	var b *Breaker
	var seen []string
	c := quick
	c.OnStateChange = func(ch Change) {
		seen = append(seen, ch.From.String()+"->"+ch.To.String()+" while "+b.State().String())
		b.Stats()
		_ = b.Do(context.Background(), ok)
		if ch.Reason == ReasonConsecutive {
			b.Reset()
			b.Trip(time.Hour)
			seen = append(seen, "returns")
		}
	}
	bubble(t, c, func(t *testing.T, breaker *Breaker, _ *log) {
		b = breaker
		do(b, 3, fail)
		assert.Equal(t, []string{
			"closed->open while open", "returns", "open->closed while open", "closed->open while open",
		}, seen, "changes made in the callback are told after it has returned")
	})
}

// done three times is one result: gobreaker counts three failures.
func TestDoneCountsOnce(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		ticket := allow(t, b)
		for range 3 {
			ticket.Done(errDown)
		}
		assert.Equal(t, Closed, b.State())
		assert.EqualValues(t, 1, b.Stats().Total.Failures)
	})
}

// A hundred callers that wait for the end of the open time: one passes. All hundred do in mercari/go-circuitbreaker,
// eapache/go-resiliency and slok/goresilience; resilience4j#1432, Polly#216.
func TestStampedeAtHalfOpen(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		b.Trip(time.Second)
		var passed atomic.Int32
		for range 100 {
			go func() {
				sleepUntil := time.Second + 1
				time.Sleep(sleepUntil)
				_ = b.Do(context.Background(), func(context.Context) error {
					passed.Add(1)
					time.Sleep(time.Second)
					return errDown
				})
			}()
		}
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, passed.Load())
	})
}

// Reading a throttle expires its window: failsafe-go's adaptive throttler still sheds 999 of 1000 calls 500 ms after a
// window of 100 ms has run empty.
func TestThrottleWindowExpiresOnReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, err := NewThrottle(ThrottleConfig{Window: 100 * time.Millisecond})
		require.NoError(t, err)
		for range 1000 {
			_ = th.Do(t.Context(), fail)
		}
		require.InDelta(t, 0.95, th.Stats().Reject, 0)
		time.Sleep(100 * time.Millisecond)
		assert.Zero(t, th.Stats().Reject)
		assert.Zero(t, th.Stats().Requests)
		assert.NoError(t, th.Do(t.Context(), ok))
	})
}

// fn runs where Do was called, so that a call that times out leaves nothing behind; rubyist/circuitbreaker leaves a
// goroutine.
func TestNoHiddenGoroutine(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := b.Do(ctx, func(ctx context.Context) error {
			require.Equal(t, before, runtime.NumGoroutine())
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		b.Trip(time.Hour)
		require.Equal(t, before, runtime.NumGoroutine())
	})
}

// Own rejections are no failures of the dependency: fed back they keep a breaker open and a throttle shut for ever
// (zeromicro/go-zero#5551).
func TestRejectionsAreNoFailures(t *testing.T) {
	bubble(t, Config{MinCalls: 5, OpenDuration: time.Second, NoJitter: true}, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 5, fail)
		before := b.Stats()
		assert.Zero(t, do(b, 1000, ok))
		after := b.Stats()
		assert.EqualValues(t, 1000, after.Rejected)
		after.Rejected = 0
		assert.Equal(t, before, after)
		sleep(time.Second)
		assert.Equal(t, 1000, do(b, 1000, ok))
	})
	synctest.Test(t, func(t *testing.T) {
		th, err := NewThrottle(ThrottleConfig{Window: time.Minute})
		require.NoError(t, err)
		for range 10_000 {
			_ = th.Do(t.Context(), fail)
		}
		shed := 0
		for range 3000 { // under steady traffic, with the backend in order again
			time.Sleep(time.Second / 5)
			if th.Do(t.Context(), ok) != nil {
				shed++
			}
		}
		assert.Zero(t, th.Stats().Reject, "%d shed on the way", shed)
	})
}

// The largest durations do not overflow.
func TestHugeDurations(t *testing.T) {
	c := Config{
		ConsecutiveFailures: 1, OpenDuration: forever, MaxOpenDuration: forever, ProbeTimeout: forever, RecoveryRamp: forever,
		SlowCallDuration: forever, Window: forever,
	}
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 1, fail)
		require.Equal(t, Open, b.State())
		time.Sleep(time.Hour)
		require.Equal(t, Open, b.State())
		require.Greater(t, time.Until(b.Stats().Until), 200*365*24*time.Hour)
		b.Reset()
		halfOpen(t, b)
		allow(t, b)
		time.Sleep(time.Hour)
		require.Equal(t, HalfOpen, b.State())
		b.Reset()
		halfOpen(t, b)
		do(b, 1, ok)
		require.InDelta(t, 0.1, b.Stats().Share, 1e-9)
		b.Trip(math.MaxInt64)
		require.Equal(t, Open, b.State())
		b.Trip(math.MaxInt64)
	})
}

// After the recovery the load returns by and by: at once it brings the dependency down again (Netflix/Hystrix#1647,
// reddit/baseplate.go#697, Polly#239 #254).
func TestNoStampedeAfterClose(t *testing.T) {
	c := quick
	c.RecoveryRamp = 10 * time.Second
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		halfOpen(t, b)
		do(b, 1, ok)
		require.Equal(t, Closed, b.State())
		assert.Equal(t, 100, do(b, 1000, ok))
		time.Sleep(5 * time.Second)
		assert.InDelta(t, 550, do(b, 1000, ok), 1)
		time.Sleep(5 * time.Second)
		assert.Equal(t, 1000, do(b, 1000, ok))
	})
}

// A response that says when to come back opens the breaker for that time (sony/gobreaker#88).
func TestTripFromAResponse(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Breaker, _ *log) {
		_ = b.Do(t.Context(), func(context.Context) error {
			b.Trip(17 * time.Second) // inside of the call: its result is discarded
			return errDown
		})
		_, err := b.Allow()
		e, _ := errors.AsType[*OpenError](err)
		assert.Equal(t, 17*time.Second, e.RetryAfter())
		assert.EqualValues(t, 1, b.Stats().Discarded)
	})
}
