package circuitbreaker

import "sync/atomic"

// quota bounds how many members of a group are out of Closed by their rules. A
// nil quota admits everybody.
type quota struct {
	sharePPM   uint64
	members    atomic.Int64
	notClosed  atomic.Int64
	suppressed atomic.Uint64
}

// bound returns how many may be out of Closed: at least one, else a small group
// would have no breaker at all (Envoy does so for max_ejection_percent).
func (q *quota) bound() int64 {
	return max(1, int64(q.sharePPM*uint64(q.members.Load())/million))
}

// admit takes a place for a member that is about to open, or counts it as
// suppressed.
func (q *quota) admit() bool {
	if q == nil {
		return true
	}
	for {
		n := q.notClosed.Load()
		if q.sharePPM < million && n >= q.bound() {
			q.suppressed.Add(1)
			return false
		}
		if q.notClosed.CompareAndSwap(n, n+1) { // this takes the place
			return true
		}
	}
}

// enter takes a place without asking.
func (q *quota) enter() {
	if q != nil {
		q.notClosed.Add(1)
	}
}

// leave gives a place back.
func (q *quota) leave() {
	if q != nil {
		q.notClosed.Add(-1)
	}
}

// detach ends the membership of b, which from here on is a breaker by itself.
func (b *Breaker) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cur.Load().counted {
		b.quota.leave()
	}
	b.quota = nil
}
