package slidingwindow

// FoldConfig configures a Fold.
type FoldConfig[T any] struct {
	// Size is the most values in the window. Required, at least 1. Memory grows
	// with the values held, not with Size.
	Size int

	// Combine joins two neighbouring runs of values. Required. It must be
	// associative; it need not be commutative, have an identity or an inverse.
	// older holds the values pushed earlier. It must not call the Fold it
	// belongs to.
	Combine func(older, newer T) T

	// WorstCase bounds the Combine calls of every single operation (DABA Lite)
	// instead of their average (two-stacks lite).
	WorstCase bool
}

// Fold is Combine over the last values pushed, in order of age: a FIFO window
// with an aggregate. Create it with NewFold. It is for one goroutine at a time,
// and must not be copied.
//
// Combine is called at most three times a Push on average, and up to Len times
// by one call; with WorstCase at most six times by any Push, twice by a Pop and
// once by a Value. It is never given a value that was not pushed, nor called
// for a window of one. If it panics in a Push or Pop that changes the window,
// the panic reaches the caller and the window is empty; in a mere reading of
// the aggregate, at the end of a Push or in Value, the window stays as it is.
type Fold[T any] struct {
	_ noCopy

	two  twoStacks[T]
	daba *daba[T] // nil without WorstCase
	size int      // 0 in one that was not made by NewFold
	torn bool     // a change is under way, or has been ended by a panic
}

// NewFold returns an empty Fold. An error matches ErrConfig and names the field
// at fault.
func NewFold[T any](config FoldConfig[T]) (*Fold[T], error) {
	if config.Size < 1 {
		return nil, configError("Size must be at least 1, got %d", config.Size)
	}
	if config.Combine == nil {
		return nil, configError("Combine must not be nil")
	}
	f := &Fold[T]{size: config.Size}
	if config.WorstCase {
		f.daba = &daba[T]{combine: config.Combine}
	} else {
		f.two = twoStacks[T]{combine: config.Combine, size: config.Size}
	}
	return f, nil
}

// Push adds v, drops the oldest value when the window is full, and returns the
// aggregate. O(1) calls of Combine, on average or always. It allocates only
// while the window grows beyond what it ever held.
func (f *Fold[T]) Push(v T) T {
	full := f.Len() == f.size
	f.enter()
	if f.daba != nil {
		if full {
			f.daba.pop()
		}
		f.daba.push(v)
		f.torn = false
		return f.daba.value()
	}
	if full {
		f.two.slide(v)
	} else {
		f.two.push(v)
	}
	f.torn = false
	return f.two.value()
}

// Pop drops the oldest value; false when the window is empty. No allocation.
func (f *Fold[T]) Pop() bool {
	if f.Len() == 0 {
		return false
	}
	f.enter()
	if f.daba != nil {
		f.daba.pop()
	} else {
		f.two.pop()
	}
	f.torn = false
	return true
}

// enter begins a change, which ends with torn = false, or never when Combine
// panics. What an earlier one has left is thrown away.
func (f *Fold[T]) enter() {
	if f.torn {
		f.Reset()
	}
	f.torn = true
}

// Value returns the aggregate of the window; false when it is empty. At most
// one call of Combine, no allocation.
func (f *Fold[T]) Value() (T, bool) {
	if f.Len() == 0 {
		var zero T
		return zero, false
	}
	if f.daba != nil {
		return f.daba.value(), true
	}
	return f.two.value(), true
}

// Len returns how many values are in the window.
func (f *Fold[T]) Len() int {
	f.check()
	switch {
	case f.torn:
		return 0
	case f.daba != nil:
		return f.daba.len()
	default:
		return f.two.len
	}
}

// Cap returns the size of the window.
func (f *Fold[T]) Cap() int {
	f.check()
	return f.size
}

// Reset empties the window. It lets go of the values and keeps the memory that
// held them.
func (f *Fold[T]) Reset() {
	f.check()
	if f.daba != nil {
		f.daba.reset()
	} else {
		f.two.reset()
	}
	f.torn = false
}

func (f *Fold[T]) check() {
	if f.size == 0 {
		panic("slidingwindow: Fold not made by NewFold")
	}
}

// twoStacks is a queue made of two stacks, in one ring: the older values form
// the front, from which values leave, the newer ones the back.
//
//	head
//	 v                 front            len
//	[a+b+c+d  b+c+d  c+d  d | e  f  g ]       back = e+f+g
//
// Each place of the front holds the aggregate of itself and all of the front
// behind it, so that dropping the oldest uncovers the aggregate of the rest; of
// the back, which only grows, one aggregate is enough. The whole is front[0] +
// back. When the front has run out, the back becomes the front, in place: one
// Combine for each value, once in its life.
type twoStacks[T any] struct {
	buf     []T // a ring of len(buf) places, which grows up to size
	back    T   // aggregate of the back, when there is one
	head    int // place of the oldest value
	front   int // values in the front
	len     int
	size    int
	combine func(older, newer T) T
}

// push adds v behind the newest value; there is room.
func (s *twoStacks[T]) push(v T) {
	if s.len == len(s.buf) {
		s.grow()
	}
	if s.len > s.front {
		s.back = s.combine(s.back, v)
	} else {
		s.back = v
	}
	s.buf[s.place(s.len)] = v
	s.len++
}

// slide is pop and push in a window that is full, and so is the ring: the
// newest value takes the place of the oldest.
func (s *twoStacks[T]) slide(v T) {
	if s.front == 0 {
		s.flip()
	}
	back := v
	if s.len > s.front {
		back = s.combine(s.back, v)
	}
	s.back = back
	s.buf[s.head] = v
	s.head = s.place(1)
	s.front--
}

// pop drops the oldest value; there is one.
func (s *twoStacks[T]) pop() {
	if s.front == 0 {
		s.flip()
	}
	var zero T
	s.buf[s.head] = zero
	s.head = s.place(1)
	s.front--
	s.len--
}

// value returns the aggregate; the window is not empty.
func (s *twoStacks[T]) value() T {
	switch s.front {
	case 0:
		return s.back
	case s.len:
		return s.buf[s.head]
	default:
		return s.combine(s.buf[s.head], s.back)
	}
}

// flip makes the back the front, which is empty.
func (s *twoStacks[T]) flip() {
	for i := s.len - 2; i >= 0; i-- {
		p := s.place(i)
		s.buf[p] = s.combine(s.buf[p], s.buf[s.place(i+1)])
	}
	var zero T
	s.back, s.front = zero, s.len
}

// place returns where in the ring the value i places behind the oldest stands.
func (s *twoStacks[T]) place(i int) int {
	if i >= len(s.buf)-s.head { // s.head+i could overflow
		return i - (len(s.buf) - s.head)
	}
	return s.head + i
}

// grow doubles the ring, which is full.
func (s *twoStacks[T]) grow() {
	buf := make([]T, doubled(s.len, s.size))
	n := copy(buf, s.buf[s.head:])
	copy(buf[n:], s.buf[:s.head])
	s.buf, s.head = buf, 0
}

func (s *twoStacks[T]) reset() {
	clear(s.buf)
	var zero T
	s.back, s.head, s.front, s.len = zero, 0, 0, 0
}
