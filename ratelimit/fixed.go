package ratelimit

// fixedWindow counts from the first charge of an idle key, for one window. The
// window is the key's own rather than that of the clock, so that not all
// clients come back at the same instant.
type fixedWindow struct{ quota, per int64 }

func (fixedWindow) next(l Limit) rules {
	return fixedWindow{quota: l.Rate.Tokens, per: int64(l.Rate.Per)}
}

func (fixedWindow) fresh(int64) state { return state{} }

func (w fixedWindow) used(s state, now int64) int64 {
	if now-s.at >= w.per {
		return 0
	}
	return s.count
}

func (w fixedWindow) take(s state, now, n int64) (state, bool) {
	used := w.used(s, now)
	if n > w.quota-used { // may be negative, after the limit was lowered
		return s, false
	}
	if used == 0 {
		s.at = now
	}
	s.count = used + n
	return s, true
}

func (w fixedWindow) give(s state, now, n int64) state {
	s.count = max(w.used(s, now)-n, 0)
	return s
}

func (w fixedWindow) view(s state, now, n int64) view {
	used := w.used(s, now)
	if used == 0 {
		return view{remaining: w.quota}
	}
	end := s.at + w.per - now
	v := view{remaining: max(w.quota-used, 0), resetAfter: end}
	if n > v.remaining {
		v.retryAfter = end
	}
	return v
}

func (fixedWindow) drop(state) {}

// convert keeps the count and the start of the window; a window that is over
// does not come back to life when windows become longer.
func (w fixedWindow) convert(s state, now int64, old rules) state {
	if old.used(s, now) == 0 {
		return w.fresh(now)
	}
	return s
}
