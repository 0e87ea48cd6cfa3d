package circuitbreaker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// C1: each field out of range is an error that names it.
func TestNewRejects(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, c := range map[string]Config{
		"ConsecutiveFailures must be 0 or more, got -1":                         {ConsecutiveFailures: -1},
		"ConsecutiveFailures must be 0 or more, got " + fmt.Sprint(math.MinInt): {ConsecutiveFailures: math.MinInt},
		"FailureRate must be in (0, 1], got NaN":                                {FailureRate: nan},
		"FailureRate must be in (0, 1], got +Inf":                               {FailureRate: inf},
		"FailureRate must be in (0, 1], got -Inf":                               {FailureRate: -inf},
		"FailureRate must be in (0, 1], got 1.01":                               {FailureRate: 1.01},
		"FailureRate must be in (0, 1], got -0.1":                               {FailureRate: -0.1},
		"SlowCallDuration must be 0 or more, got -1ns":                          {SlowCallDuration: -1},
		"SlowCallRate must be in (0, 1], got NaN":                               {SlowCallRate: nan, SlowCallDuration: 1},
		"SlowCallRate must be in (0, 1], got 2":                                 {SlowCallRate: 2, SlowCallDuration: 1},
		"SlowCallRate must be 0 without SlowCallDuration, got 0.5":              {SlowCallRate: 0.5},
		"MinCalls must be 0 or more, got -1":                                    {MinCalls: -1},
		"MinCalls must be at most CountWindow, got 11":                          {MinCalls: 11, CountWindow: 10},
		"Window must be 0 or more, got -1ns":                                    {Window: -1},
		"Window must be at least 1ms, got 999.999µs":                            {Window: time.Millisecond - 1},
		"Window must be 0 with CountWindow, got 1s":                             {Window: time.Second, CountWindow: 5},
		"CountWindow must be 0 or more, got -1":                                 {CountWindow: -1},
		"CountWindow must be at most 1048576, got 1048577":                      {CountWindow: 1<<20 + 1},
		"CountWindow must be at most 1048576, got " + fmt.Sprint(math.MaxInt):   {CountWindow: math.MaxInt},
		"OpenDuration must be 0 or more, got -1ns":                              {OpenDuration: -1},
		"MaxOpenDuration must be 0 or more, got -1ns":                           {MaxOpenDuration: -1},
		"MaxOpenDuration must be at least OpenDuration, got 4s":                 {MaxOpenDuration: 4 * time.Second},
		"MaxOpenDuration must be at least OpenDuration, got 1ns":                {OpenDuration: 2, MaxOpenDuration: 1},
		"Probes must be 0 or more, got -1":                                      {Probes: -1},
		"ProbeSuccesses must be 0 or more, got -1":                              {ProbeSuccesses: -1},
		"ProbeFailures must be 0 or more, got -1":                               {ProbeFailures: -1},
		"ProbeTimeout must be 0 or more, got -1ns":                              {ProbeTimeout: -1},
		"RecoveryRamp must be 0 or more, got -1ns":                              {RecoveryRamp: -1},
		"Window must be 0 without a rate rule, got 1s":                          {ConsecutiveFailures: 1, Window: time.Second},
		"CountWindow must be 0 without a rate rule, got 5":                      {ConsecutiveFailures: 1, CountWindow: 5},
		"MinCalls must be 0 without a rate rule, got 5":                         {ConsecutiveFailures: 1, MinCalls: 5},
	} {
		b, err := New(c)
		assert.Nil(t, b, want)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "circuitbreaker: invalid config: "+want)
		_, err = NewGroup[string](GroupConfig{Breaker: c})
		require.EqualError(t, err, "circuitbreaker: invalid config: "+want)
	}
}

