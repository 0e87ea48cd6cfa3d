package slidingwindow

import "cmp"

// Extremum is the maximum or the minimum of the last size values pushed. Create
// it with NewMax or NewMin. It is for one goroutine at a time, and must not be
// copied.
//
// Values compare as by the builtins max and min: a NaN in the window makes the
// result NaN until it has left, and +0 is greater than -0.
type Extremum[T cmp.Ordered] struct {
	_ noCopy

	// buf holds two blocks of the stream. Below next are the values of the
	// present block as they came; from next on the previous block, each place
	// with the extremum of it and all places behind it:
	//
	//	 0             next         size-1
	//	[v3 v4 v5 v6 | s4 s5 s6 s7 s8 ]
	//
	// All of it is in the window, so nothing is kept that has left. While the
	// first block grows there is no previous one, and next is len(buf).
	buf []T

	run   T    // extremum of the present block
	next  int  // where the next value goes, 0 to size-1 once the first block is full
	inner int  // size-2 once the first block is full, before that 0: places for which the short way will do
	size  int  // 0 in one that was not made by a constructor
	least bool // the minimum
}

// NewMax returns an empty window for the maximum of the last size values. Size
// is at least 1, or the error matches ErrConfig. Memory grows with the values
// pushed, up to size of them.
func NewMax[T cmp.Ordered](size int) (*Extremum[T], error) {
	return newExtremum[T](size, false)
}

// NewMin is NewMax for the minimum.
func NewMin[T cmp.Ordered](size int) (*Extremum[T], error) {
	return newExtremum[T](size, true)
}

func newExtremum[T cmp.Ordered](size int, least bool) (*Extremum[T], error) {
	if size < 1 {
		return nil, configError("size must be at least 1, got %d", size)
	}
	return &Extremum[T]{size: size, least: least}, nil
}

// Push adds v, drops the value pushed size pushes ago, and returns the extremum
// of what is in the window. Amortised O(1): one call in size takes O(size), at
// about a nanosecond a value. It allocates only while the window fills for the
// first time.
func (x *Extremum[T]) Push(v T) T {
	i := x.next
	if uint(i-1) >= uint(x.inner) {
		return x.pushSlow(v)
	}
	run := x.pick(x.run, v) // kept in a register, past the store to buf
	x.run, x.next = run, i+1
	buf := x.buf
	buf[i] = v
	return x.pick(run, buf[i+1])
}

// pushSlow is Push for the first block and for the first and the last value of
// each other one.
func (x *Extremum[T]) pushSlow(v T) T {
	x.check()
	if x.next == 0 {
		x.run = v
	} else {
		x.run = x.pick(x.run, v)
	}
	if len(x.buf) < x.size {
		x.buf = append(grown(x.buf, x.size), v)
	} else {
		x.buf[x.next] = v
	}
	x.next++
	switch {
	case x.next == x.size:
		x.flip()
		return x.run
	case len(x.buf) < x.size:
		return x.run
	default:
		return x.pick(x.run, x.buf[x.next])
	}
}

// flip makes the present block, which is full, the previous one.
func (x *Extremum[T]) flip() {
	for i := len(x.buf) - 2; i >= 0; i-- {
		x.buf[i] = x.pick(x.buf[i], x.buf[i+1])
	}
	x.next = 0
	x.inner = max(x.size-2, 0)
}

func (x *Extremum[T]) pick(a, b T) T {
	if x.least {
		return min(a, b)
	}
	return max(a, b)
}

// Value returns the extremum of the window; false while nothing has been
// pushed. O(1), no allocation.
func (x *Extremum[T]) Value() (T, bool) {
	x.check()
	switch {
	case len(x.buf) == 0:
		var zero T
		return zero, false
	case x.next == len(x.buf):
		return x.run, true
	case x.next == 0:
		return x.buf[0], true
	default:
		return x.pick(x.run, x.buf[x.next]), true
	}
}

// Len returns how many values are in the window.
func (x *Extremum[T]) Len() int {
	x.check()
	return len(x.buf)
}

// Cap returns the size of the window.
func (x *Extremum[T]) Cap() int {
	x.check()
	return x.size
}

// Reset empties the window. It lets go of the values and keeps the memory that
// held them.
func (x *Extremum[T]) Reset() {
	x.check()
	clear(x.buf)
	var zero T
	x.buf, x.run, x.next, x.inner = x.buf[:0], zero, 0, 0
}

func (x *Extremum[T]) check() {
	if x.size == 0 {
		panic("slidingwindow: Extremum not made by NewMax or NewMin")
	}
}

// grown returns buf with room for one more value. The room doubles and stops at
// size exactly, where append alone would overshoot.
func grown[T any](buf []T, size int) []T {
	if len(buf) < cap(buf) {
		return buf
	}
	return append(make([]T, 0, doubled(len(buf), size)), buf...)
}

// doubled returns twice n, at least 8 and at most size.
func doubled(n, size int) int {
	return min(max(n+min(n, size-n), 8), size)
}
