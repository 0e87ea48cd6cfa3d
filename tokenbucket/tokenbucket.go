// Package tokenbucket limits the rate of one stream of events with the token
// bucket algorithm.
//
// A bucket holds up to Burst tokens and is refilled at Rate; an event takes a
// token, and where there is none it is refused or waits. In every interval of
// length T at most Burst + Rate*T tokens are given out, whatever the contention
// and whatever the clock does.
//
//	b, err := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerSecond(100), Burst: 20})
//	if err != nil { ... }
//	if !b.Allow() {
//		http.Error(w, "slow down", http.StatusTooManyRequests)
//		return
//	}
//
// # Choosing
//
// The methods differ in what happens when the tokens are not there:
//
//   - [Bucket.Allow], [Bucket.AllowN] say no: for requests from outside, which
//     are better refused than kept. [Bucket.RetryAfter] tells the client when
//     to come back, [Bucket.AllowUpTo] admits part of a batch.
//   - [Bucket.Wait], [Bucket.WaitN] block, first come first served, and refuse
//     at once what the deadline of the context cannot cover: for calls that we
//     make, to stay within somebody else's limit.
//   - [Bucket.Reserve] takes a place in the same queue without blocking: for
//     event loops and schedulers.
//   - [Bucket.Return] gives back what was not used after all.
//
// Use one Bucket for one stream. For a limit per client, with bounded memory,
// use package ratelimit. To bound what runs at the same time rather than what
// starts per second, use a semaphore (golang.org/x/sync/semaphore): a slow
// backend fills up behind any rate. To count exactly what happened in the last
// minute, use package slidingwindow; a token bucket permits a burst at the end
// of one minute and another at the start of the next. golang.org/x/time/rate
// has the same methods and takes the time from the caller; there the bound does
// not hold under contention.
//
// # Algorithm
//
// The textbook keeps a number of tokens and the time of the last refill, hence
// a lock around both. Here the state is one number: how far consumption has
// come on an axis on which production advances by itself.
//
//	     consumed                        produced
//	        v                               v
//	--------+===============================+------------------>  units
//	        |<--- level, at most Burst ---->|      time moves this end
//	        |
//	        AllowN(3) moves this end to the right by 3 tokens, if it does not pass the other one;
//	        a full bucket drags it along.
//
// An Allow reads the clock, computes the right end and moves the left one by
// compare-and-swap. A refusal writes nothing, so that under an overload, when
// refusals are most of the work, cores do not fight for the cache line. A clock
// reading that is older than another goroutine's sees a lower level and can
// only refuse more. This is the dual of GCRA, the generic cell rate algorithm
// (ITU-T I.371), which moves a theoretical arrival time on an axis of
// nanoseconds; we count in fractions of tokens since a nanosecond is too coarse
// a unit for fast rates and a rounded interval between tokens is off by up to
// 11 % at 300 million per second. Folly's TokenBucket and the Rust crate
// governor keep one atomic word as well.
//
// Let p/q be the rate in tokens per nanosecond, in lowest terms. For p <= 10,
// that is 1, 2, 3, 5, 7, 10, 30, 50, 100, 1000, 2500, a million or a billion
// per second, 100 per minute, and every Every, all decisions and waits are
// those of the exact bucket, to the nanosecond; for other rates they are those
// of the exact bucket at most a nanosecond away, and stay so: no error
// accumulates. See internal/tokenunits for the arithmetic.
//
// Those who wait stand in a list, first come first served; the head waits for
// all of its tokens and nobody passes it, so that small requests cannot starve
// a big one. One timer is set for the head, whatever the length of the list.
// While somebody is in it the word is frozen, the level is kept under a mutex,
// and every call goes through the mutex: an uncontended word and a queue never
// exist at the same time, which is why no call can slip between the last look
// of a waiter and its place in the list.
//
//	word:  level ----- lock: swap(frozen) -----> frozen       (level now under the mutex)
//	       level <---- unlock: nobody waits ---- frozen
//
// A call of any kind first serves whoever is due, as of the instant at which
// the tokens were there, so that a timer that fires late neither slows down
// those behind nor loses tokens to the rim of the bucket.
//
// # Concurrency
//
// All methods are safe for concurrent use and linearizable: they have the
// results of some sequential order that agrees with real time. Allow, AllowN,
// AllowUpTo, Return, Tokens, RetryAfter and Stats are lock-free while nobody is
// queued and no slower call is under way. They allocate nothing, nor does a
// Wait that need not block; a Wait that blocks allocates at most three times.
// No method calls code of the user except the methods of a context, and those
// without holding a lock.
//
// Inside a testing/synctest bubble waits are durable and end at the exact
// virtual instant. A bucket that was made outside works inside as one on which
// no time has passed. One bucket must not be waited on inside and outside at
// the same time.
//
// # Limits
//
// A Bucket measures 29 years from New on; after that nothing is refilled. A
// rate is at most 10 tokens per nanosecond, and a bucket fills within 10 years.
// A waiter that the scheduler runs late acts late: the bound counts tokens when
// they are charged. After SetLimit the fraction of a token that was in the
// bucket is rounded down to the new unit, which is worth less than a nanosecond
// of refill. There are no counters of what was allowed and refused: the caller
// sees each answer, and a counter would double the price of a refusal. The
// queue is not bounded; give each Wait a context with a deadline, and what
// cannot be served in time is refused at once.
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

	// Burst is the size of the bucket in tokens; 0 means Rate.Tokens. Filling
	// it must not take more than 10 years of 365 days. Nothing is allocated in
	// proportion to it.
	Burst int64
}

