package ratelimit

import "sort"

// slidingLog holds the instant of each token that was granted, for as long as
// it counts: the exact answer, whose price is memory. The state of a key is the
// number of its ring, counted from 1; 0 is a key without one.
type slidingLog struct {
	quota, per int64
	rings      []ring
	free       []int64 // numbers of rings that belong to no key
}

func (*slidingLog) next(l Limit) rules {
	return &slidingLog{quota: l.Rate.Tokens, per: int64(l.Rate.Per)}
}

func (*slidingLog) fresh(int64) state { return state{} }

// ring returns the ring of a key that has one, without the stamps that no
// longer count.
func (g *slidingLog) ring(s state, now int64) *ring {
	r := &g.rings[s.at-1]
	r.dropOldest(sort.Search(r.live, func(i int) bool { return now-r.at(i) < g.per }))
	return r
}

func (g *slidingLog) used(s state, now int64) int64 {
	if s.at == 0 {
		return 0
	}
	return int64(g.ring(s, now).live)
}

func (g *slidingLog) take(s state, now, n int64) (state, bool) {
	if n > g.quota-g.used(s, now) {
		return s, false
	}
	if s.at == 0 {
		s.at = g.number()
	}
	g.rings[s.at-1].push(now, int(n), int(g.quota))
	return s, true
}

// number gives a key a ring.
func (g *slidingLog) number() int64 {
	if last := len(g.free) - 1; last >= 0 {
		number := g.free[last]
		g.free = g.free[:last]
		return number
	}
	g.rings = append(g.rings, ring{})
	return int64(len(g.rings))
}

func (g *slidingLog) give(s state, now, n int64) state {
	if s.at != 0 {
		r := g.ring(s, now)
		r.live -= int(min(n, int64(r.live)))
	}
	return s
}

func (g *slidingLog) view(s state, now, n int64) view {
	used := g.used(s, now)
	if used == 0 {
		return view{remaining: g.quota}
	}
	r := &g.rings[s.at-1]
	until := func(i int64) int64 { return r.at(int(i)) + g.per - now } // the i-th oldest no longer counts
	v := view{remaining: g.quota - used, resetAfter: until(used - 1)}
	if missing := n - v.remaining; missing > 0 {
		v.retryAfter = until(missing - 1)
	}
	return v
}

func (g *slidingLog) drop(s state) {
	if s.at != 0 {
		g.rings[s.at-1] = ring{}
		g.free = append(g.free, s.at)
	}
}

// convert takes the ring of a key over, with the newest stamps that fit. The
// numbers begin anew, so that a log that has become short becomes small.
func (g *slidingLog) convert(s state, now int64, old rules) state {
	before := old.(*slidingLog)
	live := before.used(s, now)
	if live == 0 {
		return state{}
	}
	from := before.rings[s.at-1]
	from.dropOldest(int(max(live-g.quota, 0)))
	s.at = g.number()
	to := &g.rings[s.at-1]
	for i := range from.live {
		to.push(from.at(i), 1, int(g.quota))
	}
	return s
}

// ring is a queue of instants, oldest first.
type ring struct {
	stamps []int64
	head   int // where the oldest is
	live   int // how many there are
}

// at returns the i-th oldest.
func (r *ring) at(i int) int64 { return r.stamps[r.index(i)] }

// index is where the i-th oldest stands; i is at most len(stamps).
func (r *ring) index(i int) int {
	if i += r.head; i < len(r.stamps) {
		return i
	}
	return i - len(r.stamps)
}

func (r *ring) dropOldest(n int) {
	if n == r.live {
		r.head, r.live = 0, 0
		return
	}
	r.head = r.index(n)
	r.live -= n
}

// push adds n stamps of one instant; quota is the most that there will ever be.
func (r *ring) push(now int64, n, quota int) {
	if r.live+n > len(r.stamps) {
		r.grow(min(max(2*len(r.stamps), r.live+n, 4), quota))
	}
	for range n {
		r.stamps[r.index(r.live)] = now
		r.live++
	}
}

func (r *ring) grow(size int) {
	grown := make([]int64, size)
	for i := range r.live {
		grown[i] = r.at(i)
	}
	r.stamps, r.head = grown, 0
}
