// Package circuitbreaker stops calling a dependency that is failing, lets it
// recover, and comes back without a stampede.
//
// A breaker watches the results of calls. When too many of them fail or are too
// slow it opens: calls are rejected at once and cost neither side anything.
// After a while it lets a few probes through, and closes again if they succeed.
//
//	b, err := circuitbreaker.New(circuitbreaker.Config{Name: "payments", ConsecutiveFailures: 5})
//	if err != nil { ... }
//	err = b.Do(ctx, func(ctx context.Context) error { return pay(ctx, order) })
//	if errors.Is(err, circuitbreaker.ErrOpen) {
//		return queueForLater(order)
//	}
//
// # Choosing
//
//   - [Breaker] guards one dependency that is either up or down.
//     ConsecutiveFailures is the cheapest rule and right for little traffic;
//     FailureRate is for traffic of which some always fails; SlowCallDuration
//     catches the dependency that hangs before its callers give up.
//   - [Group] keeps a breaker per host or tenant, bounded in number, and bounds
//     how many of them may be open at the same time.
//   - [Throttle] is for a backend that is overloaded rather than down: it sheds
//     the part of the calls that would be refused anyway.
//   - Package circuitbreakerhttp guards an http.Client.
//
// [Breaker.Do] and [Do] wrap a function; [Breaker.Allow] and a [Ticket] guard a
// call that begins here and ends elsewhere. Give each call a context with a
// deadline: a breaker learns from a call when it ends. To limit what runs at
// the same time use a semaphore (golang.org/x/sync/semaphore), to limit a rate
// package tokenbucket. A single caller that retries with backoff needs no
// breaker.
//
// # Algorithm
//
// The states are those of Michael Nygard's "Release It!":
//
//	         a rule holds                    the open time is over
//	Closed ----------------> Open --------------------------------> HalfOpen
//	   ^                       ^   a probe failed, or hung:            |
//	   |                       +---- twice as long, up to a cap -------+
//	   |                                                               |
//	   +----------------- enough probes succeeded ---------------------+
//	       (and the load returns over RecoveryRamp)
//
// The textbook version has no HalfOpen: when its time is over, all who wait
// call at once. Here exactly Probes calls are in flight at once; the open time
// has a random part, so that the instances of a service do not probe in step;
// and a timer ends it, so that HalfOpen is reported without traffic.
//
// Each stay in a state is an episode, an object of its own, and a call keeps
// the one that admitted it. A result belongs to that episode or, if it is over,
// to nobody: it is counted as Discarded. So a call that began before the
// breaker opened cannot close it, and one that hung through an outage cannot
// open it again. A probe that hangs, panics, exits or whose Ticket is lost
// cannot wedge the breaker: the first reopens it at ProbeTimeout.
//
// The time window has ten buckets. A result is counted at its end, for more
// than 9/10 of Window and never longer than Window; so calls that take longer
// than the window count as well. A count window holds exactly the last results.
// Rates are compared as whole numbers, in parts per million: at 7 % seven of a
// hundred open, and six do not. The rules look when a failure or a slow call is
// recorded, in the order consecutive, failure rate, slow-call rate.
//
// A caller that cancels its own context says nothing about the dependency;
// a deadline does. A panic or runtime.Goexit is a failure.
//
// # Concurrency
//
// All methods are safe for concurrent use. Allow, Done, State, Trip and
// Reset are linearizable. In a Closed breaker without a count
// window a fast success takes no lock: one atomic load, one addition, and with
// a time window one reading of the clock, which is most of the price. A
// rejection by an Open breaker is a load and an addition. Failures, slow calls,
// probes and count windows take a mutex.
//
// Code of the user never runs under a lock: fn, Classify and OnStateChange may
// call any method of the same breaker, panic or exit. OnStateChange is called
// for each change exactly once, in order, by the goroutine that made the change
// or by one that is delivering already; a panic in it reaches that goroutine.
// It is called by the goroutine of a timer for ReasonOpenElapsed and
// ReasonProbeTimeout, where a panic ends the program.
//
// Do, Allow, Done, Cancel, State and Stats, rejections, Group.Get of a present
// key and Throttle.Do allocate nothing. A Breaker takes at most 2 KiB, with a
// count window of n results at most 1 KiB and n/4 bytes. Inside a
// testing/synctest bubble all times are exact; a Breaker that was made outside
// works inside as one on which no time has passed, but must not be used on both
// sides at the same time.
//
// # Limits
//
// The state is that of one process. Calls that hang are seen when they end, not
// before. A bucket that counts more than 2^31 calls is halved: its rates stay,
// the counts of Stats.Window do not. An OnStateChange that never returns lets
// the changes behind it pile up. All successes go to one counter; on machines
// with many cores that cache line is the limit (not striped, since the two
// cores on which this was measured cannot show a gain).
package circuitbreaker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// Config configures a Breaker. The zero Config is valid: FailureRate 0.5 over
// 10 s.
type Config struct {
	// Name appears in errors and changes. Optional.
	Name string

	// ConsecutiveFailures opens the breaker at that many failures in a row. 0:
	// rule off.
	ConsecutiveFailures int

	// FailureRate in (0, 1] opens the breaker when failures/calls in the window
	// reach it. 0: rule off, unless no other rule is set: then 0.5.
	FailureRate float64

	// SlowCallDuration marks a call that takes that long or longer as slow. 0:
	// rule off.
	SlowCallDuration time.Duration

	// SlowCallRate in (0, 1] opens the breaker when slow/calls in the window
	// reach it. 0: 0.5 when SlowCallDuration is set.
	SlowCallRate float64

	// MinCalls is the number of calls the window must hold before a rate rule
	// may open. 0: 20 (or CountWindow if that is smaller).
	MinCalls int

	// Window is the length of the sliding time window, kept in 10 buckets; at
	// least 1 ms. 0: 10 s. Excludes CountWindow.
	Window time.Duration

	// CountWindow > 0 replaces the time window by the last CountWindow results
	// (at most 1<<20). 0: time window.
	CountWindow int

	// OpenDuration is the shortest stay in Open. 0: 5 s.
	OpenDuration time.Duration

	// MaxOpenDuration caps the stay when it doubles with each failed half-open
	// period. 0: OpenDuration (no growth).
	MaxOpenDuration time.Duration

	// NoJitter removes the random extra stay of up to a fifth, which keeps a
	// fleet from probing in step.
	NoJitter bool

	// Probes is the number of calls in flight at once in HalfOpen. 0: 1.
	Probes int

	// ProbeSuccesses closes the breaker. 0: 1.
	ProbeSuccesses int

	// ProbeFailures reopens it. 0: 1.
	ProbeFailures int

	// ProbeTimeout reopens the breaker when a probe is in flight that long: a
	// hung probe or a lost Ticket cannot wedge it. 0: 30 s.
	ProbeTimeout time.Duration

	// RecoveryRamp spreads the return of the load: after HalfOpen -> Closed the
	// admitted share rises linearly from 0.1 to 1 over this time. 0: off.
	RecoveryRamp time.Duration

	// Classify decides what a result means. It runs without a lock, once per
	// result. nil: a nil error is Success, any other is Failure.
	Classify func(err error) Outcome

	// OnStateChange is called for every state change, in order, exactly once,
	// with no lock held.
	OnStateChange func(Change)
}

