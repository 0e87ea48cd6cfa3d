package circuitbreaker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fuzzConfigs are what the first byte of a program chooses from.
var fuzzConfigs = []Config{
	{ConsecutiveFailures: 2, MaxOpenDuration: 8 * time.Second},
	{FailureRate: 0.5, MinCalls: 4, Window: 2*time.Second + 3, Probes: 2, ProbeSuccesses: 2},
	{FailureRate: 0.25, CountWindow: 5, MinCalls: 3, ProbeFailures: 2, Probes: 3, ProbeSuccesses: 2},
	{SlowCallDuration: 100 * time.Millisecond, SlowCallRate: 0.5, MinCalls: 3, Window: time.Second, RecoveryRamp: time.Second},
	{ConsecutiveFailures: 3, FailureRate: 0.75, SlowCallDuration: 1, SlowCallRate: 1, MinCalls: 2, Window: time.Millisecond},
}

// FuzzBreaker runs a program of calls, results, pauses and interventions, a byte each, against the model.
func FuzzBreaker(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x02\x87\x00\x02"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x02\x0a\x12\x1a\x87\x8f\x00\x00\x00\x01\x09"))
	f.Add([]byte("\x03\x00\x00\x00\x8f\x01\x01\x01\xff\x04\x05\x06\x0e\x16"))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 500 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			c := fuzzConfigs[int(program[0])%len(fuzzConfigs)]
			c.NoJitter, c.OpenDuration, c.ProbeTimeout = true, time.Second, 3*time.Second
			c.MaxOpenDuration = max(c.MaxOpenDuration, time.Second)
			if c.Probes == 0 {
				c.Probes = 1
			}
			c.ProbeSuccesses, c.ProbeFailures = max(c.ProbeSuccesses, 1), max(c.ProbeFailures, 1)
			d, err := newDriver(c)
			require.NoError(t, err)
			for _, op := range program[1:] {
				require.NoError(t, d.step(op))
				require.NoError(t, d.m.agree(d.b, d.l, d.now()))
			}
			d.b.SetMode(ModeForcedOpen)
		})
	})
}

// step does what the low bits of op say, with the high bits as its argument.
func (d *driver) step(op byte) error {
	arg := int(op >> 3)
	switch op & 7 {
	case 0:
		return d.allow()
	case 1:
		d.end(arg, Success)
	case 2:
		d.end(arg, Failure)
	case 3:
		d.end(arg, Ignored)
	case 4:
		d.m.trip(time.Duration(arg+1)*time.Second, d.now())
		d.b.Trip(time.Duration(arg+1) * time.Second)
	case 5:
		d.m.reset(d.now())
		d.b.Reset()
	case 6:
		d.m.setMode(Mode(arg%3), d.now())
		d.b.SetMode(Mode(arg % 3))
	default:
		d.sleep(time.Duration(arg*arg) * 31 * time.Millisecond)
	}
	return nil
}
