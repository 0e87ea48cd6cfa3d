package slidingwindow

import (
	"iter"
	"time"
)

// CounterConfig configures a Counter.
type CounterConfig struct {
	// Window is the length of the window. Required, at most 1<<62 ns. It must
	// be a whole number of nanoseconds times Buckets.
	Window time.Duration

	// Buckets is the number of parts the window moves by. 0 means 10; at most
	// 1<<20.
	Buckets int

	// EventTime makes the time of the events (AddAt) the time of the window: it
	// ends at the newest event instead of now.
	EventTime bool

	// MaxAhead is how far, with EventTime, an event may lie after the wall
	// clock; later ones are refused. 0 means one minute.
	MaxAhead time.Duration
}

// Counter counts events, or any non-negative amounts, over the last Window.
// Create it with NewCounter. All methods are safe for concurrent use. A Counter
// has no goroutine and needs no Close; it must not be copied.
//
// An event is in the sum for at least Window - Window/Buckets and for less than
// Window. A sum that would pass MaxInt64 is MaxInt64.
type Counter struct{ ring ring }

// NewCounter returns an empty Counter of 16 bytes a bucket, and about 200 more.
// An error matches ErrConfig and names the field at fault.
func NewCounter(config CounterConfig) (*Counter, error) {
	g, err := newGrid(config)
	if err != nil {
		return nil, err
	}
	c := new(Counter)
	c.ring.init(g, 1)
	return c, nil
}

// Add counts n now. n = 0 does nothing; a negative n is ignored and counted in
// Stats. With EventTime it is AddAt(time.Now(), n). O(1), lock-free except for
// the first event of each bucket, no allocation.
func (c *Counter) Add(n int64) { c.ring.add(0, n) }

// AddAt counts n at time t, in the bucket of t, whatever the order of arrival.
// An event that is older than the window is dropped and counted in Stats.Late.
//
// Without EventTime the window ends now, and a t after now counts as now. A t
// before New is as good as any.
//
// With EventTime the window ends with the bucket of the newest event that was
// accepted, and never moves back. The first event may be as old as it likes. An
// event that would move the window on and lies more than MaxAhead after
// time.Now is dropped, counted in Stats.Early, and moves nothing, so that one
// bad timestamp cannot empty the window. Years before 1678 are late, years
// after 2262 early.
//
// O(1), lock-free for events in the newest bucket, no allocation. With
// EventTime it reads no clock except when the window moves.
func (c *Counter) AddAt(t time.Time, n int64) { c.ring.addAt(t, 0, n) }

// Sum returns the sum of the window. Concurrent with calls of Add it lies
// between the sums before and after them, except for a bucket that expires in
// that moment. O(Buckets), no lock, no allocation.
func (c *Counter) Sum() int64 {
	e := c.ring.current()
	at, ok := c.ring.instant(e)
	if !ok {
		return 0
	}
	return c.ring.sum(e, at, 0)
}

// Rate returns the sum per second of the time that the window covers: since New
// or Reset at first, later from the start of the oldest bucket to now, and
// never less than Window/Buckets, so that one event after a microsecond is not
// a rate of a million. With EventTime, now is the time of the newest event, and
// the age of the window counts from the start of the bucket of the first event.
// It is 0 without events, and never NaN or infinite. O(Buckets), no lock, no
// allocation.
func (c *Counter) Rate() float64 {
	e := c.ring.current()
	at, ok := c.ring.instant(e)
	if !ok {
		return 0
	}
	return float64(c.ring.sum(e, at, 0)) / time.Duration(c.ring.covered(e, at)).Seconds()
}

// All yields start and sum of each bucket of the window, oldest first, empty
// ones too: always Buckets of them, the last that of now. An EventTime window
// yields none before the first event. The clock is read when the loop starts. A
// sum is that of the moment in which it is yielded, and 0 if the bucket has
// expired since and its place has been reused: not a snapshot. No lock is held,
// the body may call the Counter.
func (c *Counter) All() iter.Seq2[time.Time, int64] {
	c.ring.current()
	return func(yield func(time.Time, int64) bool) {
		r, e := &c.ring, c.ring.current()
		at, ok := r.instant(e)
		if !ok {
			return
		}
		last := r.start(at.end)
		for age := r.buckets - 1; age >= 0; age-- {
			bucket := at.end - age
			if !yield(last.Add(-time.Duration(age*r.width)), e.count(r.offset(bucket), bucket, 0)) {
				return
			}
		}
	}
}

// Reset empties the window and starts its age anew; with EventTime it forgets
// the newest event. Stats keep counting. A concurrent Add lands before it or
// after it. O(Buckets).
func (c *Counter) Reset() { c.ring.reset() }

// Stats returns what has been refused.
func (c *Counter) Stats() Stats {
	c.ring.current()
	return c.ring.refused.stats()
}