// Breaker is a circuit breaker. Create it with New; all methods may be called
// concurrently, and panic on a nil or zero Breaker. It has no goroutine and
// needs no Close: one that is dropped leaves at most a timer, until the end of
// one stay.
type Breaker struct {
	// cur is the present episode. Storing it, under mu, ends the one before.
	cur  atomic.Pointer[episode]
	set  *settings
	name string
	base time.Time // of this breaker, since that of a package belongs to no bubble

	rejected atomic.Uint64

	mu sync.Mutex // mu guards the fields below, and all changes of cur

	events    events
	timer     *time.Timer // ends Open, or HalfOpen when a probe hangs; nil if there is nothing to end
	quota     *quota      // of the group; nil: no bound
	total     Counts      // without what is in the window of cur
	discarded uint64
	opens     uint64
}

// New returns a Breaker that is Closed. An error matches ErrConfig and names
// the field at fault.
func New(c Config) (*Breaker, error) {
	s, err := newSettings(c)
	if err != nil {
		return nil, err
	}
	return newBreaker(s, c.Name, nil), nil
}

func newBreaker(s *settings, name string, q *quota) *Breaker {
	b := &Breaker{set: s, name: name, base: time.Now(), quota: q}
	b.cur.Store(b.newClosed(ModeAuto, 0))
	return b
}

