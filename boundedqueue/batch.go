package boundedqueue

import (
	"context"
	"runtime"
)

// PutBatch appends vs in order and contiguously: no value of another put comes
// between them. vs[:n] went in, and vs[n:] never will.
//
//   - Under Block it takes what fits and waits with the rest, at the head of
//     the puts that wait, so that vs may be longer than the capacity. If ctx is
//     done or the queue closed meanwhile, n < len(vs) and the error says why.
//   - Under Reject it takes what fits, and n < len(vs) comes with ErrFull.
//   - Under DropOldest n = len(vs). The oldest make room; of more values than
//     the capacity the last ones stay.
//
// Context and closing are checked first, as in Put, also for an empty vs. vs is
// not kept after the return. O(len(vs)), under one lock, no allocation except
// as in Put, and at most one for the victims.
func (q *Queue[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	if q == nil {
		panic(nilQueue)
	}
	if ctx.Err() != nil {
		return 0, q.refuse(ctx)
	}
	q.usable(zeroQueue)
	var done <-chan struct{}
	for look := 0; ; look++ {
		q.lock()
		if q.closed {
			q.mu.Unlock()
			return 0, ErrClosed
		}
		if q.overflow != Block || len(vs) <= q.max-q.n {
			break
		}
		// Whatever part of the batch is in, the rest must follow at once or
		// stand at the head of the line: it may wait without a place only as a
		// whole.
		whole := q.putting.head == nil && q.n == q.max
		if look > 0 && !whole || look > q.looks() {
			break
		}
		q.mu.Unlock()
		if look == 0 {
			done = ctx.Done() // the user's code, hence without the lock
		}
		if whole {
			runtime.Gosched()
		}
	}
	var woken line[T]
	n = q.serve(vs, &woken)
	switch {
	case n == len(vs):
	case q.overflow == DropOldest:
		return q.displace(vs, n, &woken), nil
	case q.overflow == Reject:
		q.rejected += uint64(len(vs) - n)
		err = ErrFull
	default:
		woken.wake() // under the lock for once: the place in the line must not be lost
		return q.waitBatch(ctx, done, vs, n)
	}
	q.settle()
	q.mu.Unlock()
	woken.wake()
	return n, err
}

// serve gives the values of vs to the gets that wait, and to the ring as far as
// it has room and nobody waits for that; it returns how many it gave.
func (q *Queue[T]) serve(vs []T, woken *line[T]) (n int) {
	for w := q.getting.head; w != nil && n < len(vs); w = q.getting.head {
		w.done = copy(w.vals, vs[n:])
		n += w.done
		q.gets += uint64(w.done)
		q.getting.release(woken)
	}
	k := min(len(vs)-n, q.max-q.n)
	q.push(vs[n : n+k])
	return n + k
}

// displace puts what is left of a batch, vs[n:], into a full queue under
// DropOldest, and unlocks.
func (q *Queue[T]) displace(vs []T, n int, woken *line[T]) int {
	rest := vs[n:]
	through := rest[:max(0, len(rest)-q.max)] // these go in and out again
	var victims []T
	if q.onDrop != nil {
		victims = make([]T, min(len(rest), q.n), len(rest))
	}
	q.evict(min(len(rest), q.n), victims)
	q.push(rest[len(through):])
	q.dropped += uint64(len(rest))
	q.settle()
	q.mu.Unlock()
	woken.wake()
	if q.onDrop != nil {
		q.tellAll(append(victims, through...))
	}
	return len(vs)
}

// evict removes the first n values, into victims if that is not nil.
func (q *Queue[T]) evict(n int, victims []T) {
	if victims != nil {
		q.pop(victims)
		return
	}
	for range n {
		q.popOne()
	}
}

// waitBatch waits with vs[n:] at the end of the line, where nobody is before it
// if part of the batch is in. It is entered with the lock held.
func (q *Queue[T]) waitBatch(ctx context.Context, done <-chan struct{}, vs []T, n int) (int, error) {
	w := q.newWaiter(done)
	w.vals, w.done = vs[n:], n
	q.putWaits++
	err := q.park(ctx, done, &q.putting, w)
	n = w.done
	q.recycle(w)
	return n, err
}

// GetBatch waits while the queue is empty and open, then moves what is there to
// dst, in order and without waiting for more: 1 <= n <= len(dst), and never
// less than the lesser of len(dst) and what it found. dst[n:] is not touched,
// and nothing is written with an error, which is as in Get. For an empty dst it
// returns (0, nil) at once if ctx is not done. O(n), under one lock, no
// allocation except in a wait as in Put.
func (q *Queue[T]) GetBatch(ctx context.Context, dst []T) (n int, err error) {
	if q == nil {
		panic(nilQueue)
	}
	if ctx.Err() != nil {
		return 0, q.refuse(ctx)
	}
	q.usable(zeroQueue)
	if len(dst) == 0 {
		return 0, nil
	}
	var done <-chan struct{}
	for look := 0; ; look++ {
		q.lock()
		if q.n > 0 {
			n = q.pop(dst)
			q.gets += uint64(n)
			q.admitAndUnlock()
			return n, nil
		}
		if q.closed {
			q.mu.Unlock()
			return 0, ErrClosed
		}
		crowded := q.getting.head != nil
		if look > 0 && crowded || look > q.looks() {
			break
		}
		q.mu.Unlock()
		if look == 0 {
			done = ctx.Done()
		}
		if !crowded {
			runtime.Gosched()
		}
	}
	w := q.newWaiter(done)
	w.vals = dst
	q.getWaits++
	err = q.park(ctx, done, &q.getting, w)
	n = w.done
	q.recycle(w)
	return n, err
}
