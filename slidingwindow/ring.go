package slidingwindow

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// ring holds the counts of the last buckets: the core of Counter and Counters.
//
// Adding to the newest bucket is lock-free, and that is where nearly every
// event goes. A new bucket, an older one, and the first of all take the mutex.
// Readers never do.
type ring struct {
	grid

	// era holds the counts. Reset replaces it as a whole: an Add that has
	// loaded the old one lands before the Reset, whatever bucket it goes to.
	era atomic.Pointer[era]

	outcomes int
	refused  refusals
	mu       sync.Mutex // whoever changes the number of a bucket holds mu
}

// era is what happened between two Resets.
type era struct {
	// words is a ring of buckets. The one at offset o is its number in
	// words[o], and behind it the counts of the outcomes:
	//
	//	o = 0            stride           2*stride
	//	| 40 | n0 n1 n2 | 41 | n0 n1 n2 | 32 | n0 n1 n2 | 33 | ...
	//	                  ^ newest        ^ expired with 41, not yet reused
	//
	// A bucket is reused by zeroing the counts and then storing the number; a
	// reader loads the number and then a count. So whoever sees a number sees
	// no count of an earlier owner. Number and count are two words: packed into
	// one, the number would have to be cut, and come round after an idle time.
	//
	// Nothing marks a bucket that was never used: its number is 0, its counts
	// are 0, and 0 in the position of bucket 0 is the truth.
	words []atomic.Int64

	// newest is the offset of the newest bucket, -1 before the first event of
	// an EventTime window. A store makes the bucket public: its counts are
	// zero and its number is there.
	newest atomic.Int64

	// latest is the time of the newest event of an EventTime window. It is
	// stored before newest.
	latest atomic.Int64

	// origin is since when events are counted: the time of New or Reset, or
	// with EventTime the number of the first event's bucket, written before
	// newest and never changed.
	origin int64
}

// init makes the ring empty; it is not yet shared.
func (r *ring) init(g grid, outcomes int) {
	r.grid, r.outcomes = g, outcomes
	r.era.Store(r.newEra())
}

func (r *ring) stride() int64 { return int64(r.outcomes) + 1 }

func (r *ring) offset(bucket int64) int64 { return r.position(bucket) * r.stride() }

func (r *ring) newEra() *era {
	e := &era{words: make([]atomic.Int64, r.buckets*r.stride())}
	if r.eventTime {
		e.newest.Store(-1)
		return e
	}
	e.origin = r.elapsed()
	bucket := r.number(e.origin)
	e.words[r.offset(bucket)].Store(bucket)
	e.newest.Store(r.offset(bucket))
	return e
}

// current returns the era in force.
func (r *ring) current() *era {
	e := r.era.Load()
	if e == nil {
		panic("slidingwindow: Counter or Counters not made by NewCounter or NewCounters")
	}
	return e
}

// reset starts a new era. What it replaces is garbage once the last Add that
// holds it has ended.
func (r *ring) reset() {
	r.current()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.era.Store(r.newEra())
}

// hot returns the offset of the newest bucket if at lies in it. One comparison
// does for both sides, since a distance below zero is a large unsigned number.
// The signs tell the two ends of the axis apart: the first bucket of all may
// begin before the smallest int64, that is, at a large one.
func (e *era) hot(at, width int64) (offset int64, ok bool) {
	offset = e.newest.Load()
	if offset < 0 {
		return 0, false
	}
	number := e.words[offset].Load()
	return offset, uint64(at-number*width) < uint64(width) && at^number >= 0
}

// add counts n now.
func (r *ring) add(outcome int, n int64) {
	e := r.current()
	if r.eventTime {
		r.addEvent(e, time.Now(), outcome, n)
		return
	}
	if !r.refused.amount(n) {
		return
	}
	now := r.elapsed()
	if offset, ok := e.hot(now, r.width); ok {
		chaos.Point("slidingwindow: bucket chosen, not yet added to")
		increase(&e.words[offset+1+int64(outcome)], n)
		return
	}
	r.addSlow(now, outcome, n)
}

