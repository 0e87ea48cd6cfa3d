package circuitbreaker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/invariants"
)

func TestConsecutive(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, l *log) {
		for range 5 {
			do(b, 2, fail)
			do(b, 1, ok)
		}
		allow(t, b).Cancel()
		do(b, 2, fail)
		allow(t, b).Cancel() // says nothing: the row goes on
		assert.Equal(t, 2, b.Stats().ConsecutiveFailures)
		require.Empty(t, l.take())
		do(b, 1, fail)
		assert.Equal(t, []string{"closed->open: consecutive failures"}, l.take())
	})
}

// Rates are compared exactly, for every percentage, where 0.07*100 > 7 in floating point; with a count and a time window.
func TestRatesAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for k := 1; k <= 100; k++ {
			for _, c := range []Config{{CountWindow: 100}, {MinCalls: 100}} {
				c.FailureRate = float64(k) / 100
				for _, failures := range []int{k - 1, k} {
					b := mustNew(t, c)
					do(b, 100-failures, ok)
					do(b, failures, fail)
					want := Closed
					if failures == k {
						want = Open
					}
					require.Equal(t, want, b.State(), "%d of 100 at %v", failures, c.FailureRate)
					b.Reset()
				}
			}
		}
	})
}

// The rules are not applied to a fast success, even if it is the call that fills the window.
func TestFastSuccessDoesNotOpen(t *testing.T) {
	bubble(t, Config{MinCalls: 10}, func(t *testing.T, b *Breaker, l *log) {
		do(b, 9, fail)
		do(b, 1, ok)
		assert.Empty(t, l.take())
		do(b, 1, fail)
		assert.Equal(t, []string{"closed->open: failure rate"}, l.take())
	})
}

func TestSlowCalls(t *testing.T) {
	calls := func(d time.Duration) func(context.Context) error {
		return func(context.Context) error { time.Sleep(d); return nil }
	}
	c := Config{SlowCallDuration: time.Second, SlowCallRate: 0.5, MinCalls: 4}
	bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
		do(b, 10, calls(time.Second-1))
		assert.Zero(t, b.Stats().Total.Slow)
		b.Reset()
		do(b, 2, ok)
		do(b, 1, calls(time.Second))
		require.Empty(t, l.take())
		ticket := allow(t, b)
		time.Sleep(time.Second)
		ticket.Done(nil)
		assert.Equal(t, []string{"closed->open: slow-call rate"}, l.take())
		assert.EqualValues(t, 2, b.Stats().Total.Slow)
	})
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		for range 20 {
			ticket := allow(t, b)
			time.Sleep(time.Hour)
			ticket.Cancel()
		}
		assert.Equal(t, Counts{Ignored: 20}, b.Stats().Total, "who says nothing is not slow either")
	})
	c.CountWindow = 8
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 8, ok)
		do(b, 3, calls(time.Second))
		assert.Equal(t, Counts{Successes: 8, Slow: 3}, b.Stats().Window)
		do(b, 1, calls(time.Second))
		assert.Equal(t, Open, b.State())
	})
}

// Which rule is named when several hold.
func TestOrderOfRules(t *testing.T) {
	slowly := func(context.Context) error { time.Sleep(time.Second); return errDown }
	for want, c := range map[string]Config{
		"closed->open: consecutive failures": {ConsecutiveFailures: 3, FailureRate: 1, SlowCallDuration: time.Second, SlowCallRate: 1, MinCalls: 3},
		"closed->open: failure rate":         {ConsecutiveFailures: 4, FailureRate: 1, SlowCallDuration: time.Second, SlowCallRate: 1, MinCalls: 3},
		"closed->open: slow-call rate":       {ConsecutiveFailures: 4, SlowCallDuration: time.Second, SlowCallRate: 1, MinCalls: 3},
	} {
		bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
			do(b, 3, slowly)
			assert.Equal(t, []string{want}, l.take())
			assert.Equal(t, Counts{Failures: 3, Slow: 3}, b.Stats().Total)
		})
	}
}

