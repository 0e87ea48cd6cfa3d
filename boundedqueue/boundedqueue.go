// Package boundedqueue passes values from goroutines that make them to
// goroutines that use them, through a first-in-first-out queue of bounded
// length.
//
// A producer that is too fast waits, is refused, or pushes the oldest value
// out, as configured. Calls that wait take a context, failures say why, batches
// stay together, and Close loses nothing.
//
//	q, err := boundedqueue.New(boundedqueue.Config[Job]{Capacity: 100})
//	if err != nil { ... }
//	go func() { // any number of producers and consumers
//		for job := range q.All(ctx) {
//			job.Run()
//		}
//	}()
//	err = q.Put(ctx, job) // waits for room; nil, ErrClosed, or the error of ctx
//	q.Close()             // no more puts; what is in is still consumed
//
// # Choosing
//
// A buffered channel is the queue of the language, and does one thing that a
// Queue cannot: a select over several of them. Use a channel for that, and
// where the capacity is one and every value makes somebody wait: it parks
// goroutines under its own lock, and takes a third to four fifths of the time.
// Use a Queue
//
//   - to wait under a context: a select with ctx.Done() locks two channels,
//     where a Queue that need not wait looks at the context once;
//   - to end: a send on a closed channel panics, a Put into a closed Queue
//     returns [ErrClosed], and [Queue.CloseAndDrain] returns what is left;
//   - for batches: [Queue.PutBatch] and [Queue.GetBatch] move many values
//     under one lock;
//   - to drop the oldest value and to know which one it was ([DropOldest],
//     Config.OnDrop), or to be told at once that there is no room ([Reject],
//     [Queue.TryPut]);
//   - to see what goes on ([Queue.Stats]).
//
// [Priority] returns the most urgent value first. To limit how much runs at a
// time rather than how much waits, use a semaphore (golang.org/x/sync); to
// limit how much starts per second, use package tokenbucket. Lock-free rings
// such as xsync.MPMCQueue are faster still, up to five times between many
// goroutines, for those who can do without waiting (they spin), an exact
// capacity, and an end.
//
// # Algorithm
//
// A ring of slots under one mutex, and two lines of waiting calls:
//
//	waiting puts            ring                  waiting gets
//	[p3] [p2] [p1]  -->  | d | c | b | a |  -->   (none: the ring is not empty)
//	(none: there is room)  |   |   |   |    -->   [g1] [g2]
//
// A put waits only while the ring is full, and a get only while it is empty, so
// that never both lines have somebody. A get takes the front and moves the
// value of the put that has waited longest into the room before it returns; a
// put that finds a waiting get hands it the value directly. The call that wakes
// up finds its work done and does not compete again: nobody overtakes, and no
// wake-up can be lost. This is the design of Go's own channels
// (runtime/chan.go) and of the Rust crate kanal. A waiting call leaves with its
// work: of a batch that waits, the values go in one by one as room is made,
// while it keeps its place at the head of the line, hence nothing comes between
// them.
//
// Three things make it faster than the channel it resembles. The path without
// waiting is one attempt to lock, one comparison and one slot. Whoever finds
// the mutex taken yields and tries again, since it is held for nanoseconds,
// instead of parking on it. And a call that would have to wait yields a few
// times before it parks, since a park and a wake-up cost several times a yield.
//
// On an AMD EPYC with 2 vCPUs and Go 1.26 a Put and a Get by one goroutine take
// about half the time of a channel, and a sixth of a select with ctx.Done(); in
// batches of 64 a value takes a tenth of its time in a channel. With several
// producers and consumers and a capacity of 16 or more the channel takes 1.1 to
// 3 times as long (internal/benchmarks).
//
// Priority keeps its values in a binary heap (Williams, 1964) by rank and order
// of admission, under the same lock and lines.
//
// # Concurrency
//
// All methods are safe for concurrent use and linearizable: they have the
// results of some sequential order that agrees with real time, Len, Peek and
// Stats included. A batch that waits, or that several waiting gets share, is in
// this order one put for each value, with no other put between them. So TryPut
// returns ErrFull only if the queue was full at some instant of the call, and
// TryGet ErrEmpty only if it was empty. A put happens before the get of its
// value returns, and the k'th get happens before the (k+Cap)'th put returns, as
// with a channel.
//
// Of a hand-over, a cancellation and a Close that meet exactly one wins: a get
// that was handed a value returns it, also when its context is done by then; a
// put that failed has not put its value; a put that returned nil has its value
// delivered, drained, or dropped by policy. A done context is checked first and
// is always an error without effect.
//
// OnDrop and the methods of a context are called without a lock held. Parked
// calls use no processor time, and are durably blocked in a testing/synctest
// bubble; a queue that was made outside of a bubble may be used in one, and in
// several one after the other. There are no goroutines, timers or finalizers,
// and no clock is read.
//
// # Limits
//
// The memory of the slots grows by doubling up to the capacity, does not shrink
// while the queue is open, and is released when a closed queue runs empty; the
// put that makes it grow copies the ring under the lock. One lock serves all
// processors: nothing has been measured beyond two. An open Queue keeps up to
// 64 waiters for calls to come. In a Priority large ranks starve while smaller
// ones keep coming, and an urgent put that waits for room is admitted in the
// order of arrival.
package boundedqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

