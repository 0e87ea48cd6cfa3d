package circuitbreaker

import (
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
)

// GroupConfig configures a Group. The zero GroupConfig is valid.
type GroupConfig struct {
	// Breaker is the template of every member; a member's Name is Breaker.Name
	// + "[" + fmt.Sprint(key) + "]".
	Breaker Config

	// MaxOpenFraction in (0, 1] bounds the share of members that the rules may
	// keep out of Closed. 0: 1, no bound.
	MaxOpenFraction float64

	// MaxKeys bounds the members; the least recently used closed one makes
	// room. 0: 10 000. Nothing is allocated in proportion to it.
	MaxKeys int
}

// Group keeps one Breaker per key, for instance per host or per tenant. Its
// memory is bounded by MaxKeys, and MaxOpenFraction bounds how much of a fleet
// the rules may take out of service: when most members fail at once, the cause
// is more likely on our side, and the rest of the capacity is needed.
//
// Create it with NewGroup; all methods may be called concurrently, and panic on
// a nil or zero Group. No lock is held while code of the user runs.
type Group[K comparable] struct {
	set     *settings
	name    string
	maxKeys int64
	seed    maphash.Seed
	shards  []shard[K] // a power of two
	quota   quota
	evicted atomic.Uint64
}

// shard is a part of the members, under a lock of its own.
type shard[K comparable] struct {
	mu      sync.Mutex
	members map[K]*member
	clock   uint64 // counts the uses of members
	peak    int    // most members since the map was made: maps do not shrink
}

type member struct {
	b    *Breaker
	used uint64 // clock of the shard at the last Get
}

const (
	// manyShards keeps two goroutines apart in 31 of 32 cases. A group of less
	// than manyKeys has one shard and exact recency over all its keys.
	manyShards = 32
	manyKeys   = 1024

	// candidates for eviction: the least recently used of 16 members is in the
	// oldest tenth in 4 of 5 cases (1 - 0.9^16).
	candidates = 16
)

// NewGroup returns an empty Group. It checks the template; an error matches
// ErrConfig and names the field at fault.
func NewGroup[K comparable](c GroupConfig) (*Group[K], error) {
	s, err := newSettings(c.Breaker)
	if err != nil {
		return nil, err
	}
	if !share(c.MaxOpenFraction) {
		return nil, configError("MaxOpenFraction", "in (0, 1]", c.MaxOpenFraction)
	}
	if c.MaxKeys < 0 {
		return nil, configError("MaxKeys", "0 or more", c.MaxKeys)
	}
	g := &Group[K]{
		set: s, name: c.Breaker.Name, seed: maphash.MakeSeed(),
		maxKeys: int64(orDefault(c.MaxKeys, 10_000)),
	}
	g.quota.sharePPM = perMillion(orDefault(c.MaxOpenFraction, 1))
	n := 1
	if g.maxKeys >= manyKeys {
		n = manyShards
	}
	g.shards = make([]shard[K], n)
	for i := range g.shards {
		g.shards[i].members = map[K]*member{}
	}
	return g, nil
}

// shard returns the shard of key. A key that cannot be hashed panics here,
// before any lock.
func (g *Group[K]) shard(key K) *shard[K] {
	g.made()
	return &g.shards[maphash.Comparable(g.seed, key)&uint64(len(g.shards)-1)]
}

func (g *Group[K]) made() {
	if g == nil {
		panic("circuitbreaker: nil Group")
	}
	if g.shards == nil {
		panic("circuitbreaker: Group not made by NewGroup")
	}
}

