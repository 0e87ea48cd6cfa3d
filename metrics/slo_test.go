package metrics

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

const day = 24 * time.Hour

// The factors are those of the workbook, exact to the last bit (pyrra-dev/pyrra#775 rounds them).
func TestDefaultAlerts(t *testing.T) {
	s := must(NewSLO(SLOConfig{Objective: 0.999}))
	var got []BurnAlert
	for _, a := range s.Alerts() {
		got = append(got, a.BurnAlert)
		assert.Equal(t, AlertState{BurnAlert: a.BurnAlert}, a)
	}
	assert.Equal(t, []BurnAlert{
		{"page", time.Hour, 5 * time.Minute, 14.4},
		{"page", 6 * time.Hour, 30 * time.Minute, 6},
		{"ticket", day, 2 * time.Hour, 3},
		{"ticket", 3 * day, 6 * time.Hour, 1},
	}, got)
	s = must(NewSLO(SLOConfig{Objective: 0.999, Period: 28 * day}))
	for i, want := range []float64{13.44, 5.6, 2.8, 2.8 / 3} {
		assert.InDelta(t, want, s.Alerts()[i].Factor, 1e-15)
	}
	assert.Empty(t, must(NewSLO(SLOConfig{Objective: 0.5, Alerts: []BurnAlert{}})).Alerts())
}

// An alert that can never fire is refused (kcp-glbc#287); a factor below 1 is legal for somebody who asks for it
// (kubernetes-mixin#382).
func TestAlertThatCannotFire(t *testing.T) {
	require.ErrorIs(t, second(NewSLO(SLOConfig{Objective: 0.9305})), ErrConfig)
	require.NoError(t, second(NewSLO(SLOConfig{Objective: 0.9306})))
	alert := func(factor float64) error {
		return second(NewSLO(SLOConfig{Objective: 0.9, Alerts: []BurnAlert{{"a", time.Hour, 0, factor}}}))
	}
	require.ErrorIs(t, alert(10), ErrConfig)
	require.NoError(t, alert(9.99))
	require.NoError(t, alert(0.1))
}

// The interview question: 99.9 % over 30 days.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := must(NewSLO(SLOConfig{Objective: 0.999}))
		assert.Equal(t, Budget{Remaining: 1}, s.Budget())
		for range 1999 {
			s.Record(true)
		}
		s.Record(false)
		time.Sleep(15 * day)
		assert.Equal(t, Budget{Total: 2000, Bad: 1, Allowed: 2, Remaining: 0.5, Coverage: 0.5}, s.Budget())
		s.Record(false)
		s.Record(false)
		b := s.Budget()
		assert.InDelta(t, 1-3/2.002, b.Remaining, 1e-12, "overspent is negative")
		time.Sleep(15*day - 1)
		assert.Equal(t, uint64(2002), s.Budget().Total)
		assert.InDelta(t, 1, s.Budget().Coverage, 1e-12)
		time.Sleep(1)
		assert.Equal(t, Budget{Total: 2, Bad: 2, Allowed: 0.002, Remaining: 1 - 2/0.002, Coverage: 1}, s.Budget())
	})
}

// The allowance of a decimal objective is the decimal: 1-0.999 in floats is 0.0010000000000000009, of a million events
// 1000.0000000000009.
func TestAllowanceIsDecimal(t *testing.T) {
	for objective, want := range map[float64]float64{0.999: 0.001, 0.9995: 0.0005, 0.99999: 0.00001, 0.95: 0.05, 0.9: 0.1, 0.5: 0.5} {
		assert.InDelta(t, want, complement(objective), 0)
	}
	assert.Positive(t, complement(1-0x1p-53))
	assert.InDelta(t, 1, complement(5e-324), 0)
}

// A ratio of sums: ten requests at night, all bad, and a million by day, all good, are a burn rate of nearly 0, not of 500
// (slok/sloth#241 and #618 average the ratios).
func TestBurnIsRatioOfSums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := must(NewSLO(SLOConfig{Objective: 0.999, Period: day, Alerts: []BurnAlert{{"a", 2 * time.Hour, time.Hour, 1}}}))
		for range 10 {
			s.Record(false)
		}
		time.Sleep(time.Hour + 30*time.Minute)
		for range 99_990 {
			s.Record(true)
		}
		a := s.Alerts()[0]
		assert.InDelta(t, 0.1, a.BurnLong, 1e-12)
		assert.Zero(t, a.BurnShort)
		assert.Equal(t, uint64(100_000), a.Events)
		assert.False(t, a.Firing)
	})
}

// Both windows must burn, strictly faster than the factor, and hold enough events.
func TestFiring(t *testing.T) {
	alerts := []BurnAlert{{"a", 100 * time.Minute, 10 * time.Minute, 5}}
	for name, c := range map[string]struct {
		good, bad int
		minEvents uint64
		sleep     time.Duration
		firing    bool
	}{
		"nothing happened":                {0, 0, 0, 0, false},
		"faster":                          {499, 501, 0, 0, true},
		"just the factor":                 {500, 500, 0, 0, false},
		"slower":                          {501, 499, 0, 0, false},
		"too few events":                  {0, 9, 10, 0, false},
		"just enough events":              {0, 10, 10, 0, true},
		"the short window begins to move": {0, 10, 10, 10*time.Minute - 1, true},
		"the short window has passed":     {0, 10, 10, 10 * time.Minute, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := must(NewSLO(SLOConfig{Objective: 0.9, Period: 200 * time.Minute, MinEvents: c.minEvents, Alerts: alerts}))
			for range c.good {
				s.Record(true)
			}
			for range c.bad {
				s.Record(false)
			}
			time.Sleep(c.sleep)
			assert.Equal(t, c.firing, s.Alerts()[0].Firing, name)
		})
	}
}

