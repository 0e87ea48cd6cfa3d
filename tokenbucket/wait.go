package tokenbucket

import (
	"context"
	"fmt"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// Wait takes one token and blocks until it is there: WaitN(ctx, 1).
func (b *Bucket) Wait(ctx context.Context) error { return b.WaitN(ctx, 1) }

// WaitN takes n tokens and blocks until they are there and everybody who came
// before has been served, first come first served: a small request does not
// pass a big one. It ends in one of two ways, nil and n tokens taken, or an
// error and none.
//
//   - A done ctx is an error, with no effect, whatever the bucket holds. The
//     error matches ctx.Err() and context.Cause.
//   - n < 0 is ErrNegative; n = 0 is nil at once, past everybody queued; n >
//     Burst is ErrExceedsBurst.
//   - A turn that would come at or after the deadline of ctx, counting
//     everybody ahead, is refused at once with an error that matches
//     ErrWouldExceedDeadline and context.DeadlineExceeded.
//   - When ctx is done during the wait, WaitN leaves the queue and everybody
//     behind moves up. If the turn had come by then, the tokens have been taken
//     and the result is nil.
//
// The wait is durable in a synctest bubble. O(1); no allocation if the tokens
// are there, else at most 3.
func (b *Bucket) WaitN(ctx context.Context, n int64) error {
	b.current()
	if ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	if b.AllowN(n) {
		return nil
	}
	return b.waitSlow(ctx, n)
}

// waitSlow decides again, with the level frozen: a token returned since the
// first try is not missed, and none is taken by others between this decision
// and the place in the line.
func (b *Bucket) waitSlow(ctx context.Context, n int64) error {
	if n < 0 {
		return negativeError(n)
	}
	chaos.Point("tokenbucket: about to queue")
	left, patience := forever, forever
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
		patience = max(left, 0) - 1 // a turn at the deadline itself is too late
	}
	p := &place{n: n}
	wait, err := b.enter(p, patience, true)
	if err != nil {
		return err
	}
	if wait > patience {
		return &deadlineError{wait, left}
	}
	if p.ready == nil { // taken at once
		return nil
	}
	chaos.Point("tokenbucket: queued, not yet waiting")
	// If both are ready select throws a coin, hence leave looks whether the
	// turn came first.
	select {
	case <-p.ready:
		return p.err
	case <-ctx.Done():
		chaos.Point("tokenbucket: cancelled, still queued")
		if b.leave(p) {
			return ctxerr.Of(ctx)
		}
		return p.err
	}
}

// enter takes the tokens for p, wait being 0, or puts p at the end of the line.
// If the turn of p would come later than patience it does neither, which the
// caller sees from wait.
func (b *Bucket) enter(p *place, patience time.Duration, wake bool) (wait time.Duration, err error) {
	l := b.lock()
	defer b.unlock()
	if p.n > l.burst {
		return 0, burstError(p.n, l.burst)
	}
	p.need = p.n
	if b.take(p.n) {
		p.status, p.due = charged, atOnce
		return 0, nil
	}
	wait, ok := b.turn(p.n)
	if !ok {
		wait = forever
	}
	if wait > patience {
		return wait, nil
	}
	if wake {
		p.ready = make(chan struct{}) // never from a pool: a channel belongs to the synctest bubble that made it
		b.blocked++
	}
	p.status, p.due = queued, saturatingAdd(b.now, wait)
	b.line.push(p)
	return wait, nil
}

// leave takes p out of the line, unless its wait is already over, and reports
// whether it did.
func (b *Bucket) leave(p *place) bool {
	b.lock()
	defer b.unlock()
	if p.status != queued {
		return false
	}
	b.remove(p, gone)
	return true
}

// Reservation is a place in the queue of a Bucket, made by Reserve. Its methods
// are safe for concurrent use and panic on a nil or zero Reservation. It must
// not be copied.
type Reservation struct {
	_     noCopy
	b     *Bucket
	place place
}

// noCopy makes go vet report copies: it looks like a lock.
type noCopy struct{}

// Lock does nothing.
func (*noCopy) Lock() {}

// Unlock does nothing.
func (*noCopy) Unlock() {}

// atOnce is before every reading of the clock.
const atOnce = time.Duration(-1 << 63)

// Reserve takes n tokens now if they are there and nobody is queued, or else
// takes a place in the queue that Wait uses, without blocking: the caller acts
// when Delay has become 0. The instant is fixed when Reserve returns; if
// somebody ahead cancels, the tokens may be charged sooner, which lets those
// behind move up.
//
// If the delay would be more than maxWait (negative counts as 0), the error
// matches ErrWouldExceedDeadline and nothing is taken. n < 0 is ErrNegative, n
// > Burst is ErrExceedsBurst, n = 0 is due at once and free. O(1); at most 2
// allocations.
func (b *Bucket) Reserve(n int64, maxWait time.Duration) (*Reservation, error) {
	b.current()
	if n < 0 {
		return nil, negativeError(n)
	}
	r := &Reservation{b: b, place: place{n: n, status: charged, due: atOnce}}
	if b.AllowN(n) {
		r.place.need = n
		return r, nil
	}
	maxWait = max(maxWait, 0)
	wait, err := b.enter(&r.place, maxWait, false)
	if err != nil {
		return nil, err
	}
	if wait > maxWait {
		return nil, fmt.Errorf("%w: %v to wait, %v allowed", ErrWouldExceedDeadline, wait, maxWait)
	}
	return r, nil
}

// Delay returns how long to hold off from now on; 0 when the reservation is
// due. It does not block. O(1), no allocation.
func (r *Reservation) Delay() time.Duration {
	b := r.bucket()
	if r.place.due == atOnce {
		return 0
	}
	return max(saturatingSub(r.place.due, b.elapsed()), 0)
}

// Cancel says that the tokens were not used: a place whose turn has not come
// leaves the queue and everybody behind moves up, tokens already charged go
// back as by Return. Only the first call has an effect. O(1) plus the number of
// those served by it.
func (r *Reservation) Cancel() {
	b := r.bucket()
	b.lock()
	defer b.unlock()
	switch p := &r.place; p.status {
	case queued:
		b.remove(p, gone)
	case charged:
		b.give(p.need)
		p.status = gone
	case gone:
	}
}

func (r *Reservation) bucket() *Bucket {
	if r == nil || r.b == nil {
		panic("tokenbucket: Reservation not made by Reserve")
	}
	return r.b
}