// The largest of everything, alone and together, is legal, and reserves nothing.
func TestNewAccepts(t *testing.T) {
	for name, c := range map[string]Config{
		"zero":         {},
		"tiny rate":    {FailureRate: 1e-300},
		"whole":        {FailureRate: 1, SlowCallDuration: 1, SlowCallRate: 1},
		"window":       {Window: forever, MinCalls: math.MaxInt},
		"least window": {Window: time.Millisecond},
		"count":        {CountWindow: 1 << 20, MinCalls: 1 << 20},
		"count of one": {CountWindow: 1},
		"max": {
			ConsecutiveFailures: math.MaxInt, SlowCallDuration: forever, OpenDuration: forever, MaxOpenDuration: forever,
			Probes: math.MaxInt, ProbeSuccesses: math.MaxInt, ProbeFailures: math.MaxInt, ProbeTimeout: forever, RecoveryRamp: forever,
		},
		"all rules":            {ConsecutiveFailures: 5, FailureRate: 0.5, SlowCallDuration: time.Second, MinCalls: 10, Window: time.Minute},
		"maximum at the least": {OpenDuration: 7, MaxOpenDuration: 7},
	} {
		bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
			do(b, 10, fail)
			do(b, 10, ok)
			b.Trip(0)
			b.Stats()
			b.Reset()
			assert.Equal(t, Closed, b.State(), name)
		})
	}
}

func TestDefaults(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Breaker, l *log) {
		do(b, 9, fail)
		do(b, 10, ok)
		require.Empty(t, l.take())
		do(b, 1, fail) // 10 of 20
		require.Equal(t, []string{"closed->open: failure rate"}, l.take())
		stay := time.Until(b.Stats().Until)
		assert.True(t, stay >= 5*time.Second && stay <= 6*time.Second, stay)
		sleep(stay)
		first := allow(t, b)
		assert.Zero(t, do(b, 3, ok), "one probe")
		first.Done(nil)
		assert.Equal(t, Closed, b.State(), "one success closes")
	})
	bubble(t, Config{CountWindow: 7}, func(t *testing.T, b *Breaker, _ *log) {
		assert.Equal(t, 7, do(b, 10, fail), "MinCalls is the count window")
	})
	bubble(t, Config{SlowCallDuration: time.Second}, func(t *testing.T, b *Breaker, l *log) {
		do(b, 19, fail)
		var tickets []*Ticket
		for range 19 {
			tickets = append(tickets, allow(t, b))
		}
		time.Sleep(time.Second)
		for _, slow := range tickets[:18] {
			slow.Done(nil)
		}
		assert.Empty(t, l.take(), "18 of 37; the failure rule is off when another is set")
		tickets[18].Done(nil)
		assert.Equal(t, []string{"closed->open: slow-call rate"}, l.take())
	})
	bubble(t, Config{ConsecutiveFailures: 100}, func(t *testing.T, b *Breaker, _ *log) {
		do(b, 99, fail)
		assert.Equal(t, Closed, b.State(), "no rate rule beside the consecutive one")
	})
}

// C2.
func TestNilAndZero(t *testing.T) {
	ctx := t.Context()
	for name, f := range map[string]func(){
		"nil Breaker.Do":       func() { _ = (*Breaker)(nil).Do(ctx, ok) },
		"zero Breaker.Do":      func() { _ = new(Breaker).Do(ctx, ok) },
		"nil Do":               func() { _, _ = Do(ctx, nil, func(context.Context) (int, error) { return 0, nil }) },
		"nil Breaker.Allow":    func() { _, _ = (*Breaker)(nil).Allow() },
		"zero Breaker.Allow":   func() { _, _ = new(Breaker).Allow() },
		"nil Breaker.State":    func() { (*Breaker)(nil).State() },
		"zero Breaker.State":   func() { new(Breaker).State() },
		"nil Breaker.Trip":     func() { (*Breaker)(nil).Trip(1) },
		"zero Breaker.Trip":    func() { new(Breaker).Trip(1) },
		"nil Breaker.Reset":    func() { (*Breaker)(nil).Reset() },
		"zero Breaker.Reset":   func() { new(Breaker).Reset() },
		"nil Breaker.SetMode":  func() { (*Breaker)(nil).SetMode(ModeAuto) },
		"zero Breaker.SetMode": func() { new(Breaker).SetMode(ModeAuto) },
		"nil Breaker.Stats":    func() { (*Breaker)(nil).Stats() },
		"zero Breaker.Stats":   func() { new(Breaker).Stats() },
		"nil Ticket.Done":      func() { (*Ticket)(nil).Done(nil) },
		"nil Ticket.Cancel":    func() { (*Ticket)(nil).Cancel() },
		"nil Group.Get":        func() { (*Group[int])(nil).Get(1) },
		"zero Group.Get":       func() { new(Group[int]).Get(1) },
		"nil Group.Delete":     func() { (*Group[int])(nil).Delete(1) },
		"nil Group.Len":        func() { (*Group[int])(nil).Len() },
		"zero Group.Len":       func() { new(Group[int]).Len() },
		"nil Group.All":        func() { (*Group[int])(nil).All() },
		"zero Group.All":       func() { new(Group[int]).All() },
		"nil Group.Stats":      func() { (*Group[int])(nil).Stats() },
		"zero Group.Stats":     func() { new(Group[int]).Stats() },
		"nil Throttle.Do":      func() { _ = (*Throttle)(nil).Do(ctx, ok) },
		"zero Throttle.Do":     func() { _ = new(Throttle).Do(ctx, ok) },
		"nil Throttle.Allow":   func() { _, _ = (*Throttle)(nil).Allow() },
		"zero Throttle.Allow":  func() { _, _ = new(Throttle).Allow() },
		"nil Throttle.Stats":   func() { (*Throttle)(nil).Stats() },
		"zero Throttle.Stats":  func() { new(Throttle).Stats() },
		"nil function":         func() { _ = mustNew(t, quick).Do(ctx, nil) },
		"nil function of Do":   func() { _, _ = Do[int](ctx, mustNew(t, quick), nil) },
		"invalid mode":         func() { mustNew(t, quick).SetMode(3) },
	} {
		panicked := exits(f)
		require.NotNil(t, panicked, name)
		assert.Regexp(t, "^circuitbreaker: ", fmt.Sprint(panicked), name)
	}
	var inert Ticket
	inert.Done(errDown)
	inert.Cancel()
}

