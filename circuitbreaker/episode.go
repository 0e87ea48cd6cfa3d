package circuitbreaker

import (
	"errors"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/invariants"
)

// How a result and a change of state that meet agree on who was first.
//
// An episode is one stay in one state. Breaker.cur points to the present one,
// and a Ticket keeps the pointer under which it was admitted: a result belongs
// to that episode or to none. The pointer cannot come back while a ticket holds
// it, so there is no generation number to overflow or to compare.
//
// The tempting way to record a result is
//
//	if b.cur.Load() == t.episode { t.episode.window.add(result) }
//
// and it is wrong: between the two the state may change, and the result is
// counted in a window that has been judged without it. A mutex around both is
// right and makes every call pay for a change that comes once an hour. Here
// only failures and slow calls take the mutex. A fast success is one addition
// to a word of the window, and whoever wants to open the breaker first seals
// the words, then judges what they held:
//
//	success:   word := Add(1); if word is sealed { lock; look who won; unlock }
//	verdict:   lock; seal; judge; publish the next episode, or take the seal back; unlock
//
// So each success has been counted before the seal, and was judged, or it comes
// after the verdict. A success need not even look whether its episode is over.
type episode struct {
	b     *Breaker
	state State
	mode  Mode

	// plain: everybody is admitted and nothing need be noted at admission.
	plain bool
	// clocked: the end of a call reads the clock.
	clocked bool
	// lockFree: a fast success is counted without the mutex.
	lockFree bool
	// counted: the quota of the group counts this stay out of Closed.
	counted bool

	failed uint      // half-open periods that failed since the last Closed
	until  time.Time // Open: when the timer ends it; zero: never

	// rejection is what everybody gets who is not admitted.
	rejection *OpenError

	window *window // Closed
	ramp   *ramp   // Closed, after a recovery
	probes *probes // HalfOpen

	throttle *Throttle // not an episode at all: the tickets of a Throttle
}

// newClosed returns an episode that admits calls.
func (b *Breaker) newClosed(mode Mode, now time.Duration) *episode {
	s := b.set
	return &episode{
		b: b, state: Closed, mode: mode, window: newWindow(s.window, s.countWindow, now),
		plain:    s.slowCall == 0,
		clocked:  s.slowCall > 0 || s.window > 0,
		lockFree: s.countWindow == 0,
	}
}

// newRecovering returns a Closed episode that starts with the ramp.
func (b *Breaker) newRecovering(now time.Duration, cause error) *episode {
	ep := b.newClosed(ModeAuto, now)
	if b.set.ramp > 0 {
		ep.plain = false
		ep.ramp = newRamp(b.set.ramp, now)
		ep.rejection = &OpenError{Name: b.name, State: Closed, Cause: cause}
	}
	return ep
}

// newOpen returns an episode that rejects every call for stay.
func (b *Breaker) newOpen(failed uint, stay time.Duration, cause error) *episode {
	until := time.Now().Add(stay)
	return &episode{
		b: b, state: Open, until: until, failed: failed,
		rejection: &OpenError{Name: b.name, State: Open, Until: until, Cause: cause},
	}
}

// newForced returns an episode that rejects every call for ever.
func (b *Breaker) newForced() *episode {
	return &episode{
		b: b, state: Open, mode: ModeForcedOpen,
		rejection: &OpenError{Name: b.name, State: Open},
	}
}

// newHalfOpen returns an episode that admits probes.
func (b *Breaker) newHalfOpen(open *episode) *episode {
	return &episode{
		b: b, state: HalfOpen, clocked: true, failed: open.failed, counted: open.counted,
		rejection: &OpenError{Name: b.name, State: HalfOpen, Cause: open.rejection.Cause},
		probes:    &probes{},
	}
}

// current returns the present episode.
func (b *Breaker) current() *episode {
	if b != nil {
		if ep := b.cur.Load(); ep != nil {
			return ep
		}
	}
	return b.unmade()
}

// unmade is outlined so that current can be inlined.
//
//go:noinline
func (b *Breaker) unmade() *episode {
	if b == nil {
		panic("circuitbreaker: nil Breaker")
	}
	panic("circuitbreaker: Breaker not made by New")
}

// goTo replaces the present episode. It requires mu, which makes it the only
// one to do so, and puts the change in the line to be reported in the same
// order.
func (b *Breaker) goTo(next *episode, reason Reason, cause error) {
	old := b.cur.Load()
	if b.timer != nil {
		b.timer.Stop() // else it keeps the episode for the rest of the stay
		b.timer = nil
	}
	if old.window != nil {
		b.total.add(old.window.stop())
		chaos.Point("circuitbreaker: sealed, not yet published")
	}
	if old.counted && !next.counted {
		b.quota.leave()
	}
	b.cur.Store(next) // from here on results of old are discarded
	chaos.Point("circuitbreaker: published, not yet reported")
	if old.state == next.state {
		return
	}
	if next.state == Open {
		b.opens++
	}
	if b.set.onChange != nil {
		b.events.push(Change{b.name, old.state, next.state, reason, cause, next.until})
	}
}