// addAt counts n at t.
func (r *ring) addAt(t time.Time, outcome int, n int64) {
	e := r.current()
	if r.eventTime {
		r.addEvent(e, t, outcome, n)
		return
	}
	if !r.refused.amount(n) {
		return
	}
	now := r.elapsed()
	at := min(int64(t.Sub(r.base)), now)
	if offset, ok := e.hot(at, r.width); ok && !r.expired(r.number(at), r.number(now)) {
		chaos.Point("slidingwindow: bucket chosen, not yet added to")
		increase(&e.words[offset+1+int64(outcome)], n)
		return
	}
	if at == now {
		r.addSlow(now, outcome, n)
		return
	}
	r.addPast(at, now, outcome, n)
}

// addSlow is add when the bucket of now is not the newest. Whoever has slept
// for a whole window since it read the clock finds its bucket gone, and counts
// in the newest rather than nowhere.
func (r *ring) addSlow(now int64, outcome int, n int64) {
	chaos.Point("slidingwindow: clock read, not yet locked")
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.era.Load()
	bucket := r.number(now)
	if newest := e.end(); bucket < newest && r.expired(bucket, newest) {
		bucket = newest
	}
	r.put(e, bucket, outcome, n)
}

// addPast is addAt with a time before now.
func (r *ring) addPast(at, now int64, outcome int, n int64) {
	chaos.Point("slidingwindow: clock read, not yet locked")
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.era.Load()
	bucket, end := r.number(at), max(r.number(now), e.end())
	if r.expired(bucket, end) {
		r.refused.late.Add(1)
		return
	}
	r.put(e, bucket, outcome, n)
}

// addEvent counts n at t, an event time. It reads no clock unless the window
// moves.
func (r *ring) addEvent(e *era, t time.Time, outcome int, n int64) {
	if !r.refused.amount(n) {
		return
	}
	at, ok := r.refused.representable(t)
	if !ok {
		return
	}
	if offset, ok := e.hot(at, r.width); ok {
		chaos.Point("slidingwindow: bucket chosen, not yet added to")
		increase(&e.words[offset+1+int64(outcome)], n)
		e.observe(at)
		return
	}
	r.addEventSlow(at, outcome, n)
}

// addEventSlow is addEvent when the event is not in the newest bucket: it may
// be late, early, the first of all, or in its place.
func (r *ring) addEventSlow(at int64, outcome int, n int64) {
	chaos.Point("slidingwindow: event read, not yet locked")
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.era.Load()
	bucket := r.number(at)
	first := e.newest.Load() < 0
	switch {
	case !first && bucket <= e.end():
		if r.expired(bucket, e.end()) {
			r.refused.late.Add(1)
			return
		}
	case r.tooEarly(at):
		r.refused.early.Add(1)
		return
	case first:
		e.origin = bucket
		e.latest.Store(at)
	}
	e.observe(at)
	r.put(e, bucket, outcome, n)
}

// observe moves latest forward to at.
func (e *era) observe(at int64) {
	for {
		latest := e.latest.Load()
		if at <= latest {
			return
		}
		chaos.Point("slidingwindow: latest read, not yet moved")
		if e.latest.CompareAndSwap(latest, at) {
			return
		}
	}
}

// end returns the number of the newest bucket; there must be one.
func (e *era) end() int64 { return e.words[e.newest.Load()].Load() }