// C4: a done context has no effect, whatever the state; both its error and its cause match.
func TestDoneContext(t *testing.T) {
	cause := errors.New("cause")
	bubble(t, Config{ConsecutiveFailures: 1, SlowCallDuration: 1}, func(t *testing.T, b *Breaker, _ *log) {
		canceled, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		expired, stop := context.WithDeadline(t.Context(), time.Now())
		defer stop()
		never := func(context.Context) error { panic("called") }
		for _, prepare := range []func(){func() {}, func() { b.Trip(time.Second) }, func() { sleep(time.Second) }} {
			prepare()
			before := b.Stats()
			err := b.Do(canceled, never)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
			require.NotErrorIs(t, err, ErrOpen)
			require.ErrorIs(t, b.Do(expired, never), context.DeadlineExceeded)
			_, err = Do(canceled, b, func(context.Context) (int, error) { panic("called") })
			require.ErrorIs(t, err, cause)
			require.Equal(t, before, b.Stats())
		}
	})
}

// Do hands ctx over and returns what fn returned, unchanged, in the same goroutine.
func TestDoReturnsWhatFnReturns(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, 1)
		before := runtime.NumGoroutine()
		err := b.Do(ctx, func(got context.Context) error {
			assert.Equal(t, ctx, got)
			assert.Equal(t, before, runtime.NumGoroutine())
			return errDown
		})
		assert.Same(t, errDown, err)
		v, err := Do(ctx, b, func(got context.Context) (string, error) { return "partial", errDown })
		assert.Equal(t, "partial", v)
		assert.Same(t, errDown, err)
		v, err = Do(ctx, b, func(context.Context) (string, error) { return "whole", nil })
		assert.Equal(t, "whole", v)
		require.NoError(t, err)
		assert.Equal(t, Counts{Successes: 1, Failures: 2}, b.Stats().Total)
		b.Trip(time.Second)
		v, err = Do(ctx, b, func(context.Context) (string, error) { panic("called") })
		assert.Empty(t, v)
		assert.ErrorIs(t, err, ErrOpen)
	})
}

