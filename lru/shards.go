package lru

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/lrulist"
)

// One order with many locks.
//
// A cache cut into independent parts evicts the least recent entry of one part,
// not of the whole: it forgets entries that should stay, and part of its
// capacity lies idle. Here the parts share one clock of uses instead. Every
// touch of an entry takes the next stamp and moves the entry to the front of
// its shard, both under the lock of that shard, so the list of each shard is
// sorted by stamp, and the least recent entry of all is the one among the backs
// of the lists:
//
//	shard 0   31 -- 17 -- 12        back = 12
//	shard 1   30 -- 29 --  8        back =  8   <- the victim
//	shard 2   28 -- 19 -- 15        back = 15
//
// A shard publishes the stamp at its back in an atomic. What changes which keys
// are present (an insertion, an eviction, a deletion) holds the membership lock
// too. Under it the number of entries is exact, and the backs can only grow: a
// concurrent hit may move an entry away from a back, but nothing comes in
// behind. So the shard whose back was seen to be the least is locked and its
// back read again; unchanged, it is still the least of all, and else the scan
// is repeated.
//
// An insertion takes its stamp while it holds its own shard and that of its
// victim. That is the instant at which it takes effect: nobody who looks at
// either key can see the state between. Only the holder of the membership lock
// ever holds two shards, so that shards need no lock order.
//
// It is tempting to count entries in an atomic and to skip the membership lock.
// Then two insertions can take their room in one order and their stamps in the
// other, and an eviction happens in a cache which is not full in any order of
// the calls that explains the stamps.

// cacheLine is the distance that keeps two words from being written through the
// same cache line.
const cacheLine = 64

// empty is the published back of a shard without entries: later than any stamp.
const empty = math.MaxUint64

// sharded is the form with many locks. The padding keeps the clock, which every
// hit writes, away from the fields beside it, which every hit reads.
type sharded[K comparable, V any] struct {
	shards []shard[K, V]
	_      [cacheLine]byte
	clock  atomic.Uint64 // last stamp given; Add in the lock of the shard of the entry that is touched
	_      [cacheLine]byte

	membership sync.Mutex // taken before the lock of any shard
	count      int        // entries in all shards; guarded by membership
	capacity   int        // guarded by membership
}

// shard is one lock and what it guards. The padding keeps neighbours in the
// array from sharing a cache line.
type shard[K comparable, V any] struct {
	mu   sync.Mutex
	list store[K, V]   // guarded by mu; the tags are stamps
	back atomic.Uint64 // stamp of the last entry of list, or empty; written under mu, read by scans without it
	_    [cacheLine]byte
}

// newSharded returns empty shards. Their stores have no bound of their own: a
// skewed hash may put nearly all entries into one of them, and count is what
// limits.
func newSharded[K comparable, V any](shards, capacity int) *sharded[K, V] {
	m := &sharded[K, V]{shards: make([]shard[K, V], shards), capacity: capacity}
	for i := range m.shards {
		s := &m.shards[i]
		s.list = store[K, V]{table: lrulist.New[K, V](m.share(), true), capacity: MaxCapacity}
		s.publish()
	}
	return m
}

// share returns how many entries a shard will hardly exceed: its part of the
// capacity, and a quarter for the luck of the hash.
func (m *sharded[K, V]) share() int {
	part := m.capacity / len(m.shards)
	return part + part/4 + 1
}

// of returns the shard of a hash, by bits that the table inside does not use.
func (m *sharded[K, V]) of(hash uint64) *shard[K, V] {
	return &m.shards[(hash>>32)&uint64(len(m.shards)-1)]
}

// stamp marks the entry at the front of s, which was just put there, as the
// most recent of all. s.mu is held.
func (m *sharded[K, V]) stamp(s *shard[K, V]) {
	s.list.table.SetTag(s.list.table.Front(), m.clock.Add(1))
	s.publish()
}

// publish makes the stamp at the back of s known to scans. s.mu is held.
func (s *shard[K, V]) publish() {
	back := uint64(empty)
	if i := s.list.table.Back(); i != 0 {
		back = s.list.table.Tag(i)
	}
	if s.back.Load() != back {
		s.back.Store(back)
	}
}