// The time passes the states without a call, and the changes are told when they happen (failsafe-go #97, Polly #481).
func TestHalfOpenWithoutTraffic(t *testing.T) {
	var at []time.Duration
	var start time.Time
	c := quick
	c.OnStateChange = func(Change) { at = append(at, time.Since(start)) }
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		start = time.Now()
		do(b, 3, fail)
		assert.Equal(t, 3, do(b, 0, ok)+3)
		time.Sleep(time.Second - 1)
		assert.Equal(t, Open, b.State())
		assert.Zero(t, do(b, 1, ok))
		sleep(1)
		assert.Equal(t, HalfOpen, b.State())
		sleep(time.Hour)
		assert.Equal(t, HalfOpen, b.State(), "it stays so without traffic")
		assert.Equal(t, []time.Duration{0, time.Second}, at)
	})
}

// The stay doubles with each failed half-open period up to the maximum, and starts afresh after Closed (go-zero #4101).
func TestOpenTimeGrows(t *testing.T) {
	c := quick
	c.MaxOpenDuration = 5 * time.Second
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		for range 2 {
			do(b, 3, fail)
			for _, seconds := range []int{1, 2, 4, 5, 5} {
				want := time.Duration(seconds) * time.Second
				require.Equal(t, want, time.Until(b.Stats().Until))
				sleep(want)
				do(b, 1, fail)
			}
			sleep(5 * time.Second)
			do(b, 1, ok)
			require.Equal(t, Closed, b.State())
		}
	})
	c.MaxOpenDuration = 0
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 3, fail)
		sleep(time.Second)
		do(b, 1, fail)
		assert.Equal(t, time.Second, time.Until(b.Stats().Until), "no growth by default")
	})
}

func TestStaySaturates(t *testing.T) {
	s := &settings{open: forever/2 + 1, maxOpen: forever, noJitter: true}
	assert.Equal(t, forever/2+1, s.stay(0))
	assert.Equal(t, forever, s.stay(1))
	assert.Equal(t, forever, s.stay(math.MaxUint))
	s = &settings{open: forever, maxOpen: forever}
	assert.Equal(t, forever, s.stay(0), "with jitter")
	s = &settings{open: 10, maxOpen: 10}
	seen := map[time.Duration]bool{}
	for range 1000 {
		seen[s.stay(3)] = true
	}
	assert.Equal(t, map[time.Duration]bool{10: true, 11: true, 12: true}, seen, "a fifth more at most")
	c := quick
	c.OpenDuration, c.NoJitter = forever, false
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 3, fail)
		sleep(100 * 365 * 24 * time.Hour)
		assert.Equal(t, Open, b.State())
		assert.Zero(t, do(b, 1, ok))
	})
}

// At most Probes at once, however many come; each end admits one more.
func TestProbeLimit(t *testing.T) {
	for _, probes := range []int{1, 2, 7} {
		c := quick
		c.Probes, c.ProbeSuccesses = probes, 1000
		bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
			halfOpen(t, b)
			tickets := make(chan Ticket, 1000)
			for range 200 {
				go func() {
					if ticket, err := b.Allow(); err == nil {
						tickets <- ticket
					}
				}()
			}
			synctest.Wait()
			require.Len(t, tickets, probes)
			require.EqualValues(t, 200-probes, b.Stats().Rejected)
			_, err := b.Allow()
			e, _ := errors.AsType[*OpenError](err)
			require.NotNil(t, e)
			require.Equal(t, HalfOpen, e.State)
			require.Zero(t, e.Until)
			for i := range 50 {
				ticket := <-tickets
				if i%2 == 0 {
					ticket.Done(nil)
				} else {
					ticket.Cancel()
				}
				require.Equal(t, probes-1, b.Stats().Probes)
				tickets <- *allow(t, b)
				_, err := b.Allow()
				require.ErrorIs(t, err, ErrOpen)
			}
			require.Equal(t, HalfOpen, b.State())
		})
	}
}

// Who saw a free slot and finds it taken under the lock is rejected.
func TestProbeThatLostTheRace(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the test breaks one on purpose")
	}
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		halfOpen(t, b)
		allow(t, b)
		b.cur.Load().probes.busy.Store(false) // as it looked before
		_, err := b.Allow()
		require.ErrorIs(t, err, ErrOpen)
		require.EqualValues(t, 1, b.Stats().Rejected)
		b.cur.Load().probes.busy.Store(true)
	})
}

