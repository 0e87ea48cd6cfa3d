package circuitbreaker

import (
	"sync/atomic"
	"time"
)

// ramp admits a share of the calls that grows from a tenth to all of them.
//
// It does not throw dice: each call adds the share to a sum, and the one that
// makes the sum pass a whole number is admitted (error diffusion, as in
// dithering). Of n calls at one instant n*share pass, give or take one, and
// those that pass are evenly spread.
type ramp struct {
	start, length time.Duration
	over          atomic.Bool
	sum           diffusion
}

// firstShare is what the ramp starts with: enough to see whether the dependency
// bears it.
const firstShare = 0.1

func newRamp(length, now time.Duration) *ramp {
	r := &ramp{start: now, length: length}
	r.sum.word.Store(one - 1) // the first call passes
	return r
}

// share returns the admitted share.
func (r *ramp) share(now time.Duration) float64 {
	age := now - r.start
	if age >= r.length {
		return 1
	}
	return firstShare + (1-firstShare)*float64(max(age, 0))/float64(r.length)
}

// admit decides on one call.
func (r *ramp) admit(now time.Duration) bool {
	share := r.share(now)
	if share == 1 {
		r.over.Store(true) // nobody need read the clock any more
		return true
	}
	return r.sum.step(share)
}

// one is a whole call in a diffusion.
const one = 1 << 32

// diffusion turns a share into decisions. Its word counts in 2^-32 and may
// overflow.
type diffusion struct{ word atomic.Uint64 }

// step is true in so many of consecutive calls as share says.
func (d *diffusion) step(share float64) bool {
	part := uint64(share * one)
	sum := d.word.Add(part)
	return sum/one != (sum-part)/one
}