// get touches one shard only. What makes it take effect is its stamp.
func (m *sharded[K, V]) get(hash uint64, key K) (value V, ok bool) {
	s := m.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok = s.list.get(uint32(hash), key); ok {
		m.stamp(s)
	}
	return value, ok
}

// peek reads one shard.
func (m *sharded[K, V]) peek(hash uint64, key K) (value V, ok bool) {
	s := m.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list.peek(uint32(hash), key)
}

// set updates under the lock of one shard if the key is there. If not, what is
// present changes, so it starts again under the membership lock, and looks
// again: between the two somebody else may have inserted the same key.
func (m *sharded[K, V]) set(e *entry[K, V], gone *departures[K, V]) {
	s := m.of(e.hash)
	if m.tryUpdate(s, e, gone) {
		return
	}
	chaos.Point("lru: absent, membership not yet held")
	m.membership.Lock()
	defer m.membership.Unlock()
	if m.tryUpdate(s, e, gone) {
		return
	}
	m.insert(s, e, gone)
}

// tryUpdate replaces the value of a key that is present, or does nothing.
func (m *sharded[K, V]) tryUpdate(s *shard[K, V], e *entry[K, V], gone *departures[K, V]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.list.table.Find(uint32(e.hash), e.key)
	if i == 0 {
		return false
	}
	s.list.update(i, e, gone)
	m.stamp(s)
	return true
}

// getOrSet looks twice, as set does.
func (m *sharded[K, V]) getOrSet(e *entry[K, V], gone *departures[K, V]) (actual V, loaded bool) {
	s := m.of(e.hash)
	if actual, loaded = m.tryHit(s, e, false); loaded {
		return actual, true
	}
	chaos.Point("lru: absent, membership not yet held")
	m.membership.Lock()
	defer m.membership.Unlock()
	if actual, loaded = m.tryHit(s, e, true); loaded {
		return actual, true
	}
	m.insert(s, e, gone)
	return e.value, false
}

// tryHit is get, but for the miss, which counts only if it is final.
func (m *sharded[K, V]) tryHit(s *shard[K, V], e *entry[K, V], final bool) (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.list.table.Find(uint32(e.hash), e.key)
	if i == 0 {
		if final {
			s.list.stats.Misses++
		}
		return value, false
	}
	value = s.list.hit(i)
	m.stamp(s)
	return value, true
}

