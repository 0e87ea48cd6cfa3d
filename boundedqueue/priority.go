package boundedqueue

import (
	"context"
	"iter"
	"runtime"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// Priority is a bounded queue that returns the smallest rank first, first in
// first out among equal ranks. A rank is a lane number, 0 being the most
// urgent, or a due time in Unix nanoseconds; any int64 will do. Create it with
// NewPriority; it must not be copied. All methods may be called concurrently,
// and treat nil and zero values, contexts and closing as those of Queue do.
//
// Put waits for room. Puts that wait are admitted in the order of their
// arrival, whatever their rank: a get takes the best of the admitted values and
// then admits the put that has waited longest. So an urgent value may wait for
// as many gets as puts have come before it. Large ranks starve while smaller
// ones keep coming.
type Priority[T any] struct {
	core[entry[T]]
	seq uint64 // of the last admission
}

// NewPriority returns an empty queue for at most capacity values. An error
// matches ErrConfig. It allocates at most 1024 slots and 64 KiB, whatever the
// capacity.
func NewPriority[T any](capacity int) (*Priority[T], error) {
	q := new(Priority[T])
	if err := q.init("capacity", capacity); err != nil {
		return nil, err
	}
	return q, nil
}

// Put inserts v, and waits while the queue is full. Errors and allocations are
// those of Queue.Put. O(log n).
func (q *Priority[T]) Put(ctx context.Context, rank int64, v T) error {
	if q == nil {
		panic(nilPriority)
	}
	if ctx.Err() != nil {
		return q.refuse(ctx)
	}
	q.usable(zeroPriority)
	q.lock()
	if q.n < q.limit {
		q.insert(&entry[T]{rank: rank, v: v})
		q.mu.Unlock()
		return nil
	}
	return q.putSlow(ctx, &entry[T]{rank: rank, v: v})
}

// TryPut is Put without waiting: ErrFull if the queue is full, ErrClosed after
// Close. While a Put waits the queue is full. O(log n).
func (q *Priority[T]) TryPut(rank int64, v T) error {
	if q == nil {
		panic(nilPriority)
	}
	q.usable(zeroPriority)
	q.lock()
	return q.putOne(&entry[T]{rank: rank, v: v}, false)
}

// Get takes the value of the smallest rank, the first of those that came with
// the same, and waits while the queue is empty and open. After Close it drains
// what is left, then returns ErrClosed. Errors and allocations are those of
// Queue.Get. O(log n).
func (q *Priority[T]) Get(ctx context.Context) (T, error) {
	if q == nil {
		panic(nilPriority)
	}
	if ctx.Err() != nil {
		var zero T
		return zero, q.refuse(ctx)
	}
	q.usable(zeroPriority)
	q.lock()
	v, err := q.getOne(true)
	if !mustWait(err) {
		return v, err
	}
	return q.getSlow(ctx)
}

// TryGet is Get without waiting: ErrEmpty if the queue is open and empty,
// ErrClosed once it is closed and empty. O(log n).
func (q *Priority[T]) TryGet() (T, error) {
	if q == nil {
		panic(nilPriority)
	}
	q.usable(zeroPriority)
	q.lock()
	return q.getOne(false)
}

// All returns an iterator each of whose steps is a Get(ctx); see Queue.All.
func (q *Priority[T]) All(ctx context.Context) iter.Seq[T] {
	if q == nil {
		panic(nilPriority)
	}
	return func(yield func(T) bool) {
		for q.max > 0 {
			v, err := q.Get(ctx)
			if err != nil || !yield(v) {
				return
			}
		}
	}
}

// Peek returns the value that the next get would return and its rank, and false
// if there is none. O(1), no allocation.
func (q *Priority[T]) Peek() (v T, rank int64, ok bool) {
	if q == nil {
		panic(nilPriority)
	}
	q.lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return v, 0, false
	}
	return q.buf[0].v, q.buf[0].rank, true
}

// Len returns the number of values in the queue at one instant of the call.
// O(1), no allocation.
func (q *Priority[T]) Len() int {
	if q == nil {
		panic(nilPriority)
	}
	return q.length()
}

// Cap returns the capacity.
func (q *Priority[T]) Cap() int {
	if q == nil {
		panic(nilPriority)
	}
	return q.max
}

// Close lets no more values in and wakes everybody who waits; see Queue.Close.
func (q *Priority[T]) Close() {
	if q == nil {
		panic(nilPriority)
	}
	if q.max == 0 {
		return
	}
	var woken line[entry[T]]
	q.lock()
	q.close(&woken)
	q.settle()
	q.mu.Unlock()
	woken.wake()
}