func TestProbeVerdicts(t *testing.T) {
	c := quick
	c.Probes, c.ProbeSuccesses, c.ProbeFailures = 10, 3, 2
	for name, want := range map[string]State{
		"sss": Closed, "fss": HalfOpen, "fsss": Closed, "ssf": HalfOpen, "ff": Open, "sfsf": Open, "iiiiiiiii": HalfOpen, "fsif": Open,
	} {
		bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
			halfOpen(t, b)
			l.take()
			for _, r := range name {
				ticket := allow(t, b)
				switch r {
				case 's':
					ticket.Done(nil)
				case 'f':
					ticket.Done(errDown)
				default:
					ticket.Cancel()
				}
			}
			assert.Equal(t, want, b.State(), name)
			switch want {
			case Closed:
				assert.Equal(t, []string{"half-open->closed: probes passed"}, l.take())
			case Open:
				assert.Equal(t, []string{"half-open->open: probe failed"}, l.take())
			default:
				assert.Empty(t, l.take())
			}
		})
	}
}

// A slow probe fails, also if it succeeds.
func TestSlowProbeFails(t *testing.T) {
	c := quick
	c.SlowCallDuration = time.Second
	bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
		halfOpen(t, b)
		ticket := allow(t, b)
		time.Sleep(time.Second)
		ticket.Done(nil)
		assert.Equal(t, "half-open->open: probe failed", l.take()[2])
		assert.Equal(t, Counts{Successes: 1, Slow: 1}, b.Stats().Total)
		sleep(time.Second)
		ticket = allow(t, b)
		time.Sleep(time.Second - 1)
		ticket.Done(nil)
		assert.Equal(t, Closed, b.State())
	})
}

// A probe that hangs reopens at exactly ProbeTimeout; its late result is discarded.
func TestProbeTimeout(t *testing.T) {
	c := quick
	c.Probes, c.ProbeSuccesses, c.MaxOpenDuration = 3, 10, time.Minute
	bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
		halfOpen(t, b)
		quickly := allow(t, b)
		time.Sleep(10 * time.Second)
		hung := allow(t, b)
		quickly.Done(nil)
		time.Sleep(30*time.Second - 1)
		ok := allow(t, b)
		require.Equal(t, HalfOpen, b.State(), "the first probe has ended, so it is the second that counts")
		l.take()
		sleep(1)
		require.Equal(t, Open, b.State())
		assert.Equal(t, 2*time.Second, time.Until(b.Stats().Until), "the period has failed")
		assert.Equal(t, []string{"half-open->open: probe timeout"}, l.take())
		hung.Done(nil)
		ok.Done(nil)
		assert.Equal(t, Open, b.State())
		assert.EqualValues(t, 2, b.Stats().Discarded)
		assert.Equal(t, Counts{Successes: 1}, b.Stats().Total)
	})
}

// A result that comes at the very instant of the timeout is late, whoever runs first.
func TestProbeEndsAtTheTimeout(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, l *log) {
		halfOpen(t, b)
		l.take()
		ticket := allow(t, b)
		time.Sleep(30 * time.Second) // no Wait: the timer may come first or second
		ticket.Done(nil)
		assert.Equal(t, Open, b.State())
		assert.Equal(t, []string{"half-open->open: probe timeout"}, l.take())
		assert.EqualValues(t, 1, b.Stats().Discarded)
	})
	c := quick
	c.Probes = 2
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		halfOpen(t, b)
		allow(t, b)
		time.Sleep(30 * time.Second)
		_, err := b.Allow()
		require.ErrorIs(t, err, ErrOpen, "an admission at that instant finds it open")
		assert.Equal(t, Open, b.State())
	})
}

// A copy of a probe's ticket ended twice frees one slot and counts once.
func TestCopiedProbeTicket(t *testing.T) {
	c := quick
	c.Probes, c.ProbeSuccesses, c.ProbeFailures = 2, 10, 10
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		halfOpen(t, b)
		first, second := allow(t, b), allow(t, b)
		copied := *first
		first.Done(nil)
		copied.Done(nil)
		assert.Equal(t, 1, b.Stats().Probes)
		assert.Equal(t, Counts{Successes: 1}, b.Stats().Total)
		third := allow(t, b) // in the slot of the first
		copied = *first
		again := *third
		third.Cancel()
		again.Done(nil)
		copied.Done(errDown)
		assert.Equal(t, 1, b.Stats().Probes)
		_, _ = allow(t, b), second
		_, err := b.Allow()
		require.ErrorIs(t, err, ErrOpen)
		second.Done(nil)
	})
}

