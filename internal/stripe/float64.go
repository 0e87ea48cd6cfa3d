package stripe

import (
	"math"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// Float64 is a sum of floats that are neither negative nor NaN. A sum beyond
// the largest float stays there. The zero value is 0. It must not be copied.
//
// Here contention shows by itself: there is no fetch-and-add for floats, and a
// compare-and-swap fails when another processor came between.
type Float64 struct {
	base  atomic.Uint64 // bits of a float
	cells atomic.Pointer[cells]
}

// Add adds v >= 0.
func (f *Float64) Add(v float64) {
	if f.cells.Load() == nil {
		old := f.base.Load()
		if f.base.CompareAndSwap(old, plus(old, v)) {
			return
		}
	}
	f.addSlow(v)
}

// addSlow tries the base once more, since the first failure may be a
// preemption, and then grows cells.
func (f *Float64) addSlow(v float64) {
	c := f.cells.Load()
	if c == nil {
		old := f.base.Load()
		chaos.Point("stripe: base read, not yet written")
		if f.base.CompareAndSwap(old, plus(old, v)) {
			return
		}
		if !contended() {
			accumulate(&f.base, v)
			return
		}
		f.cells.CompareAndSwap(nil, newCells())
		c = f.cells.Load()
	}
	h := hint()
	word := c.first(h)
	old := word.Load()
	chaos.Point("stripe: cell read, not yet written")
	if !word.CompareAndSwap(old, plus(old, v)) {
		accumulate(c.second(h), v)
	}
}

// accumulate adds v to the float in word, however long that takes.
func accumulate(word *atomic.Uint64, v float64) {
	for {
		old := word.Load()
		chaos.Point("stripe: sum read, not yet written")
		if word.CompareAndSwap(old, plus(old, v)) {
			return
		}
	}
}

// plus adds v to the float whose bits are given.
func plus(bits uint64, v float64) uint64 {
	return math.Float64bits(limited(math.Float64frombits(bits) + v))
}

// limited keeps a sum finite: infinity minus infinity is NaN, and what is
// computed from it is NaN for ever.
func limited(sum float64) float64 {
	if sum > math.MaxFloat64 {
		return math.MaxFloat64
	}
	return sum
}

// Load returns the sum, which includes every add that happened before.
func (f *Float64) Load() float64 {
	sum := math.Float64frombits(f.base.Load())
	if c := f.cells.Load(); c != nil {
		for i := range c.cell {
			sum = limited(sum + math.Float64frombits(c.cell[i].word.Load()))
		}
	}
	return sum
}
