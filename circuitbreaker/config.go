package circuitbreaker

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// million is the unit of a rate: with parts per million all percentages are
	// whole numbers and rules compare integers, where 0.07*100 is more than 7 in
	// floating point.
	million = 1_000_000

	// minWindow is the shortest window: a bucket of it is 100 us, still long
	// beside the rotation that ends it (some 100 ns).
	minWindow = time.Millisecond

	// maxCountWindow bounds the memory of a count window: 128 KiB of bits.
	maxCountWindow = 1 << 20

	forever = time.Duration(math.MaxInt64)
)

// settings is a checked Config with its defaults filled in. It is immutable and
// shared by the members of a Group.
type settings struct {
	consecutive int    // 0: rule off
	failurePPM  uint64 // 0: rule off
	slowPPM     uint64 // 0: rule off
	slowCall    time.Duration
	minCalls    int
	window      time.Duration // 0: no time window
	countWindow int           // 0: no count window

	open, maxOpen time.Duration
	noJitter      bool

	probes, probeSuccesses, probeFailures int
	probeTimeout, ramp                    time.Duration

	classify func(error) Outcome
	onChange func(Change)
}

// newSettings checks c and fills in the defaults.
func newSettings(c Config) (*settings, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &settings{
		consecutive:    c.ConsecutiveFailures,
		failurePPM:     perMillion(c.FailureRate),
		slowPPM:        perMillion(c.SlowCallRate),
		slowCall:       c.SlowCallDuration,
		minCalls:       c.MinCalls,
		window:         c.Window,
		countWindow:    c.CountWindow,
		open:           c.openDuration(),
		maxOpen:        c.MaxOpenDuration,
		noJitter:       c.NoJitter,
		probes:         orDefault(c.Probes, 1),
		probeSuccesses: orDefault(c.ProbeSuccesses, 1),
		probeFailures:  orDefault(c.ProbeFailures, 1),
		probeTimeout:   orDefault(c.ProbeTimeout, 30*time.Second),
		ramp:           c.RecoveryRamp,
		classify:       c.Classify,
		onChange:       c.OnStateChange,
	}
	s.maxOpen = orDefault(s.maxOpen, s.open)
	if s.slowCall > 0 {
		s.slowPPM = orDefault(s.slowPPM, million/2)
	}
	if s.consecutive == 0 && s.slowPPM == 0 {
		s.failurePPM = orDefault(s.failurePPM, million/2)
	}
	if s.rated() {
		s.setWindow()
	}
	return s, nil
}

// rated reports whether a rule looks at the window.
func (s *settings) rated() bool { return s.failurePPM > 0 || s.slowPPM > 0 }

func (s *settings) setWindow() {
	if s.countWindow > 0 {
		s.minCalls = orDefault(s.minCalls, min(20, s.countWindow))
		return
	}
	s.window = orDefault(s.window, 10*time.Second)
	s.minCalls = orDefault(s.minCalls, 20)
}

// orDefault returns v unless it is 0.
func orDefault[T int | uint64 | time.Duration | float64](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return v
}

// perMillion is exact for every rate with up to six decimals. A rate that
// rounds to 0 is 1: 0 would be a rule that is off.
func perMillion(rate float64) uint64 {
	if rate == 0 {
		return 0
	}
	return max(1, uint64(math.Round(rate*million)))
}

func (c *Config) openDuration() time.Duration { return orDefault(c.OpenDuration, 5*time.Second) }

// check returns an error that matches ErrConfig for the first field that is out
// of range.
func (c *Config) check() error {
	if err := c.checkSigns(); err != nil {
		return err
	}
	rules := c.FailureRate > 0 || c.SlowCallDuration > 0 || c.ConsecutiveFailures == 0
	switch {
	case c.SlowCallRate != 0 && c.SlowCallDuration == 0:
		return configError("SlowCallRate", "0 without SlowCallDuration", c.SlowCallRate)
	case c.Window != 0 && c.CountWindow != 0:
		return configError("Window", "0 with CountWindow", c.Window)
	case c.Window != 0 && c.Window < minWindow:
		return configError("Window", "at least 1ms", c.Window)
	case c.CountWindow > maxCountWindow:
		return configError("CountWindow", "at most 1048576", c.CountWindow)
	case c.CountWindow != 0 && c.MinCalls > c.CountWindow:
		return configError("MinCalls", "at most CountWindow", c.MinCalls)
	case c.MaxOpenDuration != 0 && c.MaxOpenDuration < c.openDuration():
		return configError("MaxOpenDuration", "at least OpenDuration", c.MaxOpenDuration)
	case !rules && c.Window != 0:
		return configError("Window", "0 without a rate rule", c.Window)
	case !rules && c.CountWindow != 0:
		return configError("CountWindow", "0 without a rate rule", c.CountWindow)
	case !rules && c.MinCalls != 0:
		return configError("MinCalls", "0 without a rate rule", c.MinCalls)
	}
	return nil
}

// checkSigns checks each field by itself.
func (c *Config) checkSigns() error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"ConsecutiveFailures", c.ConsecutiveFailures},
		{"MinCalls", c.MinCalls},
		{"CountWindow", c.CountWindow},
		{"Probes", c.Probes},
		{"ProbeSuccesses", c.ProbeSuccesses},
		{"ProbeFailures", c.ProbeFailures},
	} {
		if f.value < 0 {
			return configError(f.name, "0 or more", f.value)
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"SlowCallDuration", c.SlowCallDuration},
		{"Window", c.Window},
		{"OpenDuration", c.OpenDuration},
		{"MaxOpenDuration", c.MaxOpenDuration},
		{"ProbeTimeout", c.ProbeTimeout},
		{"RecoveryRamp", c.RecoveryRamp},
	} {
		if f.value < 0 {
			return configError(f.name, "0 or more", f.value)
		}
	}
	if !share(c.FailureRate) {
		return configError("FailureRate", "in (0, 1]", c.FailureRate)
	}
	if !share(c.SlowCallRate) {
		return configError("SlowCallRate", "in (0, 1]", c.SlowCallRate)
	}
	return nil
}

// share reports whether f is 0, which means a default, or a share; NaN is
// neither.
func share(f float64) bool { return f >= 0 && f <= 1 }

// stay returns how long to stay open after failed half-open periods in a row:
// twice as long each time, up to the maximum, and a random fifth more, which
// keeps the instances of a service from probing in step.
func (s *settings) stay(failed uint) time.Duration {
	d := s.open
	for ; failed > 0 && d < s.maxOpen; failed-- {
		d = min(addSaturated(d, d), s.maxOpen)
	}
	if s.noJitter {
		return d
	}
	return addSaturated(d, time.Duration(rand.Int64N(int64(d/5)+1)))
}

// addSaturated returns a+b, or the longest duration; neither is negative.
func addSaturated(a, b time.Duration) time.Duration {
	if a > forever-b {
		return forever
	}
	return a + b
}

// verdict applies the rules to what the window holds; 0 means that none of them
// opens.
func (s *settings) verdict(streak uint64, c Counts) Reason {
	calls := c.Successes + c.Failures
	enough := calls >= uint64(s.minCalls)
	switch {
	case s.consecutive > 0 && streak >= uint64(s.consecutive):
		return ReasonConsecutive
	case s.failurePPM > 0 && enough && c.Failures*million >= s.failurePPM*calls:
		return ReasonFailureRate
	case s.slowPPM > 0 && enough && c.Slow*million >= s.slowPPM*calls:
		return ReasonSlowRate
	}
	return 0
}