// Slots are used again, in any order of ends, and the oldest is always the first to time out.
func TestProbeSlots(t *testing.T) {
	p := &probes{}
	var ids []probeID
	for i := range 5 {
		ids = append(ids, p.begin(time.Duration(i)))
	}
	check := func(n int, oldest time.Duration) {
		t.Helper()
		require.NoError(t, p.validate(n+1))
		require.Equal(t, n, p.inFlight)
		require.Equal(t, oldest, p.oldest())
	}
	check(5, 0)
	require.True(t, p.end(ids[2]))
	check(4, 0)
	require.True(t, p.end(ids[0]))
	check(3, 1)
	require.True(t, p.end(ids[4]))
	check(2, 1)
	require.False(t, p.end(ids[4]))
	next := p.begin(9)
	require.Equal(t, ids[4].slot, next.slot, "the slot that was freed last")
	require.False(t, p.end(ids[4]), "another use")
	check(3, 1)
	require.True(t, p.end(ids[1]))
	check(2, 3)
	require.Len(t, p.slots, 6)
}

func TestTrip(t *testing.T) {
	bubble(t, Config{NoJitter: true}, func(t *testing.T, b *Breaker, l *log) {
		b.Trip(time.Minute)
		assert.Equal(t, time.Minute, time.Until(b.Stats().Until), "not capped, no jitter")
		b.Trip(time.Second)
		b.Trip(0)
		assert.Equal(t, time.Minute, time.Until(b.Stats().Until), "an earlier end is ignored")
		time.Sleep(30 * time.Second)
		b.Trip(time.Minute)
		b.Trip(time.Minute)
		_, err := b.Allow()
		e, _ := errors.AsType[*OpenError](err)
		assert.Equal(t, time.Minute, e.RetryAfter(), "rejections carry the new time")
		sleep(59 * time.Second)
		assert.Equal(t, Open, b.State(), "the first timer does nothing")
		assert.Equal(t, []string{"closed->open: tripped"}, l.take(), "an extension is no change")
		assert.EqualValues(t, 1, b.Stats().Opens)
		sleep(time.Second)
		probe := allow(t, b)
		assert.Equal(t, []string{"open->half-open: open time elapsed"}, l.take())
		b.Trip(-1)
		assert.Equal(t, 5*time.Second, time.Until(b.Stats().Until), "OpenDuration")
		assert.Equal(t, []string{"half-open->open: tripped"}, l.take())
		probe.Done(nil)
		assert.Equal(t, Open, b.State(), "probes in flight are stale")
	})
	bubble(t, Config{}, func(t *testing.T, b *Breaker, _ *log) {
		b.Trip(time.Minute)
		assert.Equal(t, time.Minute, time.Until(b.Stats().Until), "no jitter on a given time")
		b.Trip(forever)
		sleep(200 * 365 * 24 * time.Hour)
		assert.Equal(t, Open, b.State())
	})
}

// Trip does not touch the growth of the stay.
func TestTripKeepsTheGrowth(t *testing.T) {
	c := quick
	c.MaxOpenDuration = time.Hour
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 3, fail)
		sleep(time.Second)
		do(b, 1, fail) // k = 1
		sleep(2 * time.Second)
		b.Trip(7 * time.Second)
		sleep(7 * time.Second)
		do(b, 1, fail) // k = 2
		assert.Equal(t, 4*time.Second, time.Until(b.Stats().Until))
		b.Trip(9 * time.Second)
		sleep(9 * time.Second)
		do(b, 1, fail) // k = 3
		assert.Equal(t, 8*time.Second, time.Until(b.Stats().Until))
	})
}

func TestReset(t *testing.T) {
	c := quick
	c.MaxOpenDuration = time.Hour
	bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
		do(b, 2, fail)
		late := allow(t, b)
		b.Reset()
		assert.Empty(t, l.take(), "closed as before")
		late.Done(errDown)
		assert.EqualValues(t, 1, b.Stats().Discarded)
		do(b, 2, fail)
		assert.Equal(t, Closed, b.State(), "the row began anew")
		do(b, 1, fail)
		b.Reset()
		assert.Equal(t, []string{"closed->open: consecutive failures", "open->closed: reset"}, l.take())
		sleep(time.Hour)
		assert.Empty(t, l.take(), "the timer does nothing")
		do(b, 3, fail)
		sleep(time.Second)
		do(b, 1, fail)
		b.Reset()
		do(b, 3, fail)
		assert.Equal(t, time.Second, time.Until(b.Stats().Until), "the growth began anew")
		sleep(time.Second)
		b.Reset()
		changes := l.take()
		assert.Equal(t, "half-open->closed: reset", changes[len(changes)-1])
	})
}