// Bucket is a token bucket, full when new. All methods are safe for concurrent
// use, panic on a nil or zero Bucket, and never call code of the user. A Bucket
// is made by New and must not be copied. It has no goroutine and needs no
// Close: a Bucket that is no longer referred to is garbage.
type Bucket struct {
	limit atomic.Pointer[limit] // replaced by SetLimit, under mu
	base  time.Time             // where the axis starts; of this bucket, since that of a package belongs to no bubble

	mu sync.Mutex // mu guards the fields below

	used int64         // the level while the word of limit is frozen
	now  time.Duration // since base, as read by the holder of mu: a call under it decides at one instant
	queue
}

// New returns a full Bucket. An error matches ErrConfig and names the field at
// fault.
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

// AllowN takes n tokens if that many are in the bucket and nobody is queued,
// and else nothing. It never blocks. n = 0 is always true, n < 0 and n > Burst
// are always false. O(1), no allocation.
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
		chaos.Point("tokenbucket: level read, not yet moved")
		if l.level.CompareAndSwap(level, next) {
			return true
		}
		chaos.Point("tokenbucket: take lost a race")
	}
}

// allowSlow is AllowN while the level is under the mutex: somebody is queued,
// or a slow call is under way. It sleeps on the mutex rather than spin on the
// word, since a spin costs a whole time slice when the holder has been
// preempted.
func (b *Bucket) allowSlow(n int64) bool {
	b.lock()
	defer b.unlock()
	return b.take(n)
}

// AllowUpTo takes as many of n tokens as are in the bucket and returns how
// many: 0 while somebody is queued and for n <= 0. It never blocks. O(1), no
// allocation.
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
		chaos.Point("tokenbucket: level read, not yet moved")
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

// Return gives n tokens back that were taken and not used; the bucket holds at
// most Burst. n <= 0 does nothing. Whoever is queued and can now be served is
// served before Return returns. O(1) plus the number served, no allocation.
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
		chaos.Point("tokenbucket: level read, not yet moved")
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

// Tokens returns the number of whole tokens in the bucket, 0..Burst, whether or
// not somebody is queued for them. O(1), no allocation.
func (b *Bucket) Tokens() int64 { return b.Stats().Tokens }

// RetryAfter returns the time after which AllowN(n) will succeed if until then
// nobody takes or gives back a token, except those already queued, who come
// first. It is exact: one nanosecond earlier AllowN(n) is still false. 0 means
// now. ok is false if no time would help: n < 0, n > Burst, or the instant is
// beyond the years that a Bucket measures. O(1), no allocation.
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

// elapsed is the one reading of the clock that each call makes. It is negative
// for a Bucket that was made outside of the synctest bubble in which it is
// used.
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