// insert adds a key that is absent from s. m.membership is held, so it stays
// absent until then.
func (m *sharded[K, V]) insert(s *shard[K, V], e *entry[K, V], gone *departures[K, V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.count < m.capacity {
		m.count++
	} else {
		victim := m.lockOldest(s)
		victim.list.evict(gone)
		victim.list.table.Shrink()
		victim.publish()
		if victim != s {
			defer victim.mu.Unlock() // with the stamp of the new entry taken: see above
		}
	}
	s.list.insert(e, gone)
	m.stamp(s)
}

// lockOldest returns the shard that holds the least recent entry of all,
// locked. own is the shard that the caller has locked already, or nil.
// m.membership is held and there is at least one entry.
func (m *sharded[K, V]) lockOldest(own *shard[K, V]) *shard[K, V] {
	for {
		s, stamp := m.oldestShard()
		chaos.Point("lru: oldest seen, not yet locked")
		if s == own {
			return s
		}
		s.mu.Lock()
		if s.back.Load() == stamp {
			return s
		}
		s.mu.Unlock()
	}
}

// oldestShard returns the shard with the least published stamp, and that stamp.
func (m *sharded[K, V]) oldestShard() (oldest *shard[K, V], stamp uint64) {
	oldest, stamp = &m.shards[0], m.shards[0].back.Load()
	for i := 1; i < len(m.shards); i++ {
		if back := m.shards[i].back.Load(); back < stamp {
			oldest, stamp = &m.shards[i], back
		}
	}
	return oldest, stamp
}

// delete changes what is present: under the membership lock the count stays
// that of the entries.
func (m *sharded[K, V]) delete(hash uint64, key K) (value V, ok bool) {
	m.membership.Lock()
	defer m.membership.Unlock()
	s := m.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok = s.list.delete(uint32(hash), key); ok {
		s.publish()
		m.count--
	}
	return value, ok
}

// oldest returns the least recent entry and, if it is to be removed, removes
// it.
func (m *sharded[K, V]) oldest(remove bool) (key K, value V, ok bool) {
	m.membership.Lock()
	defer m.membership.Unlock()
	if m.count == 0 {
		return key, value, false
	}
	s := m.lockOldest(nil)
	defer s.mu.Unlock()
	if !remove {
		return s.list.oldest()
	}
	key, value, ok = s.list.deleteOldest()
	s.publish()
	m.count--
	return key, value, ok
}

// len waits for an insertion that is on its way. Were the count an atomic, a
// caller could see it without an entry that a hit of another goroutine has
// already come after.
func (m *sharded[K, V]) len() int {
	m.membership.Lock()
	defer m.membership.Unlock()
	return m.count
}

func (m *sharded[K, V]) cap() int {
	m.membership.Lock()
	defer m.membership.Unlock()
	return m.capacity
}

// lockAll stops everything: what concerns all entries must take effect at one
// instant.
func (m *sharded[K, V]) lockAll() {
	m.membership.Lock()
	for i := range m.shards {
		m.shards[i].mu.Lock()
	}
}

// unlockAll ends lockAll.
func (m *sharded[K, V]) unlockAll() {
	for i := range m.shards {
		m.shards[i].mu.Unlock()
	}
	m.membership.Unlock()
}

// resize holds every lock: evicted one by one under the eyes of others, the
// entries would not be the oldest at any one instant.
func (m *sharded[K, V]) resize(capacity int, gone *departures[K, V]) (evicted int) {
	m.lockAll()
	defer m.unlockAll()
	for m.count > capacity {
		s, _ := m.oldestShard()
		s.list.evict(gone)
		s.publish()
		m.count--
		evicted++
	}
	m.capacity = capacity
	for i := range m.shards {
		m.shards[i].list.table.SetLimit(m.share())
		m.shards[i].list.table.Shrink()
	}
	return evicted
}

// clear empties all shards at one instant. What is to be reported is sorted
// after it.
func (m *sharded[K, V]) clear(gone *departures[K, V]) {
	m.lockAll()
	var all []stamped[K, V]
	if gone != nil {
		all = m.collect()
	}
	for i := range m.shards {
		m.shards[i].list.clear(nil)
		m.shards[i].publish()
	}
	m.count = 0
	m.unlockAll()
	for _, p := range ordered(all) {
		gone.Add(p.key, p.value, Deleted)
	}
}

// stats sums the shards up at one instant.
func (m *sharded[K, V]) stats() (sum Stats) {
	m.lockAll()
	defer m.unlockAll()
	for i := range m.shards {
		sum.add(m.shards[i].list.stats)
	}
	return sum
}

// stamped is an entry and the time of its last use.
type stamped[K comparable, V any] struct {
	pair[K, V]
	stamp uint64
}

// snapshot copies all entries at one instant and sorts them after it.
func (m *sharded[K, V]) snapshot() []pair[K, V] {
	m.lockAll()
	all := m.collect()
	m.unlockAll()
	return ordered(all)
}

// collect copies all entries, shard by shard. All locks are held.
func (m *sharded[K, V]) collect() []stamped[K, V] {
	all := make([]stamped[K, V], 0, m.count)
	for i := range m.shards {
		table := &m.shards[i].list.table
		for i := table.Back(); i != 0; i = table.Prev(i) {
			n := table.At(i)
			all = append(all, stamped[K, V]{pair[K, V]{n.Key(), n.Value}, table.Tag(i)})
		}
	}
	return all
}

// ordered sorts entries by stamp, the least recent first.
func ordered[K comparable, V any](all []stamped[K, V]) []pair[K, V] {
	slices.SortFunc(all, func(a, b stamped[K, V]) int { return cmp.Compare(a.stamp, b.stamp) })
	pairs := make([]pair[K, V], len(all))
	for i := range all {
		pairs[i] = all[i].pair
	}
	return pairs
}