// What an error says about the dependency.
func TestOutcomes(t *testing.T) {
	wrapped := fmt.Errorf("query: %w", context.Canceled)
	both := errors.Join(context.Canceled, context.DeadlineExceeded)
	expired, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	asked := 0
	b := mustNew(t, Config{ConsecutiveFailures: 1000, Classify: func(err error) Outcome {
		asked++
		return classify(nil, err)
	}})
	for _, c := range []struct {
		name string
		ctx  context.Context
		fn   func(context.Context) error
		want Counts
	}{
		{"nil", t.Context(), ok, Counts{Successes: 1}},
		{"error", t.Context(), fail, Counts{Failures: 1}},
		{"deadline", t.Context(), func(context.Context) error { return context.DeadlineExceeded }, Counts{Failures: 1}},
		{"Canceled, not of ctx", t.Context(), func(context.Context) error { return wrapped }, Counts{Failures: 1}},
	} {
		before := b.Stats().Total
		_ = b.Do(c.ctx, c.fn)
		after := b.Stats().Total
		after.sub(before)
		assert.Equal(t, c.want, after, c.name)
	}
	assert.Equal(t, 4, asked)
	for _, c := range []struct {
		name string
		err  error
		want Outcome
	}{
		{"own cancel", wrapped, Ignored},
		{"success after the cancel", nil, Success},
		{"other error after the cancel", errDown, Failure},
		{"cancel and deadline", both, Failure},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		before := b.Stats().Total
		assert.Equal(t, c.err, b.Do(ctx, func(context.Context) error {
			cancel(errors.New("left"))
			return c.err
		}), c.name)
		cancel(nil)
		after := b.Stats().Total
		after.sub(before)
		var want Counts
		want.count(c.want, false)
		assert.Equal(t, want, after, c.name)
	}
	assert.Equal(t, 7, asked, "Classify is not asked about the caller's own cancellation")
	assert.False(t, ownCancel(expired, context.Canceled), "a deadline is not a cancellation")
}

func TestStrings(t *testing.T) {
	assert.Equal(t, "closed open half-open State(3)", fmt.Sprint(Closed, " ", Open, " ", HalfOpen, " ", State(3)))
	assert.Equal(t, "success failure ignored Outcome(7)", fmt.Sprint(Success, " ", Failure, " ", Ignored, " ", Outcome(7)))
	assert.Equal(t, "auto forced-open metrics-only Mode(7)", fmt.Sprint(ModeAuto, " ", ModeForcedOpen, " ", ModeMetricsOnly, " ", Mode(7)))
	var words []string
	for r := Reason(0); r <= ReasonMode+1; r++ {
		words = append(words, r.String())
	}
	assert.Equal(t, []string{
		"Reason(0)", "consecutive failures", "failure rate", "slow-call rate", "open time elapsed", "probes passed",
		"probe failed", "probe timeout", "tripped", "reset", "mode", "Reason(11)",
	}, words)
}

func TestOpenError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		e := &OpenError{Name: "payments", State: Open, Until: now.Add(3 * time.Second), Cause: errDown}
		err := fmt.Errorf("pay: %w", e)
		require.ErrorIs(t, err, ErrOpen)
		require.ErrorIs(t, err, errDown)
		require.NotErrorIs(t, err, ErrThrottled)
		got, found := errors.AsType[*OpenError](err)
		require.True(t, found)
		assert.Same(t, e, got)
		assert.Equal(t, 3*time.Second, e.RetryAfter())
		time.Sleep(4 * time.Second)
		assert.Zero(t, e.RetryAfter())
		assert.Zero(t, (&OpenError{State: HalfOpen}).RetryAfter())
		require.NoError(t, (&OpenError{}).Unwrap())
		for want, e := range map[string]*OpenError{
			"circuitbreaker: payments is open: down":                            e,
			"circuitbreaker: breaker is open":                                   {State: Open},
			"circuitbreaker: x is half-open and all probes are under way":       {Name: "x", State: HalfOpen},
			"circuitbreaker: x is recovering and sheds load":                    {Name: "x"},
			"circuitbreaker: x is half-open and all probes are under way: down": {Name: "x", State: HalfOpen, Cause: errDown},
		} {
			assert.EqualError(t, e, want)
		}
	})
}

