package circuitbreaker

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// probes are the calls of a HalfOpen episode. The holder of Breaker.mu uses it,
// except for busy.
type probes struct {
	// busy says that all slots are taken, so that a storm of callers need not
	// come to the mutex to hear it.
	busy atomic.Bool

	inFlight            int
	successes, failures int

	// The slots of the probes in flight form a list in the order of their
	// start: the first is the next to time out. Slots come into being as they
	// are needed and are used again; 0 stands for none.
	slots             []slot
	free, first, last uint32
}

// slot is one probe. A ticket that names another use than the present one is a
// copy of a ticket that has been ended.
type slot struct {
	use        uint32
	live       bool
	prev, next uint32
	start      time.Duration
}

// probeID names a slot and its use.
type probeID struct{ slot, use uint32 }

// begin takes a slot.
func (p *probes) begin(now time.Duration) probeID {
	i := p.free
	if i == 0 {
		if len(p.slots) == 0 {
			p.slots = append(p.slots, slot{}) // 0 is nobody
		}
		p.slots = append(p.slots, slot{})
		i = uint32(len(p.slots) - 1)
	} else {
		p.free = p.slots[i].next
	}
	s := &p.slots[i]
	*s = slot{use: s.use + 1, live: true, prev: p.last, start: now}
	if p.last == 0 {
		p.first = i
	} else {
		p.slots[p.last].next = i
	}
	p.last = i
	p.inFlight++
	return probeID{i, s.use}
}

// end gives a slot back and reports whether the probe was in flight.
func (p *probes) end(id probeID) bool {
	s := &p.slots[id.slot]
	if !s.live || s.use != id.use {
		return false
	}
	if s.prev == 0 {
		p.first = s.next
	} else {
		p.slots[s.prev].next = s.next
	}
	if s.next == 0 {
		p.last = s.prev
	} else {
		p.slots[s.next].prev = s.prev
	}
	s.live, s.next = false, p.free
	p.free = id.slot
	p.inFlight--
	return true
}

// oldest returns when the oldest probe in flight began.
func (p *probes) oldest() time.Duration { return p.slots[p.first].start }

// admitProbe admits a call in HalfOpen if a slot is free. Neither a ticket nor
// an error says that the episode is over.
func (b *Breaker) admitProbe(ep *episode) (Ticket, error) {
	if ep.probes.busy.Load() {
		return b.reject(ep)
	}
	chaos.Point("circuitbreaker: slot seen, not yet taken")
	b.mu.Lock()
	defer b.unlock()
	now := b.now()
	if b.cur.Load() != ep || b.expire(ep, now) {
		return Ticket{}, nil
	}
	if ep.probes.inFlight >= b.set.probes {
		return b.reject(ep)
	}
	id := ep.probes.begin(now)
	ep.probes.busy.Store(ep.probes.inFlight >= b.set.probes)
	if b.timer == nil {
		b.timer = time.AfterFunc(b.set.probeTimeout, func() { b.probeElapsed(ep) })
	}
	return Ticket{ep: ep, start: now, probe: id}, nil
}

// finishProbe records the result of a probe. It requires mu.
func (b *Breaker) finishProbe(t *Ticket, outcome Outcome, slow bool, now time.Duration, cause error) {
	ep := t.ep
	p := ep.probes
	if b.expire(ep, now) {
		b.discarded++
		return
	}
	if !p.end(t.probe) {
		return
	}
	p.busy.Store(false)
	b.total.count(outcome, slow)
	switch {
	case outcome == Ignored:
		return
	case outcome == Success && !slow:
		p.successes++
	default:
		p.failures++
	}
	switch {
	case p.successes >= b.set.probeSuccesses:
		b.goTo(b.newRecovering(now, ep.rejection.Cause), ReasonProbesPassed, nil)
	case p.failures >= b.set.probeFailures:
		b.reopen(ep, ReasonProbeFailed, cause)
	}
}

// reopen goes back to Open, for longer than before.
func (b *Breaker) reopen(ep *episode, reason Reason, cause error) {
	if !ep.counted {
		b.quota.enter()
	}
	b.open(reason, cause, ep.failed+1, b.set.stay(ep.failed+1), true)
}

// expire reopens if the oldest probe has been in flight for too long. A result
// that arrives with the timer, or before a timer that is late, must not win.
func (b *Breaker) expire(ep *episode, now time.Duration) bool {
	p := ep.probes
	if p.inFlight == 0 || now-p.oldest() < b.set.probeTimeout {
		return false
	}
	b.reopen(ep, ReasonProbeTimeout, nil)
	return true
}

// probeElapsed is the timer of a HalfOpen episode. It was set for a probe that
// may have ended since; then it is set again, for the oldest one that has not.
func (b *Breaker) probeElapsed(ep *episode) {
	b.mu.Lock()
	if b.cur.Load() == ep {
		now := b.now()
		if !b.expire(ep, now) {
			b.timer = nil
			if p := ep.probes; p.inFlight > 0 {
				left := b.set.probeTimeout - (now - p.oldest())
				b.timer = time.AfterFunc(left, func() { b.probeElapsed(ep) })
			}
		}
	}
	b.unlock()
}

// validate checks the list of probes.
func (p *probes) validate(limit int) error {
	n, before := 0, time.Duration(math.MinInt64)
	for i := p.first; i != 0; i = p.slots[i].next {
		if s := p.slots[i]; !s.live || s.start < before {
			return errors.New("a slot that is free or out of order")
		}
		before = p.slots[i].start
		n++
	}
	if n != p.inFlight || n > limit || p.busy.Load() != (n == limit) {
		return errors.New("probes disagree with their count")
	}
	return nil
}
