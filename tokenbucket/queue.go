package tokenbucket

import (
	"math"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/invariants"
)

// How a queue and a word that anybody may change without a lock get along.
//
// A waiter must not fall asleep on a token that came back just after it looked,
// and no Allow may pass a waiter that has queued. The tempting way is a counter
// of waiters beside the word:
//
//	Wait:    lock; if !take() { push; waiting.Add(1) }; unlock; sleep
//	Allow:   if waiting.Load() > 0 { return false }; compare-and-swap
//	Return:  compare-and-swap; if waiting.Load() > 0 { lock; serve; unlock }
//
// It is wrong twice. A Return between take and Add fills the bucket and sees
// nobody to serve: the waiter sleeps until the refill. Raising the counter
// before take repairs that, but an Allow that read the counter earlier still
// takes a token from under the waiter, whose turn was planned with it. Here the
// word itself says that there is a queue. lock exchanges it for frozen in one
// step; from then on whatever another call has prepared fails in its
// compare-and-swap and starts over at the mutex. There is nothing to look at
// twice.

// forever is the patience of a caller without a deadline, and the wait of a
// turn that never comes.
const forever = time.Duration(math.MaxInt64)

// unarmed in queue.due tells that the timer has fired, or is firing.
const unarmed = -1

// queue is the part of a Bucket that exists for those who wait; guarded by its
// mutex. No mutex is held while anybody waits: a goroutine that blocks on one
// would not be durably blocked in a synctest bubble.
type queue struct {
	line    line
	blocked int           // places in line that somebody waits on
	timer   *time.Timer   // set for the head of the line; nil unless somebody is blocked
	due     time.Duration // what timer is set to
	fire    func()        // (*Bucket).timerFired, bound once
}

// lock takes the mutex and, by freezing its word, the level: from here to
// unlock no other call can take or give a token. Everybody whose turn has come
// by now is served first, so that it does not matter whether this call or the
// timer came first at that very instant.
func (b *Bucket) lock() *limit {
	b.mu.Lock()
	l := b.limit.Load()
	chaos.Point("tokenbucket: locked, not yet frozen")
	if level := l.level.Swap(frozen); level != frozen { // the swap passes the level from the word to used
		b.used = level
	}
	chaos.Point("tokenbucket: locked and frozen")
	b.now = b.elapsed()
	b.serve()
	return l
}

// unlock serves whoever can be served after what was done, sets the timer, and
// passes the level back to the word unless somebody is left in the line, in
// which case every call has to come through the mutex.
func (b *Bucket) unlock() {
	b.serve()
	b.arm()
	if invariants.Enabled {
		invariants.Check(b.line.validate(b.blocked))
	}
	if b.line.head == nil {
		b.limit.Load().level.Store(b.used)
	}
	b.mu.Unlock()
}

// serve charges those at the head of the line whose turn has come. The turn is
// the instant at which the tokens were there, not that of the call: a timer
// that fires late does not delay those behind, and no token overflows while
// somebody waits for it. The comparison is that of Axis.Take without its cap.
func (b *Bucket) serve() {
	l := b.limit.Load()
	now := l.axis.At(b.now)
	for p := b.line.head; p != nil && b.used <= now-p.need*l.axis.Token; p = b.line.head {
		b.used += p.need * l.axis.Token
		b.remove(p, charged)
		if p.ready != nil {
			close(p.ready)
		}
	}
}

// remove takes p out of the line. It neither serves those behind nor sets the
// timer: unlock does both.
func (b *Bucket) remove(p *place, to status) {
	b.line.remove(p)
	p.status = to
	if p.ready != nil {
		b.blocked--
	}
}

// arm sets the timer to the turn of the head, if somebody is blocked. A
// reservation needs no timer: the next call charges it as of its turn. The
// timer is made anew when a queue forms, since one from another synctest bubble
// could not be used.
func (b *Bucket) arm() {
	due := forever
	if b.blocked > 0 {
		due = b.headDue()
	}
	switch {
	case due == forever:
		if b.timer != nil {
			b.timer.Stop() // if it is too late for that, timerFired finds nothing to do
			b.timer = nil
		}
	case b.timer == nil:
		if b.fire == nil {
			b.fire = b.timerFired
		}
		b.timer = time.AfterFunc(saturatingSub(due, b.now), b.fire)
	case b.due != due:
		b.timer.Reset(saturatingSub(due, b.now))
	}
	b.due = due
}

// headDue returns when the turn of the head of the line comes, or forever.
func (b *Bucket) headDue() time.Duration {
	l := b.limit.Load()
	due, ok := l.axis.When(b.used, uint64(b.line.head.need*l.axis.Token))
	if !ok {
		return forever
	}
	return due
}

// timerFired does nothing by itself: lock serves those who are due, and unlock
// sets the timer again. It may be late, or early when the limit has been
// changed.
func (b *Bucket) timerFired() {
	b.lock()
	b.due = unarmed
	b.unlock()
}

// take is AllowN under the mutex.
func (b *Bucket) take(n int64) bool {
	l := b.limit.Load()
	if b.line.head != nil || n > l.burst {
		return false
	}
	next, ok := l.axis.Take(b.used, l.axis.At(b.now), n*l.axis.Token)
	if ok {
		b.used = next
	}
	return ok
}

// give is Return under the mutex.
func (b *Bucket) give(n int64) {
	l := b.limit.Load()
	b.used = l.axis.Give(b.used, l.axis.At(b.now), min(n, l.burst)*l.axis.Token)
}

// tokens is Tokens under the mutex.
func (b *Bucket) tokens() int64 {
	l := b.limit.Load()
	return l.axis.Level(b.used, l.axis.At(b.now)) / l.axis.Token
}

// turn returns how long somebody who now came for n tokens would wait until
// everybody in the line has been served and n more tokens are there. It
// requires mu.
func (b *Bucket) turn(n int64) (wait time.Duration, ok bool) {
	l := b.limit.Load()
	all := b.line.total
	all.add(n)
	units, ok := all.times(l.axis.Token)
	if !ok {
		return forever, false
	}
	return l.until(b.used, b.now, units)
}
