package boundedqueue

// The slots of a Queue are a ring: the front is in slot head, the others follow
// and go on at slot 0.
//
//	slot   0   1   2   3   4   5
//	     | e |   |   | b | c | d |      n = 4, head = 3
//	           ^           ^
//	           next put    next get takes b, and empties the slot
//
// Any capacity will do, since an index wraps by a comparison. Sums of two
// indices are formed as uint: with values of size 0 a ring may have as many
// slots as an int can count.

// tail returns the slot of the next put.
func (q *Queue[T]) tail() uint {
	i := uint(q.head) + uint(q.n)
	if i >= uint(len(q.buf)) {
		i -= uint(len(q.buf))
	}
	return i
}

// push appends vs, for which there is room below max.
func (q *Queue[T]) push(vs []T) {
	if len(vs) == 0 {
		return
	}
	q.grow(q.n + len(vs))
	k := copy(q.buf[q.tail():], vs)
	copy(q.buf, vs[k:])
	q.n += len(vs)
	q.high = max(q.high, q.n)
}

// pop moves the first values of the queue to dst, as many as there are and fit,
// and returns their number.
func (q *Queue[T]) pop(dst []T) int {
	n := min(len(dst), q.n)
	first := q.buf[q.head:min(uint(len(q.buf)), uint(q.head)+uint(n))]
	k := copy(dst, first)
	clear(first)
	rest := q.buf[:n-k]
	copy(dst[k:], rest)
	clear(rest)
	q.skip(n)
	return n
}

// skip moves the front past n slots that have been emptied.
func (q *Queue[T]) skip(n int) {
	i := uint(q.head) + uint(n)
	if i >= uint(len(q.buf)) {
		i -= uint(len(q.buf))
	}
	q.head = int(i)
	q.n -= n
}

// popOne takes the front; the queue is not empty.
func (q *Queue[T]) popOne() T {
	v := q.buf[q.head]
	clear(q.buf[q.head : q.head+1])
	q.skip(1)
	return v
}