// CloseAndDrain closes the queue and takes what is left, in the order of gets,
// in one atomic step; see Queue.CloseAndDrain. O(n log n).
func (q *Priority[T]) CloseAndDrain() []T {
	if q == nil {
		panic(nilPriority)
	}
	if q.max == 0 {
		return nil
	}
	var woken line[entry[T]]
	var rest []T
	q.lock()
	q.close(&woken)
	if q.n > 0 {
		rest = make([]T, q.n)
		for i := range rest {
			rest[i] = q.remove()
		}
	}
	q.settle()
	q.mu.Unlock()
	woken.wake()
	return rest
}

// refuse returns the error of a ctx that is done.
func (q *Priority[T]) refuse(ctx context.Context) error {
	q.usable(zeroPriority)
	return ctxerr.Of(ctx)
}

// insert admits e; there is room below max.
func (q *Priority[T]) insert(e *entry[T]) {
	q.grow(q.n + 1)
	q.seq++
	e.seq = q.seq
	q.n++
	q.high = max(q.high, q.n)
	up(q.buf[:q.n], q.n-1, e)
}

// remove takes the front; the queue is not empty.
func (q *Priority[T]) remove() T {
	v := q.buf[0].v
	q.n--
	q.gets++
	last := q.buf[q.n]
	q.buf[q.n] = entry[T]{}
	if q.n > 0 {
		down(q.buf[:q.n], &last)
	}
	return v
}

// putOne does what a put can do at once. It is entered with the lock held and
// releases it, except that it keeps it and returns errWait if the put has to
// and may wait.
func (q *Priority[T]) putOne(e *entry[T], mayWait bool) error {
	var woken line[entry[T]]
	var err error
	switch {
	case q.closed:
		err = ErrClosed
	case q.getting.head != nil:
		q.getting.head.one[0] = *e // the queue is empty, so that e is the front
		q.gets++
		q.getting.release(&woken)
	case q.n < q.max:
		q.insert(e)
	case mayWait:
		return errWait
	default:
		q.rejected++
		err = ErrFull
	}
	q.settle()
	q.mu.Unlock()
	woken.wake()
	return err
}

// putSlow is Put when the short way is closed; it is entered with the lock
// held.
func (q *Priority[T]) putSlow(ctx context.Context, e *entry[T]) error {
	err := q.putOne(e, true)
	if !mustWait(err) {
		return err
	}
	crowded := q.putting.head != nil
	q.mu.Unlock()
	done := ctx.Done()
	for look := 0; ; look++ {
		if !crowded {
			runtime.Gosched()
		}
		q.lock()
		if err = q.putOne(e, true); !mustWait(err) {
			return err
		}
		if crowded || look == q.looks() || q.putting.head != nil {
			break
		}
		q.mu.Unlock()
	}
	w := q.newWaiter(done)
	w.one[0] = *e
	w.vals = w.one[:]
	q.putWaits++
	err = q.park(ctx, done, &q.putting, w)
	q.recycle(w)
	return err
}

// getOne is to a get what putOne is to a put. It takes the front first and then
// admits the put that has waited longest.
func (q *Priority[T]) getOne(mayWait bool) (v T, err error) {
	var woken line[entry[T]]
	switch {
	case q.n > 0:
		v = q.remove()
		if w := q.putting.head; w != nil {
			q.insert(&w.one[0])
			q.putting.release(&woken)
		}
	case q.closed:
		err = ErrClosed
	case mayWait:
		return v, errWait
	default:
		err = ErrEmpty
	}
	q.settle()
	q.mu.Unlock()
	woken.wake()
	return v, err
}

// getSlow is Get when the queue is empty and open; it is entered with the lock
// held.
func (q *Priority[T]) getSlow(ctx context.Context) (v T, err error) {
	crowded := q.getting.head != nil
	q.mu.Unlock()
	done := ctx.Done()
	for look := 0; ; look++ {
		if !crowded {
			runtime.Gosched()
		}
		q.lock()
		if v, err = q.getOne(true); !mustWait(err) {
			return v, err
		}
		if crowded || look == q.looks() || q.getting.head != nil {
			break
		}
		q.mu.Unlock()
	}
	w := q.newWaiter(done)
	w.vals = w.one[:]
	q.getWaits++
	err = q.park(ctx, done, &q.getting, w)
	v = w.one[0].v
	q.recycle(w)
	return v, err
}
