package ratelimit

import (
	"math"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// cacheLine is the distance at which two cores do not write the same line.
const cacheLine = 64

const (
	// examined is how many entries each new key has looked at, and dropped if
	// idle: more than come in, so that a table follows the load downwards
	// without a goroutine.
	examined = 2

	// sample is how many entries are compared when there is no room and none of
	// them is idle. A client that has used up its quota is pushed out only if
	// all of a sample have: where flood is the part of the keys that have used
	// less, the chance is (1-flood)^8.
	sample = 8
)

// shard is one lock and the keys whose hash leads to it.
type shard[K comparable] struct {
	mu sync.Mutex // mu guards the fields below

	now    int64 // the latest reading of the clock: here time never runs backwards
	rules  rules
	limit  Limit
	window time.Duration // of limit
	table  table[K]
	most   int // entries
	hand   int // slot at which the next examination starts

	allowed, denied            uint64
	evictedIdle, evictedActive uint64

	_ [cacheLine]byte
}

// lock takes the shard at an instant. A reading of the clock that is older than
// that of a call that came first counts as the latter's.
func (s *shard[K]) lock(now int64) {
	chaos.Point("ratelimit: clock read, shard not yet locked")
	s.mu.Lock()
	s.now = max(s.now, now)
}

// charge takes n, at least 1, from the quota of a key, and returns what is then
// held of it.
func (s *shard[K]) charge(hash uint64, key K, n int64) (after state, ok bool) {
	switch i := s.table.find(hash, key); {
	case n > s.limit.quota():
		after = s.held(i)
	case i < 0:
		after, ok = s.admit(hash, key, n), true
	default:
		e := &s.table.slots[i]
		e.state, ok = s.rules.take(e.state, s.now, n)
		after = e.state
	}
	if ok {
		s.allowed++
	} else {
		s.denied++
	}
	return after, ok
}

// held is the state of the entry at i, or a fresh one for -1.
func (s *shard[K]) held(i int) state {
	if i < 0 {
		return s.rules.fresh(s.now)
	}
	return s.table.slots[i].state
}

// admit charges n, at most the quota, to a key that is not held.
func (s *shard[K]) admit(hash uint64, key K, n int64) state {
	s.makeRoom()
	e := s.table.insert(hash, key, s.most)
	e.state, _ = s.rules.take(s.rules.fresh(s.now), s.now, n)
	return e.state
}

// describe says what there is to say after a charge of n, or at a look if n is
// 0.
func (s *shard[K]) describe(state state, n int64, ok bool) Result {
	quota := s.limit.quota()
	ask := n // for RetryAfter
	switch {
	case n == 0:
		ask = 1 // a look asks when there will be one
	case ok || n > quota:
		ask = 0
	}
	v := s.rules.view(state, s.now, ask)
	return Result{
		OK:         ok,
		Limit:      quota,
		Remaining:  v.remaining,
		Window:     s.window,
		RetryAfter: time.Duration(v.retryAfter),
		ResetAfter: time.Duration(v.resetAfter),
	}
}

// makeRoom sees to it that one more entry fits.
func (s *shard[K]) makeRoom() {
	for range min(examined, s.table.len) {
		if i := s.turn(); s.idle(i) {
			s.drop(i)
			s.evictedIdle++
		}
	}
	s.fit()
	if s.table.len >= s.most {
		s.evict()
	}
}

// evict drops an idle entry, or else the least used of a sample.
//
// It is tempting to drop the least recently used instead, as a cache would. A
// client that has used up its quota and pauses would be pushed out by a flood
// of new keys, and come back to a full quota.
func (s *shard[K]) evict() {
	victim, least := 0, int64(math.MaxInt64)
	for range sample {
		i := s.turn()
		used := s.rules.used(s.table.slots[i].state, s.now)
		if used == 0 {
			s.drop(i)
			s.evictedIdle++
			return
		}
		if used < least {
			victim, least = i, used
		}
	}
	s.drop(victim)
	s.evictedActive++
}

// turn moves the hand to the next entry and past it, and returns where that
// stands. There must be one.
func (s *shard[K]) turn() int {
	for s.hand >= len(s.table.slots) || s.table.slots[s.hand].hash == 0 {
		s.hand = s.table.after(min(s.hand, len(s.table.slots)-1))
	}
	i := s.hand
	s.hand = s.table.after(i)
	return i
}

func (s *shard[K]) idle(i int) bool {
	return s.rules.used(s.table.slots[i].state, s.now) == 0
}

// drop forgets entry i. Another entry may move to its place.
func (s *shard[K]) drop(i int) {
	s.rules.drop(s.table.slots[i].state)
	s.table.remove(i)
}

// prune drops the entries that are idle, and returns how many.
func (s *shard[K]) prune() int {
	before := s.table.len
	for i := 0; i < len(s.table.slots); {
		if s.table.slots[i].hash != 0 && s.idle(i) {
			s.drop(i)
		} else {
			i++
		}
	}
	s.fit()
	dropped := before - s.table.len
	s.evictedIdle += uint64(dropped)
	return dropped
}

// fit gives back the memory of a table that has become sparse, and that which
// the rules hold beside it.
func (s *shard[K]) fit() {
	if s.table.sparse() {
		s.table.resize(s.table.len+1, s.most)
		s.apply(s.limit)
	}
}

// apply puts a limit in force; what is charged stays charged.
func (s *shard[K]) apply(l Limit) {
	old := s.rules
	s.rules, s.limit, s.window = old.next(l), l, l.window()
	for i := range s.table.slots {
		if e := &s.table.slots[i]; e.hash != 0 {
			e.state = s.rules.convert(e.state, s.now, old)
		}
	}
}

// clear forgets everything.
func (s *shard[K]) clear() {
	s.table = table[K]{}
	s.apply(s.limit)
}
