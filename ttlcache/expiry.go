package ttlcache

import (
	"math/rand/v2"
	"time"
)

// after returns the instant at which a life that starts now is over: never, if
// the sum overflows.
func after(now int64, life time.Duration) int64 {
	deadline := now + int64(life)
	if life == NoExpiry || deadline < now {
		return never
	}
	return deadline
}

// jittered returns the life of a value that gets Config.TTL. It is drawn from
// (ttl - jitter*ttl, ttl], in whole nanoseconds and at least one.
func jittered(ttl time.Duration, jitter float64) time.Duration {
	if jitter == 0 || ttl == NoExpiry {
		return ttl
	}
	return max(ttl-time.Duration(rand.Float64()*jitter*float64(ttl)), 1)
}

// due returns the instant at which the wheel shall return an entry: when a
// fresh value expires, and when nobody may have a stale one any more.
func (s *store[K, V]) due(it *item[V]) int64 {
	if it.state == stale {
		return after(it.deadline, s.keep())
	}
	return it.deadline
}

// keep returns how long an expired value is kept.
func (s *store[K, V]) keep() time.Duration { return max(s.staleWhileRevalidate, s.staleIfError) }

// schedule puts entry i, which is not in the wheel, into it.
func (s *store[K, V]) schedule(i uint32, at int64) {
	if s.wheel.len == 0 {
		s.expiring.Store(true)
	}
	s.wheel.add(i, at, s.now)
	s.alarm.cover(at, s.now)
}

// unschedule takes entry i out of the wheel if it is there, and stops the timer
// once nothing can expire.
func (s *store[K, V]) unschedule(i uint32) {
	if s.table.At(i).Value.slot != nowhere {
		s.wheel.remove(i)
	}
	if s.wheel.len == 0 {
		s.silence()
	}
}

// silence stops the timer of a wheel that is empty.
func (s *store[K, V]) silence() {
	s.alarm.stop()
	if s.expiring.Load() {
		s.expiring.Store(false)
	}
}

// reschedule follows a change of the deadline of entry i, which was due at
// scheduled before. The wheel need not know of a later instant: it returns the
// entry too early, and is given it again. An earlier one it must know.
func (s *store[K, V]) reschedule(i uint32, scheduled int64) {
	it := &s.table.At(i).Value
	if it.slot != nowhere && it.deadline != never && it.deadline >= scheduled {
		return
	}
	if it.slot != nowhere {
		s.wheel.remove(i)
	}
	if it.deadline != never {
		s.schedule(i, it.deadline)
	} else if s.wheel.len == 0 {
		s.silence()
	}
}

// ttl returns the time that the live entry of key has left.
func (s *store[K, V]) ttl(hash uint32, key K) (time.Duration, bool) {
	i := s.find(hash, key)
	if i == 0 {
		return 0, false
	}
	deadline := s.table.At(i).Value.deadline
	if deadline == never {
		return NoExpiry, true
	}
	return time.Duration(deadline - s.now), true
}

// expire gives the live entry of key a new life, or ends it.
func (s *store[K, V]) expire(hash uint32, key K, life time.Duration, gone *gone[K, V]) bool {
	i := s.find(hash, key)
	if i == 0 {
		return false
	}
	if life <= 0 {
		s.drop(i, Expired, gone)
		return true
	}
	it := &s.table.At(i).Value
	scheduled := it.deadline
	it.life, it.deadline = life, after(s.now, life)
	s.reschedule(i, scheduled)
	return true
}

// TTL returns how long the entry of key has to live, NoExpiry if it does not
// expire, or 0 and false if there is no live entry. It neither promotes nor
// counts, and does not slide. O(1), no allocation.
func (c *Cache[K, V]) TTL(key K) (time.Duration, bool) {
	hash := c.hash(key)
	now := c.clock()
	c.mu.Lock()
	c.store.enter(now)
	left, ok := c.store.ttl(hash, key)
	c.mu.Unlock()
	return left, ok
}

// Expire gives the live entry of key a new life of exactly ttl from now on,
// which may end earlier or later than the old one; NoExpiry makes it stay. With
// ttl <= 0 the entry leaves at once with reason Expired, also where stale values
// are kept. It returns false, and changes nothing, if there is no live entry: an
// expired one is not revived. It neither promotes nor counts as a hit, and
// leaves a load of the key alone. O(1) amortised, no allocation.
func (c *Cache[K, V]) Expire(key K, ttl time.Duration) bool {
	hash := c.hash(key)
	now := c.readClock()
	if c.onEvict == nil {
		return c.expire(hash, key, ttl, now, nil)
	}
	var gone gone[K, V]
	ok := c.expire(hash, key, ttl, now, &gone)
	gone.Report(c.onEvict)
	return ok
}

func (c *Cache[K, V]) expire(hash uint32, key K, ttl time.Duration, now int64, gone *gone[K, V]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store.enter(now)
	return c.store.expire(hash, key, ttl, gone)
}