// Get returns the breaker of key and makes it if there is none: the same one
// until it is deleted or evicted. At MaxKeys a new key takes the place of the
// least recently used of 16 members that are Closed, or if none of the 16 is,
// of the least recently used of them; in a group of up to 16 members recency is
// exact. A key unequal to itself gets a breaker that is not kept. O(1); no
// allocation if the key is present.
func (g *Group[K]) Get(key K) *Breaker {
	s := g.shard(key)
	s.mu.Lock()
	if m := s.members[key]; m != nil {
		b := s.use(m)
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	return g.add(s, key)
}

// use notes the use of a member. It requires mu.
func (s *shard[K]) use(m *member) *Breaker {
	s.clock++
	m.used = s.clock
	return m.b
}

// add makes the breaker of a new key, outside of the lock, since the name of
// the key is made by a method of the user.
func (g *Group[K]) add(s *shard[K], key K) *Breaker {
	b := newBreaker(g.set, g.name+"["+fmt.Sprint(key)+"]", &g.quota)
	if key != key { //nolint:gocritic // NaN
		b.quota = nil
		return b
	}
	kept, victim, crowded := g.insert(s, key, b)
	if victim != nil {
		g.drop(victim)
	}
	if crowded {
		g.evictElsewhere(s)
	}
	return kept
}

// insert adds b unless somebody else has added the key in the meantime. The new
// member takes the place of a victim of the same shard; crowded says that there
// was none and that another shard has to give one.
func (g *Group[K]) insert(s *shard[K], key K, b *Breaker) (kept, victim *Breaker, crowded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[key]; m != nil {
		return s.use(m), nil, false
	}
	if g.quota.members.Add(1) > g.maxKeys {
		victim = s.evict()
		if victim != nil {
			g.quota.members.Add(-1)
		}
		crowded = victim == nil
	}
	m := &member{b: b}
	s.members[key] = m
	s.peak = max(s.peak, len(s.members))
	return s.use(m), victim, crowded
}

// drop ends the membership of an evicted breaker.
func (g *Group[K]) drop(victim *Breaker) {
	g.evicted.Add(1)
	victim.detach()
}

// evictElsewhere makes room after a new member whose shard was empty.
func (g *Group[K]) evictElsewhere(not *shard[K]) {
	for i := range g.shards {
		s := &g.shards[i]
		if s == not {
			continue
		}
		s.mu.Lock()
		victim := s.evict()
		s.mu.Unlock()
		if victim != nil {
			g.quota.members.Add(-1)
			g.drop(victim)
			return
		}
	}
}

// evict removes a member and returns it; nil if there is none. It requires mu.
// A range over a map begins anywhere, which is how the candidates are drawn.
func (s *shard[K]) evict() *Breaker {
	var key K
	var victim *member
	seen, victimClosed := 0, false
	for k, m := range s.members {
		closed := m.b.State() == Closed
		if victim == nil || closed && !victimClosed || closed == victimClosed && m.used < victim.used {
			key, victim, victimClosed = k, m, closed
		}
		if seen++; seen == candidates {
			break
		}
	}
	if victim == nil {
		return nil
	}
	delete(s.members, key)
	return victim.b
}

// Delete removes the breaker of key and reports whether there was one. Whoever
// holds it may go on using it; it counts no longer in the group. O(1)
// amortized.
func (g *Group[K]) Delete(key K) bool {
	s := g.shard(key)
	s.mu.Lock()
	m := s.members[key]
	if m != nil {
		delete(s.members, key)
		s.shrink()
	}
	s.mu.Unlock()
	if m == nil {
		return false
	}
	g.quota.members.Add(-1)
	m.b.detach()
	return true
}

// shrink makes a new map when three quarters of the members have left.
func (s *shard[K]) shrink() {
	if s.peak < 64 || len(s.members) > s.peak/4 {
		return
	}
	smaller := make(map[K]*member, len(s.members))
	maps.Copy(smaller, s.members)
	s.members, s.peak = smaller, len(smaller)
}

// Len returns the number of members, at most MaxKeys. O(1).
func (g *Group[K]) Len() int {
	g.made()
	return int(min(g.quota.members.Load(), g.maxKeys))
}

// All iterates over the members, in no order. It is not a snapshot: a member
// that is there all the time is seen once, others may be seen or not. The body
// may call the group. Iterating is not a use.
func (g *Group[K]) All() iter.Seq2[K, *Breaker] {
	g.made()
	return func(yield func(K, *Breaker) bool) {
		for i := range g.shards {
			for k, b := range g.shards[i].copy() {
				if !yield(k, b) {
					return
				}
			}
		}
	}
}

// copy returns the members of one shard.
func (s *shard[K]) copy() map[K]*Breaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[K]*Breaker, len(s.members))
	for k, m := range s.members {
		all[k] = m.b
	}
	return all
}

// GroupStats is a copy of the counters of a Group; they may be a few calls
// apart.
type GroupStats struct {
	Len        int
	NotClosed  int    // members in Open or HalfOpen by their rules (Trip and SetMode not counted)
	Suppressed uint64 // verdicts that MaxOpenFraction overruled
	Evicted    uint64 // members dropped to respect MaxKeys
}

// Stats returns a copy of the counters. O(1), no allocation.
func (g *Group[K]) Stats() GroupStats {
	return GroupStats{
		Len:        g.Len(),
		NotClosed:  int(g.quota.notClosed.Load()),
		Suppressed: g.quota.suppressed.Load(),
		Evicted:    g.evicted.Load(),
	}
}
