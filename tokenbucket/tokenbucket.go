// Package tokenbucket limits the rate of one stream of events with the token bucket algorithm.
package tokenbucket

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// Config describes a Bucket.
type Config struct {
	// Rate is the speed of refill; required.
	Rate Rate

	// Burst is the size of the bucket in tokens; 0 means Rate.Tokens. Filling it must not take more than 10 years of 365
	// days. Nothing is allocated in proportion to it.
	Burst int64
}

// Bucket is a token bucket, full when new. All methods are safe for concurrent use, panic on a nil or zero Bucket, and
// never call code of the user. A Bucket is made by New and must not be copied. It has no goroutine and needs no Close: a
// Bucket that is no longer referred to is garbage.
type Bucket struct {
	limit atomic.Pointer[limit]
	base  time.Time     // where the axis starts; monotonic
	mu    sync.Mutex    // mu guards the fields below
	used  int64         // the level while the word of the limit is frozen
	now   time.Duration // reading of the clock by the holder of mu
	queue
}

// New returns a full Bucket. An error matches ErrConfig and names the field at fault.
func New(cfg Config) (*Bucket, error) {
	l, err := newLimit(cfg.Rate, cfg.Burst)
	if err != nil {
		return nil, err
	}
	b := &Bucket{base: time.Now()}
	l.level.Store(-l.axis.Full)
	b.limit.Store(l)
	return b, nil
}

// Allow reports whether a token was there and takes it: AllowN(1).
func (b *Bucket) Allow() bool { return b.AllowN(1) }

// AllowN takes n tokens if that many are in the bucket and nobody is queued, and else nothing. It never blocks. n = 0 is
// always true, n < 0 and n > Burst are always false. O(1), no allocation.
func (b *Bucket) AllowN(n int64) bool {
	l := b.current()
	if n <= 0 || n > l.burst { // before n is multiplied
		return n == 0
	}
	need := n * l.axis.Token
	now := l.axis.At(b.elapsed())
	for {
		level := l.level.Load()
		next, ok := l.axis.Take(level, now, need)
		if !ok {
			return level == frozen && b.allowSlow(n)
		}
		if l.level.CompareAndSwap(level, next) {
			return true
		}
		chaos.Point("tokenbucket: take lost a race")
	}
}

// allowSlow is AllowN while the level is under the mutex: somebody is queued, or a slow call is under way.
func (b *Bucket) allowSlow(n int64) bool {
	b.lock()
	defer b.unlock()
	return b.take(n)
}

// AllowUpTo takes as many of n tokens as are in the bucket and returns how many: 0 while somebody is queued and for
// n <= 0. It never blocks. O(1), no allocation.
func (b *Bucket) AllowUpTo(n int64) int64 {
	l := b.current()
	if n <= 0 {
		return 0
	}
	now := l.axis.At(b.elapsed())
	for {
		level := l.level.Load()
		if level == frozen {
			return b.allowUpToSlow(n)
		}
		k := min(n, l.axis.Level(level, now)/l.axis.Token)
		if k == 0 {
			return 0
		}
		next, _ := l.axis.Take(level, now, k*l.axis.Token)
		if l.level.CompareAndSwap(level, next) {
			return k
		}
		chaos.Point("tokenbucket: take lost a race")
	}
}

func (b *Bucket) allowUpToSlow(n int64) int64 {
	b.lock()
	defer b.unlock()
	k := min(n, b.tokens())
	if k == 0 || !b.take(k) {
		return 0
	}
	return k
}

// Return gives n tokens back that were taken and not used; the bucket holds at most Burst. n <= 0 does nothing. Whoever
// is queued and can now be served is served before Return returns. O(1) plus the number served, no allocation.
func (b *Bucket) Return(n int64) {
	l := b.current()
	if n <= 0 {
		return
	}
	units := min(n, l.burst) * l.axis.Token
	now := l.axis.At(b.elapsed())
	for {
		level := l.level.Load()
		if level == frozen {
			b.returnSlow(n)
			return
		}
		if l.level.CompareAndSwap(level, l.axis.Give(level, now, units)) {
			return
		}
		chaos.Point("tokenbucket: return lost a race")
	}
}

func (b *Bucket) returnSlow(n int64) {
	b.lock()
	defer b.unlock()
	b.give(n)
}

// Tokens returns the number of whole tokens in the bucket, 0..Burst, whether or not somebody is queued for them. O(1), no
// allocation.
func (b *Bucket) Tokens() int64 { return b.Stats().Tokens }

// RetryAfter returns the time after which AllowN(n) will succeed if until then nobody takes or gives back a token, except
// those already queued, who come first. It is exact: one nanosecond earlier AllowN(n) is still false. 0 means now. ok is
// false if no time would help: n < 0, n > Burst, or the instant is beyond the years that a Bucket measures. O(1), no
// allocation.
func (b *Bucket) RetryAfter(n int64) (wait time.Duration, ok bool) {
	l := b.current()
	if n <= 0 || n > l.burst {
		return 0, n == 0
	}
	now := b.elapsed()
	level := l.level.Load()
	if level == frozen {
		return b.retryAfterSlow(n)
	}
	return l.until(level, now, uint64(n*l.axis.Token))
}

func (b *Bucket) retryAfterSlow(n int64) (wait time.Duration, ok bool) {
	l := b.lock()
	defer b.unlock()
	if n > l.burst {
		return 0, false
	}
	return b.turn(n)
}

// until returns how long after now the units are there.
func (l *limit) until(level int64, now time.Duration, units uint64) (wait time.Duration, ok bool) {
	level = max(level, l.axis.At(now)-l.axis.Full)
	due, ok := l.axis.When(level, units)
	if due <= max(now, 0) { // as Axis.At reads a negative now
		return 0, ok
	}
	return saturatingSub(due, now), ok
}

// Stats is a copy of the state of a Bucket; its fields agree with each other.
type Stats struct {
	Rate    Rate
	Burst   int64
	Tokens  int64 // whole tokens in the bucket, as Tokens returns
	Waiting int   // calls of Wait that block plus reservations whose turn has not come
}

// Stats returns the state of the Bucket at one instant. O(1), no allocation.
func (b *Bucket) Stats() Stats {
	l := b.current()
	now := l.axis.At(b.elapsed())
	level := l.level.Load()
	if level == frozen {
		return b.statsSlow()
	}
	return Stats{Rate: l.rate, Burst: l.burst, Tokens: l.axis.Level(level, now) / l.axis.Token}
}

func (b *Bucket) statsSlow() Stats {
	l := b.lock()
	defer b.unlock()
	return Stats{Rate: l.rate, Burst: l.burst, Tokens: b.tokens(), Waiting: b.line.len}
}

// current returns the limit in force.
func (b *Bucket) current() *limit {
	if b == nil {
		panic("tokenbucket: nil Bucket")
	}
	l := b.limit.Load()
	if l == nil {
		panic("tokenbucket: Bucket not made by New")
	}
	return l
}

// elapsed is the one reading of the clock that each call makes. It is negative for a Bucket that was made outside of the
// synctest bubble in which it is used.
func (b *Bucket) elapsed() time.Duration { return time.Since(b.base) }

// saturatingAdd returns a+b, or the largest duration; b is not negative.
func saturatingAdd(a, b time.Duration) time.Duration {
	if d := a + b; d >= a {
		return d
	}
	return forever
}

// saturatingSub returns a-b, or the largest duration; a is not negative.
func saturatingSub(a, b time.Duration) time.Duration {
	if d := a - b; d >= 0 || b >= 0 {
		return d
	}
	return forever
}