// open changes to Open for stay. Counted says that a rule did it.
func (b *Breaker) open(reason Reason, cause error, failed uint, stay time.Duration, counted bool) {
	ep := b.newOpen(failed, stay, cause)
	ep.counted = counted
	b.goTo(ep, reason, cause)
	b.timer = time.AfterFunc(stay, func() { b.openElapsed(ep) })
}

// openElapsed is the timer of an Open episode: the breaker becomes HalfOpen,
// and says so, also when nobody calls.
func (b *Breaker) openElapsed(ep *episode) {
	b.mu.Lock()
	if b.cur.Load() == ep {
		b.goTo(b.newHalfOpen(ep), ReasonOpenElapsed, nil)
	}
	b.unlock()
}

// unlock releases mu and reports what has changed under it.
func (b *Breaker) unlock() {
	if invariants.Enabled {
		invariants.Check(b.validate())
	}
	claimed := b.events.claim()
	b.mu.Unlock()
	if claimed {
		chaos.Point("circuitbreaker: claimed, not yet delivered")
		b.deliver()
	}
}

// succeed records a success. A fast one in a closed breaker ends here, without
// a lock: one addition, and one reading of the clock if there is a time window.
func (b *Breaker) succeed(t *Ticket) {
	ep := t.ep
	var now time.Duration
	if ep.clocked {
		now = b.now()
	}
	if !ep.lockFree || b.slow(t, now) {
		b.finishSlow(t, Success, now, nil)
		return
	}
	switch word, counted := ep.window.ring.success(now); {
	case !counted || word&sealed != 0:
		chaos.Point("circuitbreaker: success found a seal or the end of a bucket")
		b.finishSlow(t, Success, now, nil)
	case word&full != 0:
		b.halve(ep)
	}
}

// slow reports whether a call that ends now was slow.
func (b *Breaker) slow(t *Ticket, now time.Duration) bool {
	limit := b.set.slowCall
	return limit > 0 && now-t.start >= limit
}

// finish records the result of an admitted call.
func (b *Breaker) finish(t *Ticket, outcome Outcome, cause error) {
	if outcome == Success {
		b.succeed(t)
		return
	}
	var now time.Duration
	if t.ep.clocked {
		now = b.now()
	}
	b.finishSlow(t, outcome, now, cause)
}

// halve makes room in a bucket of more calls than a word can count.
func (b *Breaker) halve(ep *episode) {
	b.mu.Lock()
	if b.cur.Load() == ep {
		ep.window.ring.halve()
	}
	b.unlock()
}

// finishSlow records what needs the mutex: a failure, a slow call, the result
// of a probe, one that comes too late, and any in a count window.
func (b *Breaker) finishSlow(t *Ticket, outcome Outcome, now time.Duration, cause error) {
	slow := b.slow(t, now)
	b.mu.Lock()
	switch ep := t.ep; {
	case b.cur.Load() != ep:
		b.discarded++
	case ep.state == HalfOpen:
		b.finishProbe(t, outcome, slow, now, cause)
	case outcome == Ignored:
		b.total.Ignored++
	default:
		b.finishClosed(ep, outcome, slow, now, cause)
	}
	b.unlock()
}

// finishClosed counts a result and, unless it is a fast success, applies the
// rules. It requires mu.
func (b *Breaker) finishClosed(ep *episode, outcome Outcome, slow bool, now time.Duration, cause error) {
	w := ep.window
	w.ring.rotate(now)
	w.count(outcome, slow)
	if outcome == Success && !slow {
		return
	}
	chaos.Point("circuitbreaker: counted, not yet judged")
	all := w.ring.sum()
	if outcome != Success {
		w.lengthen(all)
	}
	if ep.mode == ModeAuto && b.set.verdict(w.streakAt(all), w.judged(all)) != 0 {
		b.judge(ep, outcome, cause)
	}
}

// judge decides whether the rules open the breaker, with the window stopped: a
// success that came while the window was read may have changed the verdict.
func (b *Breaker) judge(ep *episode, outcome Outcome, cause error) {
	w := ep.window
	chaos.Point("circuitbreaker: verdict found, not yet sealed")
	w.ring.seal()
	all := w.ring.sum()
	if outcome != Success {
		w.restart(all)
	}
	reason := b.set.verdict(w.streakAt(all), w.judged(all))
	if reason == 0 || !b.quota.admit() {
		w.ring.unseal()
		return
	}
	b.open(reason, cause, 0, b.set.stay(0), true)
}

// validate checks what must hold whenever mu is free.
func (b *Breaker) validate() error {
	ep := b.cur.Load()
	timed := ep.state == Open && ep.mode == ModeAuto || ep.state == HalfOpen && ep.probes.inFlight > 0
	switch {
	case timed && b.timer == nil:
		return errors.New("nothing would end this state")
	case ep.state == Closed && (b.timer != nil || ep.window.ring.kept != nil):
		return errors.New("closed with a timer or a sealed window")
	case ep.state != Closed && ep.rejection == nil:
		return errors.New("rejections without an error")
	case ep.state == HalfOpen:
		return ep.probes.validate(b.set.probes)
	}
	return nil
}