var (
	// ErrConfig matches every error of New and NewPriority.
	ErrConfig = errors.New("boundedqueue: invalid config")

	// ErrClosed is returned by puts after Close, by gets once the queue is
	// closed and empty, and by every waiting call that Close wakes.
	ErrClosed = errors.New("boundedqueue: queue closed")

	// ErrFull is returned by TryPut, and by Put and PutBatch under Reject, when
	// there is no room.
	ErrFull = errors.New("boundedqueue: queue full")

	// ErrEmpty is returned by TryGet when the queue is open and empty.
	ErrEmpty = errors.New("boundedqueue: queue empty")

	// errWait tells a slow path that the call has to wait.
	errWait = errors.New("boundedqueue: must wait")
)

// What the panics say.
const (
	nilQueue     = "boundedqueue: nil Queue"
	zeroQueue    = "Queue not made by New"
	nilPriority  = "boundedqueue: nil Priority"
	zeroPriority = "Priority not made by NewPriority"
)

// Overflow says what a put does when the queue is full.
type Overflow uint8

// The policies for a full queue.
const (
	Block      Overflow = iota // Put waits for room
	Reject                     // Put returns ErrFull at once; the caller keeps the value
	DropOldest                 // Put succeeds; the oldest value leaves the queue and goes to OnDrop
)

// Config configures New. The zero value is invalid: Capacity is required.
type Config[T any] struct {
	// Capacity is the largest number of values the queue holds, exactly: it is
	// not rounded. Required, at least 1. Memory grows with use, so that a huge
	// Capacity costs nothing until it is used.
	Capacity int

	// Overflow is the policy for a full queue; the default is Block.
	Overflow Overflow

	// OnDrop, if set, receives each value that DropOldest removed: exactly
	// once, without a lock held, on the goroutine of the put that caused it and
	// before that put returns; oldest first within one call, in no order
	// between concurrent calls. It may call the queue and may panic: the put
	// has taken effect, and the other victims of the same call are reported
	// before the panic goes on. It is never called under Block and Reject.
	OnDrop func(v T)
}

// Queue is a bounded FIFO queue. Create it with New; it must not be copied. All
// methods may be called concurrently, and panic on a nil Queue. In a zero Queue
// puts and gets panic as well, and the other methods return zero values. A
// Queue has no goroutine and no timer: one that is no longer referred to is
// garbage, closed or not.
type Queue[T any] struct {
	core[T]
	overflow Overflow
	onDrop   func(v T)
}

// New returns an empty queue. An error matches ErrConfig and names the field at
// fault. It allocates at most 1024 slots and 64 KiB, whatever the capacity.
func New[T any](cfg Config[T]) (*Queue[T], error) {
	if cfg.Overflow > DropOldest {
		return nil, fmt.Errorf("%w: Overflow must be Block, Reject or DropOldest, got %d", ErrConfig, cfg.Overflow)
	}
	q := &Queue[T]{overflow: cfg.Overflow, onDrop: cfg.OnDrop}
	if err := q.init("Capacity", cfg.Capacity); err != nil {
		return nil, err
	}
	return q, nil
}

// Put appends v, and under Block waits while the queue is full. Puts that wait
// are admitted in the order of their arrival. A nil error means that v is in
// the queue or has been delivered; with an error it is not and never will be:
//
//   - that of ctx, if ctx is done before or while Put waits; it matches
//     ctx.Err() and context.Cause(ctx). A done ctx wins over everything else,
//     and has no effect.
//   - ErrClosed, if the queue is closed or gets closed during the wait.
//   - ErrFull, under Reject.
//
// O(1), amortised over the growth of the ring. No allocation except for that
// growth and in a wait: none if ctx cannot be cancelled, else at most two.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	if q == nil {
		panic(nilQueue)
	}
	if ctx.Err() != nil {
		return q.refuse(ctx)
	}
	if !q.mu.TryLock() {
		lockSlow(&q.mu)
	}
	// The short way, here and in the three methods below, is written out by
	// hand: through shared helpers a pair of calls takes half as long again.
	if q.n < q.limit {
		i := uint(q.head) + uint(q.n)
		if i >= uint(len(q.buf)) {
			i -= uint(len(q.buf))
		}
		q.buf[i] = v
		q.n++
		if q.n > q.high {
			q.high = q.n
		}
		q.mu.Unlock()
		return nil
	}
	return q.putSlow(ctx, v)
}

