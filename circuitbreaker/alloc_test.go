package circuitbreaker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// C9.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ctx := t.Context()
	value := func(context.Context) (int, error) { return 1, nil }
	var b *Breaker
	calls := map[string]func(){
		"Do":             func() { _ = b.Do(ctx, ok) },
		"Do, failing":    func() { _ = b.Do(ctx, fail) },
		"Do of a value":  func() { _, _ = Do(ctx, b, value) },
		"Allow, Done":    func() { ticket, _ := b.Allow(); ticket.Done(nil) },
		"Allow, failing": func() { ticket, _ := b.Allow(); ticket.Done(errDown) },
		"Allow, Cancel":  func() { ticket, _ := b.Allow(); ticket.Cancel() },
		"State":          func() { _ = b.State() },
		"Stats":          func() { _ = b.Stats() },
	}
	check := func(state string) {
		for name, call := range calls {
			assert.Zero(t, testing.AllocsPerRun(100, call), "%s %s", state, name)
		}
	}
	many := 1 << 30
	for name, c := range map[string]Config{
		"time":        {MinCalls: many},
		"count":       {CountWindow: 1 << 12, MinCalls: 1 << 12},
		"consecutive": {ConsecutiveFailures: many},
		"slow":        {SlowCallDuration: time.Hour, MinCalls: many},
		"classify":    {MinCalls: many, Classify: func(err error) Outcome { return classify(nil, err) }},
	} {
		c.Probes, c.ProbeSuccesses, c.ProbeFailures = 2, many, many
		if c.CountWindow > 0 {
			c.FailureRate = 1
		}
		b = mustNew(t, c)
		check(name)
		b.Trip(time.Hour)
		check(name + " open")
		b.Reset()
	}
	synctest.Test(t, func(t *testing.T) {
		b = mustNew(t, Config{ProbeSuccesses: many, ProbeFailures: many, RecoveryRamp: time.Hour})
		halfOpen(t, b)
		do(b, 1, ok) // makes the slot
		check("half-open")
		allow(t, b)
		check("half-open and busy")
		b.Reset()
	})
	g, err := NewGroup[string](GroupConfig{})
	require.NoError(t, err)
	g.Get("key")
	assert.Zero(t, testing.AllocsPerRun(100, func() { g.Get("key") }), "Get")
	th, err := NewThrottle(ThrottleConfig{})
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = th.Do(ctx, ok) }), "Throttle.Do")
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = th.Do(ctx, fail) }), "Throttle.Do, shedding")
	assert.Zero(t, testing.AllocsPerRun(100, func() { ticket, _ := th.Allow(); ticket.Done(nil) }), "Throttle.Allow")
	assert.Zero(t, testing.AllocsPerRun(100, func() { th.Stats() }), "Throttle.Stats")
}
