package tokenbucket

import (
	"errors"
	"math/bits"
	"time"
)

// status says where a place is in its life: queued, then charged or gone; a
// charged one becomes gone by Cancel.
type status uint8

const (
	queued  status = iota
	charged        // its turn has come, need tokens have been taken for it
	gone           // left the line, or has given its tokens back
)

// place is one caller in the line: a blocked Wait, or a Reservation, which
// nobody has to wake. The fields belong to the mutex of the Bucket, except that
// err is handed to the waiter by the close of ready.
type place struct {
	next, prev *place
	n          int64         // tokens asked for
	need       int64         // tokens charged: n, at most the present burst
	ready      chan struct{} // closed when the wait is over; nil in a Reservation
	err        error         // what the wait ends with
	due        time.Duration // when the turn comes as planned at the start, or atOnce; never changed
	status     status
}

// line is the queue, first come first served: an intrusive list, so that a
// place in the middle leaves in O(1).
type line struct {
	head, tail *place
	len        int
	total      wide // sum of need: what has to be produced before somebody behind the tail is served
}

// push appends p, whose need has been set.
func (l *line) push(p *place) {
	p.prev = l.tail
	if l.tail == nil {
		l.head = p
	} else {
		l.tail.next = p
	}
	l.tail = p
	l.len++
	l.total.add(p.need)
}

// remove takes p out wherever it stands, and lets go of its neighbours, so that
// a Reservation that is kept for long does not keep them.
func (l *line) remove(p *place) {
	if p.prev == nil {
		l.head = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.tail = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
	l.len--
	l.total.sub(p.need)
}

// wide is a sum of tokens in 128 bits: a few places of a few years each exceed
// 63.
type wide struct{ hi, lo uint64 }

// add adds n tokens; n is not negative.
func (w *wide) add(n int64) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, uint64(n), 0)
	w.hi += carry
}

// sub takes away n tokens that have been added.
func (w *wide) sub(n int64) {
	var borrow uint64
	w.lo, borrow = bits.Sub64(w.lo, uint64(n), 0)
	w.hi -= borrow
}

// times returns w*unit, or false if that exceeds 64 bits.
func (w wide) times(unit int64) (uint64, bool) {
	hi, lo := bits.Mul64(w.lo, uint64(unit))
	return lo, w.hi == 0 && hi == 0
}

// validate checks the line: links, count, sum, and that blocked of its places
// have somebody to wake.
func (l *line) validate(blocked int) error {
	var prev *place
	var total wide
	count, wakers := 0, 0
	for p := l.head; p != nil; prev, p = p, p.next {
		if p.prev != prev || p.status != queued {
			return errors.New("place linked wrongly or not queued")
		}
		total.add(p.need)
		count++
		if p.ready != nil {
			wakers++
		}
	}
	if l.tail != prev || l.len != count || l.total != total || blocked != wakers {
		return errors.New("line disagrees with its count, its sum or its tail")
	}
	return nil
}
