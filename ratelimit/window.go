package ratelimit

import "math/bits"

// slidingWindow keeps the counts of two windows that follow one another, and
// supposes that the charges of the older one were spread evenly over it:
//
//	 previous = 8          count = 3
//	|---------------------|---------------------|----> time
//	          |<----------- window ---->|
//	                      |<--- e ----->| now
//
//	used = 3 + ceil(8 * (P-e)/P)
//
// Rounding up, never down or to the nearest, is what keeps the estimate from
// admitting one more than it says. Cloudflare published the method ("How we
// built rate limiting capable of scaling to millions of domains", 2017).
type slidingWindow struct{ quota, per int64 }

func (slidingWindow) next(l Limit) rules {
	return slidingWindow{quota: l.Rate.Tokens, per: int64(l.Rate.Per)}
}

func (slidingWindow) fresh(now int64) state { return state{at: now} }

// advance moves s to the window in which now lies.
func (w slidingWindow) advance(s state, now int64) state {
	switch since := now - s.at; {
	case since < w.per:
		return s
	case since < 2*w.per:
		return state{at: s.at + w.per, previous: s.count}
	default: // where windows stand no longer matters
		return w.fresh(now)
	}
}

// estimate is what counts at now, after advance.
func (w slidingWindow) estimate(s state, now int64) int64 {
	if s.previous == 0 {
		return s.count
	}
	left := w.per - (now - s.at) // of the window, 1..per
	hi, lo := bits.Mul64(uint64(s.previous), uint64(left))
	weighed, rest := bits.Div64(hi, lo, uint64(w.per)) // fits: left <= per
	if rest != 0 {
		weighed++
	}
	return s.count + int64(weighed)
}

func (w slidingWindow) used(s state, now int64) int64 {
	return w.estimate(w.advance(s, now), now)
}

func (w slidingWindow) take(s state, now, n int64) (state, bool) {
	moved := w.advance(s, now)
	used := w.estimate(moved, now)
	if n > w.quota-used {
		return s, false
	}
	if used == 0 {
		moved = w.fresh(now)
	}
	moved.count += n
	return moved, true
}

// give lowers the count of this window only: what was charged in the one before
// can no longer be told from what it has become.
func (w slidingWindow) give(s state, now, n int64) state {
	s = w.advance(s, now)
	s.count = max(s.count-n, 0)
	return s
}

func (w slidingWindow) view(s state, now, n int64) view {
	s = w.advance(s, now)
	v := view{remaining: max(w.quota-w.estimate(s, now), 0), resetAfter: w.resetAfter(s, now)}
	if n > v.remaining {
		v.retryAfter = w.retryAfter(s, now, n)
	}
	return v
}

// retryAfter is for an n that does not fit. What counts only falls with time,
// first by the weight of the previous count, and from the end of this window on
// by that of the present one.
func (w slidingWindow) retryAfter(s state, now, n int64) int64 {
	end := s.at + w.per - now
	if room := w.quota - n - s.count; room >= 0 {
		return end - w.leftWith(s.previous, room)
	}
	return end + w.per - w.leftWith(s.count, w.quota-n)
}

// leftWith returns how much of the window may be left at most for the weight of
// count to be no more than room, which is less than count: the largest left
// with ceil(count*left/per) <= room.
func (w slidingWindow) leftWith(count, room int64) int64 {
	hi, lo := bits.Mul64(uint64(room), uint64(w.per))
	left, _ := bits.Div64(hi, lo, uint64(count)) // fits: room < count
	return int64(left)
}

func (w slidingWindow) resetAfter(s state, now int64) int64 {
	switch end := s.at + w.per - now; {
	case s.count > 0:
		return end + w.per
	case s.previous > 0:
		return end
	default:
		return 0
	}
}

func (slidingWindow) drop(state) {}

// convert carries over what counts now. In a window of another length the old
// start means nothing, so it begins a window.
func (w slidingWindow) convert(s state, now int64, old rules) state {
	before := old.(slidingWindow)
	if before.per == w.per {
		return s
	}
	return state{at: now, count: before.used(s, now)}
}
