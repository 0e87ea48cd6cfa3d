package rwlock

import (
	"errors"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/invariants"
)

// waiter is one parked call. The fields belong to the mutex of the lock, except
// that the close of ready hands the lock over.
type waiter struct {
	next, prev *waiter
	ready      chan struct{} // closed when granted
	since      time.Time     // when the wait of a writer began
	granted    bool          // holds the lock; out of the queue
	overdue    bool          // has reached MaxWriterWait, and has been counted
}

// newWaiter makes the channel anew for every wait: one from a pool may belong
// to another synctest bubble, and to use it there is a fatal error.
func newWaiter() *waiter { return &waiter{ready: make(chan struct{})} }

// queue holds parked calls in the order of arrival: an intrusive list, so that
// one that gives up leaves from the middle in O(1).
type queue struct {
	head, tail *waiter
	len        int64
}

func (q *queue) push(w *waiter) {
	w.prev = q.tail
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	q.len++
}

// remove takes w out wherever it stands, and lets go of its neighbours.
func (q *queue) remove(w *waiter) {
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev = nil, nil
	q.len--
}

// validate checks links and length.
func (q *queue) validate() error {
	var prev *waiter
	n := int64(0)
	for w := q.head; w != nil; prev, w = w, w.next {
		if w.prev != prev || w.granted {
			return errors.New("waiter linked wrongly or granted")
		}
		n++
	}
	if q.tail != prev || q.len != n {
		return errors.New("queue disagrees with its tail or its length")
	}
	return nil
}

// grantFirst gives the lock to the first of q, whom unlock will wake.
func (l *RWLock) grantFirst(q *queue) {
	w := q.head
	q.remove(w)
	w.granted = true
	w.next, l.granted = l.granted, w
}

// grantAll gives the lock to everybody in q.
func (l *RWLock) grantAll(q *queue) {
	for q.head != nil {
		l.grantFirst(q)
	}
}

// unlock gives mu back and then wakes whoever was granted the lock under it, so
// that they do not wake only to sleep on mu.
func (l *RWLock) unlock() {
	if invariants.Enabled {
		invariants.Check(l.validate())
	}
	granted := l.granted
	l.granted = nil
	l.mu.Unlock()
	chaos.Point("rwlock: granted, not yet woken")
	for granted != nil {
		w := granted
		granted, w.next = w.next, nil
		close(w.ready) // passes the lock to the waiter
	}
}

// await sleeps until w is granted or done is closed, and reports which. A
// writer under MaxWriterWait sets its own timer and turns itself overdue: there
// is no goroutine to do it, and nothing is left when it has been served.
func (l *RWLock) await(q *queue, w *waiter, done <-chan struct{}) bool {
	chaos.Point("rwlock: queued, not yet waiting")
	var due <-chan time.Time
	if q == &l.writers && l.bound > 0 {
		timer := time.NewTimer(l.bound)
		defer timer.Stop()
		due = timer.C
	}
	if done == nil && due == nil {
		<-w.ready // cheaper than a select
		return true
	}
	// If several are ready select throws a coin; turnOverdue and leave look
	// whether the grant came first.
	for {
		select {
		case <-w.ready:
			return true
		case <-due:
			due = nil
			l.turnOverdue(w)
		case <-done:
			chaos.Point("rwlock: cancelled, still queued")
			return !l.leave(q, w)
		}
	}
}

// turnOverdue closes the gate, if w is the first writer.
func (l *RWLock) turnOverdue(w *waiter) {
	chaos.Point("rwlock: due, not yet overdue")
	l.mu.Lock()
	defer l.unlock()
	if !w.granted {
		l.markOverdue(w)
	}
	l.settle()
}

// leave takes w out of q unless it was granted, and reports whether it did.
// Whom w kept waiting goes in.
func (l *RWLock) leave(q *queue, w *waiter) bool {
	l.mu.Lock()
	defer l.unlock()
	if w.granted {
		return false
	}
	_, flags := split(l.state.Load())
	switch {
	case q == &l.writers:
		l.isOverdue(w) // one that gives up at the very instant counts
	case flags&held != 0:
		l.state.Add(-1) // gives up the claim of a counted reader
	}
	q.remove(w)
	l.settle()
	return true
}

// isOverdue tells whether w has waited for MaxWriterWait. It asks the clock and
// not the timer of w, which may fire late.
func (l *RWLock) isOverdue(w *waiter) bool {
	if !w.overdue && l.bound > 0 && time.Since(w.since) >= l.bound {
		l.markOverdue(w)
	}
	return w.overdue
}

// markOverdue counts w once.
func (l *RWLock) markOverdue(w *waiter) {
	if !w.overdue {
		w.overdue = true
		l.overdue++
	}
}