// now reads the clock. It is negative for a Breaker that was made outside of
// the synctest bubble in which it is used.
func (b *Breaker) now() time.Duration { return time.Since(b.base) }

// Do calls fn if the breaker admits it, and records the result.
//
//   - A done ctx is an error that matches ctx.Err() and context.Cause, with no
//     effect: fn is not called and nothing is counted.
//   - A rejection is an *OpenError; fn is not called.
//   - fn runs in the calling goroutine, with ctx itself, and what it returns is
//     returned.
//   - If the error of fn is the cancellation of ctx itself, the result is
//     Ignored; else Classify decides. A deadline counts.
//   - A panic or runtime.Goexit of fn is a Failure and goes on its way.
//
// A nil fn panics. Nothing is allocated.
func (b *Breaker) Do(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		panic("circuitbreaker: nil function")
	}
	var t Ticket
	if err := b.enter(ctx, &t); err != nil {
		return err
	}
	return b.call(ctx, &t, fn)
}

// call is an admitted call. It is outlined so that a rejection does not pay for
// the defer.
func (b *Breaker) call(ctx context.Context, t *Ticket, fn func(context.Context) error) (err error) {
	ended := false
	defer func() {
		if !ended {
			b.finish(t, Failure, err)
		}
	}()
	if err = fn(ctx); err == nil && b.set.classify == nil {
		ended = true
		b.succeed(t)
		return nil
	}
	outcome := outcomeOf(ctx, b.set.classify, err)
	ended = true
	b.finish(t, outcome, err)
	return err
}

// Do is Breaker.Do for functions that return a value.
func Do[T any](ctx context.Context, b *Breaker, fn func(context.Context) (T, error)) (T, error) {
	if fn == nil {
		panic("circuitbreaker: nil function")
	}
	var t Ticket
	if err := b.enter(ctx, &t); err != nil {
		var zero T
		return zero, err
	}
	return callFor(ctx, b, &t, fn)
}

// callFor is Breaker.call for functions that return a value.
func callFor[T any](ctx context.Context, b *Breaker, t *Ticket, fn func(context.Context) (T, error)) (value T, err error) {
	ended := false
	defer func() {
		if !ended {
			b.finish(t, Failure, err)
		}
	}()
	if value, err = fn(ctx); err == nil && b.set.classify == nil {
		ended = true
		b.succeed(t)
		return value, nil
	}
	outcome := outcomeOf(ctx, b.set.classify, err)
	ended = true
	b.finish(t, outcome, err)
	return value, err
}

// enter is the beginning of a guarded call: it fills t in.
func (b *Breaker) enter(ctx context.Context, t *Ticket) (err error) {
	ep := b.current()
	switch {
	case ctx.Err() != nil:
		return ctxerr.Of(ctx)
	case ep.plain:
		t.ep = ep
	case ep.state == Open:
		b.rejected.Add(1)
		return ep.rejection
	default:
		*t, err = b.admit(ep)
	}
	return err
}

// outcomeOf classifies the result of a call that knew ctx.
func outcomeOf(ctx context.Context, f func(error) Outcome, err error) Outcome {
	if f == nil && err == nil {
		return Success
	}
	if ownCancel(ctx, err) {
		return Ignored
	}
	return classify(f, err)
}

// Allow admits one call or returns an *OpenError. Every admitted Ticket should
// be ended with Done or Cancel; one that is lost holds nothing in Closed, and
// in HalfOpen ProbeTimeout ends it. Nothing is allocated.
func (b *Breaker) Allow() (Ticket, error) {
	ep := b.current()
	if ep.plain {
		return Ticket{ep: ep}, nil
	}
	return b.admit(ep)
}

