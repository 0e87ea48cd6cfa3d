package circuitbreaker

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

// Every admitted call ends in exactly one counter, whatever the changes of state, and no more probes are in flight than
// may be.
func TestHammer(t *testing.T) {
	for name, c := range map[string]Config{
		"time":        {MinCalls: 5, Window: time.Millisecond},
		"count":       {MinCalls: 5, CountWindow: 30},
		"consecutive": {ConsecutiveFailures: 3},
		"slow":        {SlowCallDuration: 1, SlowCallRate: 0.9, FailureRate: 0.9, MinCalls: 5},
	} {
		c.OpenDuration, c.NoJitter, c.Probes, c.ProbeSuccesses, c.ProbeFailures, c.ProbeTimeout = 1, true, 2, 3, 2, 2
		c.RecoveryRamp = 3
		synctest.Test(t, func(t *testing.T) {
			b := mustNew(t, c)
			var admitted, rejected atomic.Uint64
			hammer.Run(t, 8, 600, func(_ int, rng *rand.Rand) error {
				switch rng.IntN(60) {
				case 0:
					b.Trip(1)
				case 1:
					b.Reset()
				case 2:
					b.SetMode(Mode(rng.IntN(3)))
				case 3, 4:
					b.SetMode(ModeAuto)
				case 5:
					b.Stats()
				}
				ticket, err := b.Allow()
				if err != nil {
					rejected.Add(1)
					time.Sleep(1)
					return nil //nolint:nilerr // a rejection is an answer
				}
				admitted.Add(1)
				if rng.IntN(10) == 0 {
					time.Sleep(time.Duration(rng.IntN(4)))
				}
				switch rng.IntN(6) {
				case 0:
					ticket.Cancel()
				case 1, 2:
					ticket.Done(errDown)
				default:
					ticket.Done(nil)
				}
				return nil
			})
			b.SetMode(ModeForcedOpen)
			s := b.Stats()
			require.Equal(t, admitted.Load(), s.Total.Successes+s.Total.Failures+s.Total.Ignored+s.Discarded, name)
			require.Equal(t, rejected.Load(), s.Rejected, name)
			require.NotZero(t, s.Discarded, name)
		})
	}
}

// A success and the failure that completes the row meet, ten thousand times: the success has been judged or it is
// discarded.
func TestSuccessMeetsVerdict(t *testing.T) {
	type pair struct {
		b       *Breaker
		good, c Ticket
	}
	setup := func() *pair {
		b := mustNew(t, Config{ConsecutiveFailures: 2, OpenDuration: time.Hour})
		do(b, 1, fail)
		p := &pair{b: b}
		p.good, _ = b.Allow()
		p.c, _ = b.Allow()
		return p
	}
	seen := litmus.Run(10_000, setup, func(p *pair) int {
		p.good.Done(nil)
		return int(p.b.Stats().Discarded)
	}, func(p *pair) int {
		p.c.Done(errDown)
		opened := int(p.b.State())
		p.b.SetMode(ModeForcedOpen) // stops the timer
		return opened
	})
	// A: 0 the success was counted, 1 it was discarded. B: 1 the breaker opened. SetMode discards as well.
	require.NotZero(t, seen[litmus.Outcome{A: 0, B: 0}]+seen[litmus.Outcome{A: 1, B: 1}], seen)
	require.Zero(t, seen[litmus.Outcome{A: 0, B: 1}], "opened on a row that a success had broken: %v", seen)
}

// A success that meets a rotation stays in the window: a bucket is empty before anybody can count in it.
func TestSuccessMeetsRotation(t *testing.T) {
	type meeting struct {
		ring ring
		done atomic.Bool
	}
	setup := func() *meeting {
		m := &meeting{}
		m.ring.init(time.Second, 0)
		return m
	}
	seen := litmus.Run(2000, setup, func(m *meeting) int {
		m.ring.rotate(time.Minute)
		m.done.Store(true)
		return 0
	}, func(m *meeting) int {
		for counted := false; !counted; {
			_, counted = m.ring.success(time.Minute)
		}
		for !m.done.Load() {
			runtime.Gosched()
		}
		return int(m.ring.sum().Successes)
	})
	require.Equal(t, map[litmus.Outcome]int{{A: 0, B: 1}: 2000}, seen)
}

// Of many that come at once to a half-open breaker exactly Probes get in, on the real scheduler.
func TestProbeStorm(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			b := mustNew(t, Config{Probes: 3, ProbeSuccesses: 10})
			halfOpen(t, b)
			var in atomic.Int32
			hammer.Run(t, 8, 5, func(int, *rand.Rand) error {
				if _, err := b.Allow(); err == nil {
					in.Add(1)
				}
				return nil
			})
			require.EqualValues(t, 3, in.Load())
			b.Reset()
		})
	}
}
