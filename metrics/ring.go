package metrics

import "time"

// ring is a window that slides over time in steps: the newest buckets, one for
// each width of time since the beginning.
//
//	time      |  0  |  1  |  2  |  3  |  4  |       width each
//	                      <--- window --->          3 buckets
//	ring         3     4     2                      bucket i at i modulo 3
//
// What is at most a window minus a width old is in it for certain, what is a
// window old or older is not. The zero bucket is an empty one. It has no lock.
type ring[B any] struct {
	width   time.Duration
	newest  int64 // number of the bucket that is being filled
	buckets []B
}

func newRing[B any](width time.Duration, n int) ring[B] {
	return ring[B]{width: width, buckets: make([]B, n)}
}

// at moves the window to the time since the beginning and returns its newest
// bucket. A time before the newest bucket does not move it back.
func (r *ring[B]) at(now time.Duration) *B {
	if target := int64(now / r.width); target > r.newest {
		n := int64(len(r.buckets))
		for i := range min(target-r.newest, n) {
			clear(r.buckets[(target-i)%n:][:1])
		}
		r.newest = target
	}
	return &r.buckets[r.newest%int64(len(r.buckets))]
}

// end is when the newest bucket is full, or the last instant there is.
func (r *ring[B]) end() time.Duration {
	end := time.Duration(r.newest+1) * r.width
	if end/r.width != time.Duration(r.newest+1) || end < 0 {
		return 1<<63 - 1
	}
	return end
}