// An alert does not fire at just its factor: computed as (bad/total)/(1-Objective), the one of 5.6 would, by a rounding error.
func TestBurnIsExactAtTheFactor(t *testing.T) {
	for _, c := range []struct {
		objective, factor float64
		bad               uint64 // of 10000 events, at which the factor is reached
	}{{0.999, 14.4, 144}, {0.999, 6, 60}, {0.99, 13.44, 1344}, {0.99, 2.8, 280}, {0.95, 5.6, 2800}, {0.9, 3, 3000}} {
		s := must(NewSLO(SLOConfig{Objective: c.objective, Alerts: []BurnAlert{}}))
		for n := range uint64(200) {
			n++
			require.Equal(t, c.factor, s.burn(tries{total: 10_000 * n, bad: c.bad * n})) //nolint:testifylint // exact
			require.Greater(t, s.burn(tries{total: 10_000 * n, bad: c.bad*n + 1}), c.factor)
		}
	}
}

// A burst that the long window hardly sees wakes nobody.
func TestShortBurstDoesNotFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := must(NewSLO(SLOConfig{Objective: 0.9, Alerts: []BurnAlert{{"a", time.Hour, time.Minute, 5}}}))
		for range 1000 {
			s.Record(true)
		}
		time.Sleep(10 * time.Minute)
		for range 100 {
			s.Record(false)
		}
		a := s.Alerts()[0]
		assert.InDelta(t, 10, a.BurnShort, 1e-12)
		assert.Less(t, a.BurnLong, 1.0)
		assert.False(t, a.Firing)
	})
}

// A full outage of ten minutes fires the page, which stops at most 5 minutes after its end, while the budget remembers.
func TestAlertStopsSoonAfterTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := must(NewSLO(SLOConfig{Objective: 0.999}))
		run := func(seconds int, good bool) {
			for range seconds {
				s.Record(good)
				time.Sleep(time.Second)
			}
		}
		run(3600, true)
		assert.False(t, s.Alerts()[0].Firing)
		run(600, false)
		page := s.Alerts()[0]
		assert.True(t, page.Firing)
		assert.InDelta(t, 1000, page.BurnShort, 1e-9)
		run(5*60-7, true)
		assert.True(t, s.Alerts()[0].Firing)
		run(7, true)
		assert.False(t, s.Alerts()[0].Firing, "at most Short after the end")
		assert.Greater(t, s.Alerts()[0].BurnLong, 14.4)
		assert.Equal(t, uint64(600), s.Budget().Bad)
	})
}

// Every window is a slice of events with their times; windows of equal width are shared.
func TestSLOModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			length := func(name string, low, high int) time.Duration {
				return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * sloBuckets
			}
			period := length("period", 8, 20)
			long := length("long", 3, 7)
			cfg := SLOConfig{Objective: 0.9, Period: period, Alerts: []BurnAlert{
				{"a", long, length("short", 1, 2), 1}, {"b", period, long, 2},
			}}
			s := must(NewSLO(cfg))
			type event struct {
				at  time.Duration
				bad bool
			}
			var all []event
			start := time.Now()
			window := func(w time.Duration) (total, bad uint64) {
				g := w / sloBuckets
				for _, e := range all {
					if time.Since(start)/g-e.at/g < sloBuckets {
						total++
						if e.bad {
							bad++
						}
					}
				}
				return total, bad
			}
			burn := func(w time.Duration) float64 {
				total, bad := window(w)
				if total == 0 {
					return 0
				}
				return float64(bad) / float64(total) / 0.1
			}
			t.Repeat(map[string]func(*rapid.T){
				"sleep": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 300).Draw(t, "d"))) },
				"record": func(t *rapid.T) {
					for range rapid.IntRange(1, 3).Draw(t, "n") {
						bad := rapid.Bool().Draw(t, "bad")
						s.Record(!bad)
						all = append(all, event{time.Since(start), bad})
					}
				},
				"": func(t *rapid.T) {
					total, bad := window(period)
					b := s.Budget()
					require.Equal(t, [2]uint64{total, bad}, [2]uint64{b.Total, b.Bad})
					for i, a := range s.Alerts() {
						events, _ := window(a.Long)
						require.Equal(t, events, a.Events, "alert %d", i)
						require.InDelta(t, burn(a.Long), a.BurnLong, 1e-12)
						require.InDelta(t, burn(a.Short), a.BurnShort, 1e-12)
						require.Equal(t, a.BurnLong > a.Factor && a.BurnShort > a.Factor, a.Firing)
					}
				},
			})
		})
	})
}

func TestHammerSLO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := must(NewSLO(SLOConfig{Objective: 0.999}))
		hammer.Run(t, 8, 2000, func(worker int, rng *rand.Rand) error {
			s.Record(worker%2 == 0)
			if rng.IntN(10) == 0 {
				s.Budget()
				s.Alerts()
			}
			return nil
		})
		assert.Equal(t, [2]uint64{16_000, 8000}, [2]uint64{s.Budget().Total, s.Budget().Bad})
	})
}