// C3: Classify may do anything.
func TestClassify(t *testing.T) {
	var b *Breaker
	calls := 0
	var hook func(error) Outcome
	c := quick
	c.ConsecutiveFailures = 100
	c.Classify = func(err error) Outcome { calls++; return hook(err) }
	bubble(t, c, func(t *testing.T, breaker *Breaker, _ *log) {
		b = breaker
		total := func() Counts { return b.Stats().Total }
		hook = func(error) Outcome { return Outcome(9) }
		do(b, 1, ok)
		assert.Equal(t, Counts{Failures: 1}, total(), "an outcome that does not exist")
		hook = func(error) Outcome { return Ignored }
		do(b, 1, fail)
		assert.Equal(t, Counts{Failures: 1, Ignored: 1}, total())
		hook = func(error) Outcome {
			b.Stats()
			b.Reset()
			b.Trip(time.Hour)
			b.Reset()
			b.SetMode(ModeAuto)
			_ = b.State()
			return Success
		}
		do(b, 1, fail)
		assert.EqualValues(t, 1, b.Stats().Discarded, "Classify reset the breaker")
		calls = 0
		for _, end := range []func(error) Outcome{
			func(error) Outcome { panic("classify") },
			func(error) Outcome { runtime.Goexit(); return Success },
		} {
			hook = end
			before := total()
			exits(func() { _ = b.Do(t.Context(), ok) })
			exits(func() { _, _ = Do(t.Context(), b, func(context.Context) (int, error) { return 1, nil }) })
			exits(func() { allow(t, b).Done(nil) })
			after := total()
			after.sub(before)
			assert.Equal(t, Counts{Failures: 3}, after)
		}
		assert.Equal(t, 6, calls, "once per result")
		hook = func(error) Outcome { panic("classify") }
		assert.Equal(t, "classify", exits(func() { allow(t, b).Done(nil) }), "the panic reaches the caller")
		halfOpen(t, b)
		exits(func() { allow(t, b).Done(nil) })
		assert.Equal(t, Open, b.State(), "a probe whose Classify panics has failed")
	})
}

// A ticket ends once.
func TestTicketEndsOnce(t *testing.T) {
	bubble(t, Config{ConsecutiveFailures: 100}, func(t *testing.T, b *Breaker, _ *log) {
		ticket := allow(t, b)
		ticket.Done(errDown)
		ticket.Done(errDown)
		ticket.Cancel()
		assert.Equal(t, Counts{Failures: 1}, b.Stats().Total)
		ticket = allow(t, b)
		ticket.Cancel()
		ticket.Cancel()
		ticket.Done(errDown)
		assert.Equal(t, Counts{Failures: 1, Ignored: 1}, b.Stats().Total)
	})
}

func TestNestedDo(t *testing.T) {
	bubble(t, quick, func(t *testing.T, b *Breaker, _ *log) {
		err := b.Do(t.Context(), func(ctx context.Context) error {
			return b.Do(ctx, func(ctx context.Context) error { return b.Do(ctx, fail) })
		})
		require.ErrorIs(t, err, errDown)
		assert.Equal(t, Open, b.State(), "three results")
	})
}

// Stats tells what it says.
func TestStats(t *testing.T) {
	c := Config{FailureRate: 0.9, MinCalls: 100, SlowCallDuration: time.Second, SlowCallRate: 1, Window: time.Hour, NoJitter: true}
	bubble(t, c, func(t *testing.T, b *Breaker, _ *log) {
		assert.Equal(t, Stats{Share: 1}, b.Stats())
		do(b, 3, ok)
		do(b, 2, fail)
		do(b, 1, func(context.Context) error { time.Sleep(time.Second); return nil })
		do(b, 1, func(context.Context) error { time.Sleep(time.Second); return errDown })
		allow(t, b).Cancel()
		seen := Counts{Successes: 4, Failures: 3, Slow: 2}
		assert.Equal(t, Stats{
			Share: 1, ConsecutiveFailures: 1, Window: seen, Total: Counts{Successes: 4, Failures: 3, Slow: 2, Ignored: 1},
		}, b.Stats())
		late := allow(t, b)
		b.Trip(time.Second)
		until := time.Now().Add(time.Second)
		late.Done(nil)
		do(b, 5, ok)
		total := Counts{Successes: 4, Failures: 3, Slow: 2, Ignored: 1}
		assert.Equal(t, Stats{State: Open, Until: until, Total: total, Rejected: 5, Discarded: 1, Opens: 1}, b.Stats())
		sleep(time.Second)
		probe := allow(t, b)
		assert.Equal(t, Stats{State: HalfOpen, Total: total, Probes: 1, Rejected: 5, Discarded: 1, Opens: 1}, b.Stats())
		probe.Done(nil)
		total.Successes++
		assert.Equal(t, Stats{Share: 1, Total: total, Rejected: 5, Discarded: 1, Opens: 1}, b.Stats())
		b.SetMode(ModeForcedOpen)
		assert.Equal(t, Stats{State: Open, Mode: ModeForcedOpen, Total: total, Rejected: 5, Discarded: 1, Opens: 2}, b.Stats())
	})
}
