package circuitbreaker

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// ThrottleConfig configures a Throttle. The zero ThrottleConfig is valid.
type ThrottleConfig struct {
	// K: calls start to be shed when requests exceed K times accepts. At least
	// 1 and finite. 0: 2.
	K float64

	// Window of the request and accept counts, in 10 buckets; at least 1 ms. 0:
	// 2 min.
	Window time.Duration

	// MaxReject in (0, 1) caps the rejection probability, so that recovery is
	// always seen. 0: 0.95.
	MaxReject float64

	// Classify: Success and Ignored are accepts, Failure is not. nil: as in
	// Config.
	Classify func(err error) Outcome
}

func (c *ThrottleConfig) check() error {
	switch {
	case c.K != 0 && !(c.K >= 1 && c.K <= math.MaxFloat64):
		return configError("K", "at least 1 and finite", c.K)
	case c.Window != 0 && c.Window < minWindow:
		return configError("Window", "at least 1ms", c.Window)
	case c.MaxReject != 0 && !(c.MaxReject > 0 && c.MaxReject < 1):
		return configError("MaxReject", "in (0, 1)", c.MaxReject)
	}
	return nil
}

// Throttle sheds a growing share of the calls while a backend refuses them: the
// client-side adaptive throttling of the book "Site Reliability Engineering",
// chapter 21 "Handling Overload", equation 2.1. In the window of the last
// minutes,
//
//	share shed = max(0, (requests - K*accepts) / (requests + 1))
//
// A healthy backend accepts what is asked and nothing is shed. One that accepts
// a tenth gets, with K = 2, twice what it can accept, and the rest costs it
// nothing. Unlike a Breaker it has no states and never stops all calls. Requests
// include those that were shed.
//
// Deviation from the book: which calls are shed is not left to dice but spread
// evenly, by error diffusion.
//
// Create it with NewThrottle; all methods may be called concurrently, and panic
// on a nil or zero Throttle. It needs no Close.
type Throttle struct {
	k, maxReject float64
	classify     func(error) Outcome
	base         time.Time

	tickets  episode // what the tickets point to
	shed     diffusion
	rejected atomic.Uint64

	mu   sync.Mutex // mu guards the rotation of ring
	ring ring       // calls are requests, and where a Breaker has failures there are accepts
}

// accept in a word of the ring.
const accept = failure

// NewThrottle returns a Throttle that sheds nothing yet. An error matches
// ErrConfig and names the field at fault.
func NewThrottle(c ThrottleConfig) (*Throttle, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &Throttle{
		k:         orDefault(c.K, 2),
		maxReject: orDefault(c.MaxReject, 0.95),
		classify:  c.Classify,
		base:      time.Now(),
	}
	t.tickets.throttle = t
	t.ring.init(orDefault(c.Window, 2*time.Minute), 0)
	return t, nil
}

// Do calls fn unless the call is shed, and records the result, by the rules of
// Breaker.Do: a done ctx is an error without effect, the caller's own
// cancellation is Ignored, and a panic or runtime.Goexit of fn is a Failure.
// Nothing is allocated.
func (t *Throttle) Do(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		panic("circuitbreaker: nil function")
	}
	t.made()
	if ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	if !t.admit() {
		return ErrThrottled
	}
	err := fn(ctx) // a panic leaves a request that was not accepted
	if outcomeOf(ctx, t.classify, err) != Failure {
		t.accept()
	}
	return err
}

// Allow admits one call or returns ErrThrottled. Done and Cancel of the Ticket
// tell whether the backend accepted the call; Cancel counts as accepted, a
// Ticket that is lost does not.
func (t *Throttle) Allow() (Ticket, error) {
	t.made()
	if !t.admit() {
		return Ticket{}, ErrThrottled
	}
	return Ticket{ep: &t.tickets}, nil
}

func (t *Throttle) made() {
	if t == nil {
		panic("circuitbreaker: nil Throttle")
	}
	if t.k == 0 {
		panic("circuitbreaker: Throttle not made by NewThrottle")
	}
}

// classified ends the call of a Ticket. A panic of Classify leaves a request
// that was not accepted.
func (t *Throttle) classified(err error) {
	if classify(t.classify, err) != Failure {
		t.accept()
	}
}

// admit counts a request and decides on it.
func (t *Throttle) admit() bool {
	t.catchUp()
	share := t.share(t.ring.throttled())
	t.add(oneCall)
	if share == 0 || !t.shed.step(share) {
		return true
	}
	t.rejected.Add(1)
	return false
}

// accept counts an accept.
func (t *Throttle) accept() {
	t.catchUp()
	t.add(accept)
}

// add counts in the newest bucket, and makes room in one that is full.
func (t *Throttle) add(word uint64) {
	if t.ring.words[t.ring.head.Load()].Add(word)&(sealed|full) != 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ring.halve()
	}
}

// catchUp drops what has expired.
func (t *Throttle) catchUp() {
	now := time.Since(t.base)
	if int64(now) < t.ring.end.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring.rotate(now)
}

// share returns which part of the calls is to be shed.
func (t *Throttle) share(requests, accepts uint64) float64 {
	p := (float64(requests) - t.k*float64(accepts)) / float64(requests+1)
	return min(max(p, 0), t.maxReject)
}

// throttled returns the requests and accepts in the window.
func (r *ring) throttled() (requests, accepts uint64) {
	for i := range r.words {
		word := r.words[i].Load()
		requests += word & (accept - 1)
		accepts += word >> 32
	}
	return requests, accepts
}

// ThrottleStats is a copy of the counters of a Throttle. The first three agree
// with each other up to calls that were under way.
type ThrottleStats struct {
	Requests, Accepts uint64  // in the window; requests include the shed ones
	Reject            float64 // present rejection probability
	Rejected          uint64  // since NewThrottle
}

// Stats returns a copy of the counters. O(1), no allocation.
func (t *Throttle) Stats() ThrottleStats {
	t.made()
	t.catchUp()
	requests, accepts := t.ring.throttled()
	return ThrottleStats{
		Requests: requests, Accepts: accepts,
		Reject: t.share(requests, accepts), Rejected: t.rejected.Load(),
	}
}