// put adds n to a bucket that is in the window, and makes it the newest if it
// is. The caller holds mu.
func (r *ring) put(e *era, bucket int64, outcome int, n int64) {
	offset := r.offset(bucket)
	if e.words[offset].Load() != bucket {
		chaos.Point("slidingwindow: bucket to be reused, not yet zeroed")
		for i := range r.outcomes {
			e.words[offset+1+int64(i)].Store(0)
		}
		chaos.Point("slidingwindow: counts zeroed, number not yet stored")
		e.words[offset].Store(bucket)
	}
	increase(&e.words[offset+1+int64(outcome)], n)
	if e.newest.Load() < 0 || bucket > e.end() {
		e.newest.Store(offset)
	}
}

// instant is the end of the window at a read: now, and the number and offset of
// its bucket.
type instant struct{ now, end, offset int64 }

// instant returns the end of the window; false before the first event. A
// reading of the clock that is older than another goroutine's does not turn
// time back.
func (r *ring) instant(e *era) (at instant, ok bool) {
	if r.eventTime {
		if e.newest.Load() < 0 {
			return instant{}, false
		}
		at.end = e.end()
		at.now = e.latest.Load()
		at.offset = r.offset(at.end)
		return at, true
	}
	at.now = r.elapsed()
	newest := e.newest.Load()
	at.end = e.words[newest].Load()
	if uint64(at.now-at.end*r.width) < uint64(r.width) { // spares two divisions
		at.offset = newest
		return at, true
	}
	if now := r.number(at.now); now > at.end {
		at.end = now
	} else {
		at.now = at.end * r.width
	}
	at.offset = r.offset(at.end)
	return at, true
}

// sum adds up one outcome over the window.
func (r *ring) sum(e *era, at instant, outcome int) int64 {
	var sum int64
	offset, stride := at.offset, r.stride()
	for i := range r.buckets {
		sum = addSaturating(sum, e.count(offset, at.end-i, outcome))
		if offset -= stride; offset < 0 {
			offset += int64(len(e.words))
		}
	}
	return sum
}

// count returns one outcome of a bucket, 0 if the place at offset holds another
// one.
func (e *era) count(offset, bucket int64, outcome int) int64 {
	if e.words[offset].Load() != bucket {
		return 0
	}
	chaos.Point("slidingwindow: number read, not yet the count")
	if n := e.words[offset+1+int64(outcome)].Load(); n >= 0 {
		return n
	}
	return math.MaxInt64 // an overflow that increase is about to repair
}

// covered returns how many nanoseconds the counts of the window stand for.
func (r *ring) covered(e *era, at instant) int64 {
	inBucket := int64(min(uint64(at.now-at.end*r.width), uint64(r.width))) // latest may be ahead of end
	length := (r.buckets-1)*r.width + inBucket
	switch {
	case !r.eventTime:
		length = min(length, at.now-e.origin)
	case !r.expired(e.origin, at.end):
		length = (at.end-e.origin)*r.width + inBucket
	}
	return max(length, r.width)
}

// small is the largest amount that is added first and checked afterwards. A
// count at MaxInt64 would have to be passed by 2^31 goroutines at once for the
// sum to wrap from negative to positive.
const small = 1 << 32

// increase adds n > 0 to a count, which stops at MaxInt64.
func increase(count *atomic.Int64, n int64) {
	if n > small || count.Add(n) < 0 {
		increaseSlow(count, n)
	}
}

// increaseSlow adds what is large, and ends the overflow of what has been added
// and was small.
func increaseSlow(count *atomic.Int64, n int64) {
	if n <= small {
		clamp(count)
		return
	}
	for {
		old := count.Load()
		if old < 0 {
			clamp(count)
			continue
		}
		chaos.Point("slidingwindow: count read, not yet increased")
		if count.CompareAndSwap(old, addSaturating(old, n)) {
			return
		}
	}
}

// clamp ends an overflow, unless somebody has done so or the bucket has been
// reused.
func clamp(count *atomic.Int64) {
	for {
		n := count.Load()
		if n >= 0 {
			return
		}
		chaos.Point("slidingwindow: overflow seen, not yet clamped")
		if count.CompareAndSwap(n, math.MaxInt64) {
			return
		}
	}
}
