package boundedqueue

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// waiter is a parked call. It carries the work rather than a request to try
// again: whoever frees a slot takes the values out of a waiting put, whoever
// brings values writes them where the waiting get wants them, and the call that
// wakes up finds it done. The fields belong to the mutex while the waiter is
// queued; the wake-up passes them to the caller.
type waiter[E any] struct {
	next, prev *waiter[E]
	vals       []E  // of a put: still to be taken; of a get: still to be filled
	done       int  // values moved so far
	queued     bool // stands in a line
	closed     bool // taken out of the line by Close
	one        [1]E // what vals points to in a call for one value

	// A call that cannot be cancelled sleeps on cond and uses its waiter again.
	// One that can be sleeps on ready, which is new for each wait: a channel
	// belongs to the synctest bubble that made it. A Cond belongs to none.
	ready chan struct{}
	cond  sync.Cond
	woken atomic.Bool // says to the race detector what Signal says to Wait
}

// parkLock is the mutex of a queue as a sync.Cond sees it. Wait draws a ticket,
// unlocks and sleeps; a Signal that comes in between is not lost. It locks
// again in vain, because by then the waiter belongs to its caller alone.
type parkLock sync.Mutex

// Lock does nothing.
func (*parkLock) Lock() {}

// Unlock unlocks the queue.
func (l *parkLock) Unlock() {
	(*sync.Mutex)(l).Unlock()
	chaos.Point("boundedqueue: unlocked, not yet parked")
}

// wake ends the wait. It must come after the unlock, where the sleeper does not
// run into a lock that is taken, and it is the last that its caller may do with
// the waiter.
func (w *waiter[E]) wake() {
	if w.ready != nil {
		w.ready <- struct{}{} // never blocks: the buffer is for this one value
		return
	}
	w.woken.Store(true)
	w.cond.Signal()
}

// line is a queue of waiters, first come first served: an intrusive list, so
// that one in the middle leaves in O(1).
type line[E any] struct {
	head, tail *waiter[E]
	len        int
}

func (l *line[E]) push(w *waiter[E]) {
	w.prev = l.tail
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	l.len++
}

// remove takes w out wherever it stands, and lets go of its neighbours.
func (l *line[E]) remove(w *waiter[E]) {
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev = nil, nil
	l.len--
}

// release moves the head of l, whose wait is over, to those to wake.
func (l *line[E]) release(woken *line[E]) {
	w := l.head
	l.remove(w)
	w.queued = false
	woken.push(w)
}

// wake wakes everybody in a line of released waiters.
func (l *line[E]) wake() {
	for w := l.head; w != nil; {
		next := w.next // before w belongs to somebody else
		w.next, w.prev = nil, nil
		w.wake()
		w = next
	}
}

// mostLooks bounds how often a call yields before it parks. To park and be
// woken costs several times a yield, and a yield is likely to bring a goroutine
// that makes room for many. But it stays small: in a bubble time stands still
// until the call parks, and on an idle processor a yield is just time spent.
const mostLooks = 2

// looks returns how often a call looks again in vain before it parks, after a
// first yield: where there is one slot, a yield cannot bring more than one
// value, and one less is better.
func (c *core[E]) looks() int { return min(mostLooks, c.max) }

// idleWaiters bounds the waiters that a queue keeps for later, at about
// slotBytes in all: a crowd larger than that allocates.
const idleWaiters = 64

// newWaiter returns a waiter for a call that done may cancel, or that nothing
// can if done is nil. It requires the lock.
func (c *core[E]) newWaiter(done <-chan struct{}) *waiter[E] {
	if done != nil {
		return &waiter[E]{ready: make(chan struct{}, 1)}
	}
	w := c.idle
	if w == nil {
		w = new(waiter[E])
		w.cond.L = (*parkLock)(&c.mu)
		return w
	}
	c.idle, w.next = w.next, nil
	c.idleLen--
	return w
}

// recycle keeps w for the next call that waits, without the values in it. After
// Close there will be none.
func (c *core[E]) recycle(w *waiter[E]) {
	if w.ready != nil {
		return
	}
	w.one, w.vals, w.done, w.closed = [1]E{}, nil, 0, false
	w.woken.Store(false)
	c.lock()
	defer c.mu.Unlock()
	if !c.closed && c.idleLen < min(idleWaiters, slots[E](idleWaiters)) {
		c.idle, w.next = w, c.idle
		c.idleLen++
	}
}

// park puts w at the end of l and sleeps until somebody takes it out, or ctx is
// done. It is entered with the lock held and returns without. Exactly one of
// three ends the wait, decided under the lock: the work was done (nil), the
// queue was closed, or ctx was done. In the last two cases w.done says how much
// had been done before.
func (c *core[E]) park(ctx context.Context, done <-chan struct{}, l *line[E], w *waiter[E]) error {
	w.queued = true
	l.push(w)
	c.settle()
	if done == nil {
		w.cond.Wait() // unlocks
		w.woken.Load()
	} else {
		c.mu.Unlock()
		chaos.Point("boundedqueue: unlocked, not yet parked")
		select {
		case <-w.ready:
		case <-done:
			chaos.Point("boundedqueue: cancelled, still queued")
			if c.leave(l, w) {
				return ctxerr.Of(ctx)
			}
		}
	}
	chaos.Point("boundedqueue: woken")
	if w.closed {
		return ErrClosed
	}
	return nil
}

// leave takes w out of l, unless its wait is already over, and reports whether
// it did. Nobody else has to be woken for it: while puts wait the queue is full
// with or without w, and while gets wait it is empty.
func (c *core[E]) leave(l *line[E], w *waiter[E]) bool {
	c.lock()
	defer c.mu.Unlock()
	if !w.queued {
		return false
	}
	l.remove(w)
	w.queued = false
	c.settle()
	return true
}