// TryPut is Put without waiting: ErrFull if the queue is full at some instant
// of the call, under Reject as well as Block, and ErrClosed after Close. While
// a Put waits the queue is full. O(1), no allocation except for growth.
func (q *Queue[T]) TryPut(v T) error {
	if q == nil {
		panic(nilQueue)
	}
	if !q.mu.TryLock() {
		lockSlow(&q.mu)
	}
	if q.n < q.limit {
		i := uint(q.head) + uint(q.n)
		if i >= uint(len(q.buf)) {
			i -= uint(len(q.buf))
		}
		q.buf[i] = v
		q.n++
		if q.n > q.high {
			q.high = q.n
		}
		q.mu.Unlock()
		return nil
	}
	return q.putOne(v, false)
}

// Get takes the front, and waits while the queue is empty and open. Gets that
// wait are served in the order of their arrival. After Close it drains what is
// left, then returns ErrClosed. A ctx that is done before or while Get waits is
// an error that matches ctx.Err() and context.Cause(ctx), and then no value has
// been taken; one that had been handed over when ctx was done is returned with
// a nil error. O(1), no allocation except in a wait as in Put.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	if q == nil {
		panic(nilQueue)
	}
	if ctx.Err() != nil {
		var zero T
		return zero, q.refuse(ctx)
	}
	if !q.mu.TryLock() {
		lockSlow(&q.mu)
	}
	if q.n > q.floor {
		var zero T
		i := uint(q.head)
		v := q.buf[i]
		q.buf[i] = zero
		i++
		if i == uint(len(q.buf)) {
			i = 0
		}
		q.head = int(i)
		q.n--
		q.gets++
		q.mu.Unlock()
		return v, nil
	}
	return q.getSlow(ctx)
}

// TryGet is Get without waiting: ErrEmpty if the queue is open and empty at
// some instant of the call, ErrClosed once it is closed and empty. O(1), no
// allocation.
func (q *Queue[T]) TryGet() (T, error) {
	if q == nil {
		panic(nilQueue)
	}
	if !q.mu.TryLock() {
		lockSlow(&q.mu)
	}
	if q.n > q.floor {
		var zero T
		i := uint(q.head)
		v := q.buf[i]
		q.buf[i] = zero
		i++
		if i == uint(len(q.buf)) {
			i = 0
		}
		q.head = int(i)
		q.n--
		q.gets++
		q.mu.Unlock()
		return v, nil
	}
	return q.getOne(false)
}

