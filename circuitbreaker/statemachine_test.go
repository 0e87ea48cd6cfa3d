package circuitbreaker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawConfig draws small limits, so that all rules meet.
func drawConfig(t *rapid.T) Config {
	c := Config{
		NoJitter:       true,
		OpenDuration:   time.Second,
		Probes:         rapid.IntRange(1, 3).Draw(t, "Probes"),
		ProbeSuccesses: rapid.IntRange(1, 3).Draw(t, "ProbeSuccesses"),
		ProbeFailures:  rapid.IntRange(1, 2).Draw(t, "ProbeFailures"),
		ProbeTimeout:   rapid.SampledFrom([]time.Duration{1500 * time.Millisecond, time.Minute}).Draw(t, "ProbeTimeout"),
		RecoveryRamp:   rapid.SampledFrom([]time.Duration{0, 2 * time.Second}).Draw(t, "RecoveryRamp"),
	}
	c.MaxOpenDuration = time.Duration(rapid.IntRange(1, 5).Draw(t, "MaxOpenDuration")) * time.Second
	rules := rapid.IntRange(1, 7).Draw(t, "rules")
	if rules&1 != 0 {
		c.ConsecutiveFailures = rapid.IntRange(1, 6).Draw(t, "ConsecutiveFailures")
	}
	if rules&2 != 0 {
		c.FailureRate = rapid.SampledFrom([]float64{0.25, 0.5, 0.75, 1}).Draw(t, "FailureRate")
	}
	if rules&4 != 0 {
		c.SlowCallDuration = rapid.SampledFrom([]time.Duration{1, time.Second}).Draw(t, "SlowCallDuration")
		c.SlowCallRate = rapid.SampledFrom([]float64{0.25, 0.5, 1}).Draw(t, "SlowCallRate")
	}
	if rules == 1 {
		return c
	}
	if rapid.Bool().Draw(t, "count") {
		c.CountWindow = rapid.IntRange(1, 12).Draw(t, "CountWindow")
		c.MinCalls = rapid.IntRange(1, c.CountWindow).Draw(t, "MinCalls")
		return c
	}
	c.Window = rapid.SampledFrom([]time.Duration{time.Millisecond, 3*time.Second + 7, 10 * time.Second}).Draw(t, "Window")
	c.MinCalls = rapid.IntRange(1, 12).Draw(t, "MinCalls")
	return c
}

// Under any sequence of calls, results, pauses and interventions the breaker is its model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			d, err := newDriver(drawConfig(rt))
			require.NoError(rt, err)
			pauses := []time.Duration{1, time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second, time.Minute}
			end := func(o Outcome) func(*rapid.T) {
				return func(rt *rapid.T) {
					// mostly one of the last calls, sometimes any
					back := rapid.IntRange(0, 4).Draw(rt, "back")
					if back == 4 {
						d.end(rapid.IntRange(0, 1000).Draw(rt, "call"), o)
						return
					}
					d.end(max(0, len(d.calls)-1-back), o)
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"allow": func(rt *rapid.T) {
					for range rapid.IntRange(1, 6).Draw(rt, "n") {
						require.NoError(rt, d.allow())
					}
				},
				"success": end(Success), "success2": end(Success),
				"failure": end(Failure), "failure2": end(Failure),
				"cancel": end(Ignored),
				"sleep":  func(rt *rapid.T) { d.sleep(rapid.SampledFrom(pauses).Draw(rt, "d")) },
				"trip": func(rt *rapid.T) {
					stay := rapid.SampledFrom(pauses).Draw(rt, "d")
					d.m.trip(stay, d.now())
					d.b.Trip(stay)
				},
				"reset": func(*rapid.T) { d.m.reset(d.now()); d.b.Reset() },
				"mode": func(rt *rapid.T) {
					m := Mode(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(rt, "mode"))
					d.m.setMode(m, d.now())
					d.b.SetMode(m)
				},
				"": func(rt *rapid.T) { require.NoError(rt, d.m.agree(d.b, d.l, d.now())) },
			})
			d.b.Reset()
			d.b.SetMode(ModeAuto)
			d.b.Reset()
		})
	})
}