// A timer that could not be stopped in time finds another episode and does nothing.
func TestLateTimer(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, l *log) {
		b.Trip(time.Second)
		open := b.cur.Load()
		sleep(time.Second)
		half := b.cur.Load()
		allow(t, b)
		b.Reset()
		l.take()
		b.openElapsed(open)
		b.probeElapsed(half)
		sleep(time.Minute)
		b.probeElapsed(half)
		assert.Equal(t, Closed, b.State())
		assert.Empty(t, l.take())
	})
}

func TestModes(t *testing.T) {
	bubble(t, Config{MinCalls: 1}, func(t *testing.T, b *Breaker, l *log) {
		b.SetMode(ModeAuto)
		late := allow(t, b)
		b.SetMode(ModeForcedOpen)
		b.SetMode(ModeForcedOpen)
		assert.Equal(t, []string{"closed->open: mode"}, l.take())
		late.Done(errDown)
		assert.EqualValues(t, 1, b.Stats().Discarded)
		b.Reset()
		b.Trip(time.Second)
		sleep(time.Hour)
		_, err := b.Allow()
		assert.Equal(t, &OpenError{State: Open}, err)
		assert.Zero(t, b.Stats().Until)
		b.SetMode(ModeMetricsOnly)
		assert.Equal(t, []string{"open->closed: mode"}, l.take())
		assert.Equal(t, 100, do(b, 100, fail), "no rule opens")
		assert.EqualValues(t, 100, b.Stats().Window.Failures)
		assert.EqualValues(t, 100, b.Stats().Total.Failures)
		late = allow(t, b)
		b.Trip(time.Second)
		b.Reset()
		assert.EqualValues(t, 100, b.Stats().Window.Failures, "Trip and Reset have no effect")
		b.SetMode(ModeAuto)
		assert.Empty(t, l.take())
		assert.Zero(t, b.Stats().Window)
		late.Done(errDown)
		assert.Equal(t, Closed, b.State())
		assert.EqualValues(t, 2, b.Stats().Discarded)
		do(b, 1, fail)
		assert.Equal(t, []string{"closed->open: failure rate"}, l.take())
		b.SetMode(ModeForcedOpen)
		assert.Empty(t, l.take(), "open as before")
		assert.Zero(t, b.Stats().Until)
		sleep(time.Hour)
		assert.Equal(t, Open, b.State(), "the timer of the stay does nothing")
		assert.EqualValues(t, 2, b.Stats().Opens)
	})
}

// What a Change carries.
func TestChange(t *testing.T) {
	var got []Change
	c := quick
	c.Name, c.OnStateChange = "db", func(ch Change) { got = append(got, ch) }
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		other := errors.New("other")
		do(b, 2, fail)
		do(b, 1, func(context.Context) error { return other })
		until := time.Now().Add(time.Second)
		_, err := b.Allow()
		assert.Equal(t, &OpenError{Name: "db", State: Open, Until: until, Cause: other}, err)
		sleep(time.Second)
		allow(t, b)
		_, err = b.Allow()
		assert.Equal(t, &OpenError{Name: "db", State: HalfOpen, Cause: other}, err)
		sleep(30 * time.Second)
		timedOut := time.Now().Add(time.Second)
		sleep(time.Second)
		do(b, 1, fail)
		failed := time.Now().Add(time.Second)
		sleep(time.Second)
		do(b, 1, ok)
		b.SetMode(ModeForcedOpen)
		assert.Equal(t, []Change{
			{"db", Closed, Open, ReasonConsecutive, other, until},
			{"db", Open, HalfOpen, ReasonOpenElapsed, nil, time.Time{}},
			{"db", HalfOpen, Open, ReasonProbeTimeout, nil, timedOut},
			{"db", Open, HalfOpen, ReasonOpenElapsed, nil, time.Time{}},
			{"db", HalfOpen, Open, ReasonProbeFailed, errDown, failed},
			{"db", Open, HalfOpen, ReasonOpenElapsed, nil, time.Time{}},
			{"db", HalfOpen, Closed, ReasonProbesPassed, nil, time.Time{}},
			{"db", Closed, Open, ReasonMode, nil, time.Time{}},
		}, got)
	})
}

