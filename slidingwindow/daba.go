package slidingwindow

import (
	"errors"

	"github.com/mainstay-go/mainstay/internal/invariants"
)

// daba is the queue of twoStacks with the flip done in small steps: the
// de-amortised banker's aggregator, in the form that keeps one value a place
// (DABA Lite).
//
// The front is in three parts, and the indices, which only grow, stand in this
// order:
//
//	f          l          r          a          b          e
//	[   done   |   left   |   raw    |  right   |   back   ]
//
//	done   place i holds the aggregate of i..b
//	left   place i holds the aggregate of i..r
//	raw    the values as they came, as in the back
//	right  place i holds the aggregate of i..b
//
// together with mid, the aggregate of r..b, and tail, that of the back. The
// result is place f, which is always done, and tail.
//
// When nothing is left to do and the back is as long as the front, the two
// become one front, without touching a value: what was done is left, what was
// back is raw, and what was tail is mid. From then on every push and every pop
// finishes one place of left (with mid) and one of raw (with the first of
// right). Left and raw are of equal length and shrink together; when both are
// gone, the places of right are done as they are, one with each step. A new
// back cannot grow as long as the front before all of that has happened:
//
//	len(left) == len(raw)
//	len(left) + len(raw) + len(right) + 1 == len(front) - len(back)
//
// unless all is empty. Where the paper combines with an identity, the part is
// empty and nothing is combined here.
type daba[T any] struct {
	buf              []T    // a ring of a power of two places
	f, l, r, a, b, e uint64 // absolute; the place of i is i&(len(buf)-1)
	mid              T      // while left is not empty
	tail             T      // while the back is not empty
	combine          func(older, newer T) T
}

func (d *daba[T]) len() int { return int(d.e - d.f) }

// at returns the place of index i.
func (d *daba[T]) at(i uint64) *T { return &d.buf[i&uint64(len(d.buf)-1)] }

// push adds v behind the newest value. At most three calls of combine.
func (d *daba[T]) push(v T) {
	if d.len() == len(d.buf) {
		d.grow()
	}
	tail := v
	if d.b != d.e {
		tail = d.combine(d.tail, v)
	}
	d.tail = tail
	*d.at(d.e) = v
	d.e++
	d.step()
}

// pop drops the oldest value; there is one. At most two calls of combine.
func (d *daba[T]) pop() {
	var zero T
	*d.at(d.f) = zero
	d.f++
	d.step()
}

// value returns the aggregate; the window is not empty. At most one call of
// combine.
func (d *daba[T]) value() T {
	if d.b == d.e {
		return *d.at(d.f)
	}
	return d.combine(*d.at(d.f), d.tail)
}

// step does the share of the work that falls to one push or pop.
func (d *daba[T]) step() {
	var zero T
	switch {
	case d.f == d.b: // one value at most, and one value is done
		d.l, d.r, d.a, d.b = d.e, d.e, d.e, d.e
		d.mid, d.tail = zero, zero
	case d.l == d.b:
		d.l, d.r, d.a, d.b = d.f, d.b, d.e, d.e
		d.mid, d.tail = d.tail, zero
	}
	switch d.l {
	case d.b: // nothing to do
	case d.r:
		d.l, d.r, d.a = d.l+1, d.r+1, d.a+1
	default:
		d.shrink()
	}
	if invariants.Enabled {
		invariants.Check(d.validate())
	}
}

// shrink finishes the first place of left and the last one of raw.
func (d *daba[T]) shrink() {
	left := d.combine(*d.at(d.l), d.mid)
	right := *d.at(d.a - 1)
	if d.a != d.b {
		right = d.combine(right, *d.at(d.a))
	}
	*d.at(d.l), *d.at(d.a - 1) = left, right
	d.l++
	d.a--
	if d.l == d.r {
		var zero T
		d.mid = zero
	}
}

// grow doubles the ring, which is full.
func (d *daba[T]) grow() {
	old := d.buf
	d.buf = make([]T, max(2*len(old), 8))
	for i := d.f; i != d.e; i++ {
		*d.at(i) = old[i&uint64(len(old)-1)]
	}
}

func (d *daba[T]) reset() {
	clear(d.buf)
	*d = daba[T]{buf: d.buf, combine: d.combine}
}

// validate checks what the picture says.
func (d *daba[T]) validate() error {
	left, raw, right := d.r-d.l, d.a-d.r, d.b-d.a
	front, back := d.b-d.f, d.e-d.b
	switch {
	case d.len() < 0 || d.len() > len(d.buf) || front > uint64(d.len()) || left > front || raw > front || right > front:
		return errors.New("daba: indices out of order")
	case d.len() == 0:
		return nil
	case left != raw || left+raw+right+1 != front-back:
		return errors.New("daba: the parts do not balance")
	default:
		return nil
	}
}
