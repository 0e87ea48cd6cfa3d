package circuitbreaker

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// buckets is how many parts a time window has; a result expires with its
// bucket, a tenth of the window early at most.
const buckets = 10

// A word counts the calls of one bucket.
//
//	63       62            32 31     30            0
//	+--------+---------------+------+---------------+
//	| sealed |    failures   | full |     calls     |
//	+--------+---------------+------+---------------+
//
// One addition counts a call, and the word that it returns tells whether it was
// in time. In a sealed word the counts mean nothing: whoever finds the bit set
// has not been counted. full is the carry of calls; long before it can reach
// the failures somebody who sees it halves the counts.
const (
	oneCall = 1
	full    = 1 << 31
	failure = 1 << 32
	sealed  = 1 << 63
)

// ring is a sliding time window in ten buckets. A call is counted without a
// lock by one addition to the newest bucket; everything else is done by the
// holder of the mutex of the owner.
//
// Bucket e % 10 belongs to epoch e, which begins at e*length/10, exactly and
// not in rounded tenths: a result is in the window for more than 9/10 of length
// and never for longer than length.
type ring struct {
	// end is when the newest bucket gives way to the next, on the clock of the
	// owner. It is published after head: who sees the new end uses the new
	// bucket.
	end  atomic.Int64
	head atomic.Uint32 // index of the newest bucket; it has been cleared before

	words [buckets]atomic.Uint64

	// The fields below belong to the holder of the owner's mutex.

	slow   [buckets]uint64
	epoch  int64
	length time.Duration    // 0: one bucket for ever
	gone   Counts           // what has been in this ring and expired
	kept   *[buckets]uint64 // the words of a sealed ring; nil: not sealed
}

// init makes an empty window. Length 0 is a plain counter.
func (r *ring) init(length, now time.Duration) {
	r.length = length
	if length == 0 {
		r.end.Store(math.MaxInt64)
		return
	}
	r.moveTo(epochAt(now, length))
}

// epochAt returns now*10/length, rounded down.
func epochAt(now, length time.Duration) int64 {
	hi, lo := bits.Mul64(uint64(max(now, 0)), buckets)
	epoch, _ := bits.Div64(hi, lo, uint64(length))
	return int64(epoch)
}

// startOf returns epoch*length/10, rounded up: the first instant of the epoch.
func startOf(epoch int64, length time.Duration) int64 {
	hi, lo := bits.Mul64(uint64(epoch), uint64(length))
	lo, carry := bits.Add64(lo, buckets-1, 0)
	start, _ := bits.Div64(hi+carry, lo, buckets)
	return int64(min(start, math.MaxInt64))
}

// success counts one fast success and returns the word after it, or ok false
// if the newest bucket is over. It is the hot path.
func (r *ring) success(now time.Duration) (word uint64, ok bool) {
	if int64(now) >= r.end.Load() {
		return 0, false
	}
	return r.words[r.head.Load()].Add(oneCall), true
}

// rotate makes the bucket of now the newest. However long nobody called, it
// clears ten buckets at most.
func (r *ring) rotate(now time.Duration) {
	if int64(now) < r.end.Load() {
		return
	}
	epoch := epochAt(now, r.length)
	for i := range min(epoch-r.epoch, buckets) {
		r.clear(int((r.epoch + 1 + i) % buckets))
	}
	chaos.Point("circuitbreaker: buckets cleared, not yet published")
	r.moveTo(epoch)
}

// moveTo publishes the bucket of epoch. The tempting order is to publish first
// and clear then: what is counted in between would be lost.
func (r *ring) moveTo(epoch int64) {
	r.epoch = epoch
	r.head.Store(uint32(epoch % buckets))
	r.end.Store(startOf(epoch+1, r.length))
}

// clear empties a bucket that has expired. What it held stays in gone.
func (r *ring) clear(i int) {
	r.gone.add(unpack(r.words[i].Swap(0)))
	r.gone.Slow += r.slow[i]
	r.slow[i] = 0
}

// count counts a result of any kind, in the newest bucket.
func (r *ring) count(outcome Outcome, slow bool) {
	i := r.head.Load()
	word := uint64(oneCall)
	if outcome != Success {
		word |= failure
	}
	if r.words[i].Add(word)&full != 0 {
		r.halve()
	}
	if slow {
		r.slow[i]++
	}
}

// halve moves half of a bucket that is full to gone, which keeps its rates. The
// ring is not sealed: the highest bit belongs to the failures, of which there
// may be more than calls in a Throttle, whose accepts come later than their
// requests.
func (r *ring) halve() {
	i := r.head.Load()
	word := r.words[i].Load()
	if word&(sealed|full) == 0 {
		return // somebody else was here first
	}
	half := (word >> 33 << 32) | (word & (failure - 1) >> 1)
	r.words[i].Add(-half)
	r.gone.add(unpack(half))
	r.gone.Slow += r.slow[i] / 2
	r.slow[i] -= r.slow[i] / 2
}

// unpack returns the counts of a word. While a result is being counted there
// are never more failures than calls, since both are one addition.
func unpack(word uint64) Counts {
	calls := word & (failure - 1)
	failures := word &^ sealed >> 32
	return Counts{Successes: calls - failures, Failures: failures}
}

// sum returns what is in the window. It reads the newest bucket first: if it
// saw a result and missed one that ended before the other began, the reader
// would decide on a state that never was. The earlier one is in an older bucket
// or in the same.
func (r *ring) sum() Counts {
	if r.length == 0 && r.kept == nil {
		return r.bucket(0, r.words[0].Load())
	}
	var all Counts
	for i := range int64(buckets) {
		at := (r.epoch + buckets - i) % buckets
		word := r.words[at].Load()
		if r.kept != nil {
			word = r.kept[at]
		}
		all.add(r.bucket(at, word))
	}
	return all
}

// bucket returns the counts of one bucket, given its word.
func (r *ring) bucket(at int64, word uint64) Counts {
	c := unpack(word)
	c.Slow = r.slow[at]
	return c
}

// seal stops the ring, newest bucket first for the reason that sum gives.
// Whoever adds from now on sees that he was late.
func (r *ring) seal() {
	var kept [buckets]uint64
	for i := range int64(buckets) {
		at := (r.epoch + buckets - i) % buckets
		kept[at] = r.words[at].Swap(sealed)
		chaos.Point("circuitbreaker: one bucket sealed")
	}
	r.kept = &kept
}

// unseal takes a seal back. Those who came in between wait for the mutex, and
// are counted then.
func (r *ring) unseal() {
	for i, word := range r.kept {
		r.words[i].Store(word)
	}
	r.kept = nil
}