// The ramp: of n calls at one instant n*share pass, give or take one.
func TestRecoveryRamp(t *testing.T) {
	c := quick
	c.RecoveryRamp = 9 * time.Second
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		assert.InDelta(t, 1, b.Stats().Share, 0)
		for range 2 {
			halfOpen(t, b)
			do(b, 1, ok)
			for second := range 9 {
				share := 0.1 + 0.1*float64(second)
				require.InDelta(t, share, b.Stats().Share, 1e-12)
				for _, n := range []int{10, 1, 3, 7, 1000} {
					admitted := float64(do(b, n, ok))
					require.InDelta(t, share*float64(n), admitted, 1, "%d calls at share %v", n, share)
				}
				require.Equal(t, Closed, b.State())
				time.Sleep(time.Second)
			}
			require.InDelta(t, 1, b.Stats().Share, 0)
			require.Equal(t, 1000, do(b, 1000, ok))
		}
		rejected := b.Stats().Rejected
		halfOpen(t, b)
		do(b, 1, ok)
		require.Equal(t, 1, do(b, 1, ok), "the first passes")
		require.Equal(t, 1, do(b, 10, ok))
		require.Equal(t, rejected+9, b.Stats().Rejected)
		_, err := b.Allow()
		require.Equal(t, &OpenError{State: Closed}, err)
		do(b, 30, fail)
		require.Equal(t, Open, b.State(), "the rules apply to those admitted")
		b.Reset()
		require.Equal(t, 100, do(b, 100, ok), "Reset: no ramp")
		halfOpen(t, b)
		b.Reset()
		require.Equal(t, 100, do(b, 100, ok))
	})
}

// C7: a clock that stands still.
func TestStandingClock(t *testing.T) {
	c := Config{ConsecutiveFailures: 1000, SlowCallDuration: 1, SlowCallRate: 0.01, RecoveryRamp: time.Second, Window: time.Second}
	bubble(t, c, func(t *testing.T, b *Breaker, l *log) {
		do(b, 999, fail)
		do(b, 1000, ok)
		assert.Empty(t, l.take())
		halfOpen(t, b)
		do(b, 1, ok)
		assert.Equal(t, 10, do(b, 100, ok))
	})
	synctest.Test(t, func(t *testing.T) {
		th, err := NewThrottle(ThrottleConfig{})
		require.NoError(t, err)
		for range 1000 {
			require.NoError(t, th.Do(t.Context(), ok))
		}
	})
}

// C6: a breaker made outside of a bubble is, inside, one on which no time has passed.
func TestMadeOutside(t *testing.T) {
	c := quick
	c.FailureRate, c.RecoveryRamp, c.SlowCallDuration = 0.9, time.Second, time.Second
	b := mustNew(t, c)
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			do(b, 3, fail)
			require.Equal(t, time.Second, time.Until(b.Stats().Until))
			sleep(time.Second)
			require.Equal(t, HalfOpen, b.State())
			allow(t, b)
			sleep(30 * time.Second)
			require.Equal(t, Open, b.State())
			sleep(time.Second)
			do(b, 1, ok)
			require.InDelta(t, 0.1, b.Stats().Share, 1e-12)
			time.Sleep(time.Second)
			require.InDelta(t, 1, b.Stats().Share, 0)
		}
	})
}

// Whatever the size of a count window, it holds exactly the last results.
func TestCountWindow(t *testing.T) {
	for _, size := range []int{1, 2, 63, 64, 65, 130} {
		w := newLastN(size)
		var all []int
		for i := range 500 {
			kind := i * 7919 >> 3 % 4
			w.count(kind&1 != 0, kind&2 != 0)
			all = append(all, kind)
			var want Counts
			for _, kind := range all[max(0, len(all)-size):] {
				want.count(Outcome(kind&1), kind&2 != 0)
			}
			require.Equal(t, want, w.sum(), fmt.Sprint(size, " ", i))
		}
	}
}