// All returns an iterator each of whose steps is a Get(ctx). It ends when the
// queue is closed and empty or ctx is done; ctx.Err() tells which. No lock is
// held while the body runs, which may do anything with the queue. After a break
// the value of that step is consumed and the rest is still there. It may be
// ranged over again, and by several goroutines, who share the values out.
func (q *Queue[T]) All(ctx context.Context) iter.Seq[T] {
	if q == nil {
		panic(nilQueue)
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

// Peek returns the value that the next get would return, and false if there is
// none. O(1), no allocation.
func (q *Queue[T]) Peek() (v T, ok bool) {
	if q == nil {
		panic(nilQueue)
	}
	q.lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return v, false
	}
	return q.buf[q.head], true
}

// Len returns the number of values in the queue at one instant of the call.
// O(1), no allocation.
func (q *Queue[T]) Len() int {
	if q == nil {
		panic(nilQueue)
	}
	return q.length()
}

// Cap returns the capacity.
func (q *Queue[T]) Cap() int {
	if q == nil {
		panic(nilQueue)
	}
	return q.max
}

// Close lets no more values in. Every put that waits returns ErrClosed, its
// value not in the queue, and so does every get that waits: the queue is empty
// then. What is in the queue can still be got. Close may be called again, and
// concurrently with everything. O(calls that wait).
func (q *Queue[T]) Close() {
	if q == nil {
		panic(nilQueue)
	}
	if q.max == 0 {
		return
	}
	var woken line[T]
	q.lock()
	q.close(&woken)
	q.settle()
	q.mu.Unlock()
	woken.wake()
}

// CloseAndDrain closes the queue and takes what is left, in order, in one
// atomic step; nil if nothing is left. The values count as Gets. After Close it
// takes what is left; of two concurrent calls each value goes to one. O(values
// + calls that wait).
func (q *Queue[T]) CloseAndDrain() []T {
	if q == nil {
		panic(nilQueue)
	}
	if q.max == 0 {
		return nil
	}
	var woken line[T]
	var rest []T
	q.lock()
	q.close(&woken)
	if q.n > 0 {
		rest = make([]T, q.n)
		q.gets += uint64(q.pop(rest))
	}
	q.settle()
	q.mu.Unlock()
	woken.wake()
	return rest
}

// refuse returns the error of a ctx that is done.
func (q *Queue[T]) refuse(ctx context.Context) error {
	q.usable(zeroQueue)
	return ctxerr.Of(ctx)
}

// mustWait tells the answer errWait, which is nobody else's and never wrapped,
// from the others.
func mustWait(err error) bool {
	return err == errWait //nolint:errorlint // see above
}

// putSlow is Put when the short way is closed; it is entered with the lock
// held.
func (q *Queue[T]) putSlow(ctx context.Context, v T) error {
	err := q.putOne(v, true)
	if !mustWait(err) {
		return err
	}
	crowded := q.putting.head != nil // looking again is in vain: those in the line come first
	q.mu.Unlock()
	done := ctx.Done() // the user's code, hence without the lock
	for look := 0; ; look++ {
		if !crowded {
			runtime.Gosched()
		}
		q.lock()
		if err = q.putOne(v, true); !mustWait(err) {
			return err
		}
		if crowded || look == q.looks() || q.putting.head != nil {
			break
		}
		q.mu.Unlock()
	}
	w := q.newWaiter(done)
	w.one[0] = v
	w.vals = w.one[:]
	q.putWaits++
	err = q.park(ctx, done, &q.putting, w)
	q.recycle(w)
	return err
}

// putOne does what a put of one value can do at once. It is entered with the
// lock held and releases it, except that it keeps it and returns errWait if the
// put has to and may wait.
func (q *Queue[T]) putOne(v T, mayWait bool) error {
	if q.max == 0 {
		q.mu.Unlock()
		q.usable(zeroQueue)
	}
	switch {
	case q.closed:
		q.mu.Unlock()
		return ErrClosed
	case q.getting.head != nil:
		q.handOver(v)
	case q.n < q.max:
		q.grow(q.n + 1)
		q.buf[q.tail()] = v
		q.n++
		q.high = max(q.high, q.n)
		q.settle()
		q.mu.Unlock()
	case q.overflow == DropOldest:
		victim := q.buf[q.head] // the ring has no free slot: the first is also the next
		q.buf[q.head] = v
		q.skip(1)
		q.n++
		q.dropped++
		q.mu.Unlock()
		q.tell(victim)
	case mayWait && q.overflow == Block:
		return errWait
	default:
		q.rejected++
		q.mu.Unlock()
		return ErrFull
	}
	return nil
}

// handOver gives v to the get that has waited longest, which for a GetBatch is
// all it gets.
func (q *Queue[T]) handOver(v T) {
	w := q.getting.head
	w.vals[0] = v
	w.done = 1
	q.getting.remove(w)
	w.queued = false
	q.gets++
	q.settle()
	q.mu.Unlock()
	w.wake()
}

// getSlow is Get when the short way is closed; it is entered with the lock
// held.
func (q *Queue[T]) getSlow(ctx context.Context) (T, error) {
	v, err := q.getOne(true)
	if !mustWait(err) {
		return v, err
	}
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
	v = w.one[0]
	q.recycle(w)
	return v, err
}

// getOne is to a get what putOne is to a put.
func (q *Queue[T]) getOne(mayWait bool) (v T, err error) {
	if q.max == 0 {
		q.mu.Unlock()
		q.usable(zeroQueue)
	}
	switch {
	case q.n > 0:
		v = q.popOne()
		q.gets++
		q.admitAndUnlock()
		return v, nil
	case q.closed:
		q.mu.Unlock()
		return v, ErrClosed
	case mayWait:
		return v, errWait
	default:
		q.mu.Unlock()
		return v, ErrEmpty
	}
}

// admitAndUnlock ends a get: it fills the room with what the puts that wait
// longest bring, so that no later put can come in between.
func (q *Queue[T]) admitAndUnlock() {
	var woken line[T]
	for w := q.putting.head; w != nil && q.n < q.max; w = q.putting.head {
		k := min(q.max-q.n, len(w.vals))
		q.push(w.vals[:k])
		w.vals = w.vals[k:]
		w.done += k
		if len(w.vals) == 0 {
			q.putting.release(&woken)
		}
	}
	q.settle()
	q.mu.Unlock()
	woken.wake()
}