// admit decides where there is something to decide or to note. It starts over
// when the state changes under its hands.
func (b *Breaker) admit(ep *episode) (Ticket, error) {
	for {
		switch ep.state {
		case Open:
			return b.reject(ep)
		case Closed:
			return b.admitClosed(ep)
		default:
		}
		if t, err := b.admitProbe(ep); t.ep != nil || err != nil {
			return t, err
		}
		ep = b.current()
	}
}

// admitClosed admits a call, unless the ramp sheds it, and reads the clock if
// somebody will ask.
func (b *Breaker) admitClosed(ep *episode) (Ticket, error) {
	t := Ticket{ep: ep}
	if b.set.slowCall > 0 {
		t.start = b.now()
	}
	if r := ep.ramp; r != nil && !r.over.Load() && !r.admit(b.now()) {
		return b.reject(ep)
	}
	return t, nil
}

// reject counts a rejection. It reads no clock and allocates nothing.
func (b *Breaker) reject(ep *episode) (Ticket, error) {
	b.rejected.Add(1)
	return Ticket{}, ep.rejection
}

// State returns the present state. O(1), no allocation.
func (b *Breaker) State() State { return b.current().state }

// Trip opens the breaker for exactly d, for instance because a response told
// when to come back; d <= 0 stands for OpenDuration with jitter. While Open it
// extends the stay and never shortens it. Only in ModeAuto, else it has no
// effect.
func (b *Breaker) Trip(d time.Duration) {
	b.current()
	b.mu.Lock()
	b.tripLocked(d)
	b.unlock()
}

func (b *Breaker) tripLocked(d time.Duration) {
	ep := b.cur.Load()
	if ep.mode != ModeAuto {
		return
	}
	if d <= 0 {
		d = b.set.stay(0)
	}
	if ep.state != Open {
		b.open(ReasonTripped, nil, ep.failed, d, false)
		return
	}
	if time.Until(ep.until) < d {
		b.open(ReasonTripped, ep.rejection.Cause, ep.failed, d, ep.counted)
	}
}

// Reset makes the breaker Closed, with an empty window and nothing remembered;
// results of earlier calls are discarded. Only in ModeAuto, else it has no
// effect.
func (b *Breaker) Reset() {
	b.current()
	b.mu.Lock()
	if b.cur.Load().mode == ModeAuto {
		b.goTo(b.newClosed(ModeAuto, b.now()), ReasonReset, nil)
	}
	b.unlock()
}

// SetMode overlays the state machine: ModeForcedOpen rejects every call for
// ever, ModeMetricsOnly admits every call and counts the results, ModeAuto goes
// back to the rules, Closed. Each change begins with an empty window; results
// of earlier calls are discarded. The same mode again has no effect. A mode
// that does not exist panics.
func (b *Breaker) SetMode(m Mode) {
	b.current()
	if m > ModeMetricsOnly {
		panic("circuitbreaker: invalid mode")
	}
	b.mu.Lock()
	switch {
	case b.cur.Load().mode == m:
	case m == ModeForcedOpen:
		b.goTo(b.newForced(), ReasonMode, nil)
	default:
		b.goTo(b.newClosed(m, b.now()), ReasonMode, nil)
	}
	b.unlock()
}

// Stats returns a copy of the counters. O(1), no allocation.
func (b *Breaker) Stats() Stats {
	b.current()
	b.mu.Lock()
	defer b.mu.Unlock()
	ep := b.cur.Load()
	s := Stats{
		State: ep.state, Mode: ep.mode, Until: ep.until,
		Total: b.total, Rejected: b.rejected.Load(), Discarded: b.discarded, Opens: b.opens,
	}
	switch ep.state {
	case HalfOpen:
		s.Probes = ep.probes.inFlight
	case Closed:
		b.closedStats(ep, &s)
	default:
	}
	return s
}

func (b *Breaker) closedStats(ep *episode, s *Stats) {
	w := ep.window
	now := b.now()
	w.ring.rotate(now)
	all := w.ring.sum()
	s.Total.add(w.total(all))
	if b.set.rated() {
		s.Window = w.judged(all)
	}
	s.ConsecutiveFailures = int(w.streakAt(all))
	s.Share = 1
	if ep.ramp != nil {
		s.Share = ep.ramp.share(now)
	}
}
