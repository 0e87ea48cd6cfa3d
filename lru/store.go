package lru

import "github.com/mainstay-go/mainstay/internal/lrulist"

// store is the cache without its lock: the entries in order of recency (the
// front is the most recent), the bounds and the counters. With weights, the tag
// of an entry in the table is its weight. In the sharded form each shard has a
// store without bounds, and the tags are stamps. The departures that a method
// reports go to gone, which is nil if nobody listens.
type store[K comparable, V any] struct {
	table     lrulist.Table[K, V]
	capacity  int
	maxWeight int64 // 0: entries have no weights
	weight    int64 // sum of the tags, when they are weights
	stats     Stats
}

// entry is what Set and GetOrSet bring: everything that is computed before a
// lock is taken.
type entry[K comparable, V any] struct {
	key    K
	value  V
	hash   uint64 // the low half goes to the table, the high half chooses a shard
	weight int64
}

// get finds, counts and promotes.
func (s *store[K, V]) get(hash uint32, key K) (value V, ok bool) {
	i := s.table.Find(hash, key)
	if i == 0 {
		s.stats.Misses++
		return value, false
	}
	return s.hit(i), true
}

// hit promotes entry i and returns its value.
func (s *store[K, V]) hit(i uint32) V {
	s.stats.Hits++
	s.table.MoveToFront(i)
	return s.table.At(i).Value
}

// peek finds, and changes nothing.
func (s *store[K, V]) peek(hash uint32, key K) (value V, ok bool) {
	i := s.table.Find(hash, key)
	if i == 0 {
		return value, false
	}
	return s.table.At(i).Value, true
}

// set stores e under its key, or refuses it for its weight. A refusal removes
// what was there: the caller has said that it is no longer true.
func (s *store[K, V]) set(e *entry[K, V], gone *departures[K, V]) (stored bool) {
	i := s.table.Find(uint32(e.hash), e.key)
	switch {
	case s.refuses(e.weight):
		if i != 0 {
			s.drop(i, gone)
		}
		s.reject(e, gone)
		return false
	case i != 0:
		s.update(i, e, gone)
	default:
		s.insert(e, gone)
	}
	return true
}

// getOrSet is a hit, or a miss followed by what set does with an absent key.
func (s *store[K, V]) getOrSet(e *entry[K, V], gone *departures[K, V]) (actual V, loaded bool) {
	if i := s.table.Find(uint32(e.hash), e.key); i != 0 {
		return s.hit(i), true
	}
	s.stats.Misses++
	if s.refuses(e.weight) {
		s.reject(e, gone)
	} else {
		s.insert(e, gone)
	}
	return e.value, false
}

// refuses tells whether a weight could never fit. Without weights both sides
// are 0 and nothing is refused.
func (s *store[K, V]) refuses(weight int64) bool { return weight < 0 || weight > s.maxWeight }

// reject accounts for a value that is not stored. It leaves without having been
// in.
func (s *store[K, V]) reject(e *entry[K, V], gone *departures[K, V]) {
	s.stats.Rejected++
	gone.Add(e.key, e.value, Rejected)
}

// update replaces the value of entry i, which becomes the most recent.
func (s *store[K, V]) update(i uint32, e *entry[K, V], gone *departures[K, V]) {
	n := s.table.At(i)
	gone.Add(n.Key(), n.Value, Replaced)
	n.Value = e.value
	s.stats.Updates++
	s.table.MoveToFront(i)
	if s.maxWeight != 0 {
		s.weight -= int64(s.table.Tag(i))
		s.makeRoom(e.weight, gone) // stops before i: alone, it fits
		s.weight += e.weight
		s.table.SetTag(i, uint64(e.weight))
		s.table.Shrink()
	}
}

// insert adds a key that is absent. A full cache gives it the node of its
// victim.
func (s *store[K, V]) insert(e *entry[K, V], gone *departures[K, V]) {
	s.stats.Inserts++
	s.makeRoom(e.weight, gone)
	i := s.table.Back()
	if s.table.Len() < s.capacity {
		i = s.table.Insert(uint32(e.hash), e.key, e.value)
	} else {
		s.retire(i, Evicted, gone)
		s.table.Replace(i, uint32(e.hash), e.key, e.value)
	}
	if s.maxWeight != 0 {
		s.weight += e.weight
		s.table.SetTag(i, uint64(e.weight))
		s.table.Shrink()
	}
}

// makeRoom evicts until one more entry of that weight fits. Both sides stay
// within [0, maxWeight], so nothing overflows.
func (s *store[K, V]) makeRoom(weight int64, gone *departures[K, V]) {
	for s.weight > s.maxWeight-weight {
		s.evict(gone)
	}
}

// evict removes the least recent entry. The caller shrinks the table when it is
// done.
func (s *store[K, V]) evict(gone *departures[K, V]) {
	i := s.table.Back()
	s.retire(i, Evicted, gone)
	s.table.Remove(i)
}

// drop removes entry i, as deleted.
func (s *store[K, V]) drop(i uint32, gone *departures[K, V]) {
	s.retire(i, Deleted, gone)
	s.table.Remove(i)
	s.table.Shrink()
}

// retire does the accounts of entry i, which is about to leave the table.
func (s *store[K, V]) retire(i uint32, reason Reason, gone *departures[K, V]) {
	if reason == Evicted {
		s.stats.Evictions++
	} else {
		s.stats.Deletes++
	}
	if s.maxWeight != 0 {
		s.weight -= int64(s.table.Tag(i))
	}
	if gone != nil {
		n := s.table.At(i)
		gone.Add(n.Key(), n.Value, reason)
	}
}

// delete removes a key. The caller reports it: one departure needs no list.
func (s *store[K, V]) delete(hash uint32, key K) (value V, ok bool) {
	i := s.table.Find(hash, key)
	if i == 0 {
		return value, false
	}
	value = s.table.At(i).Value
	s.drop(i, nil)
	return value, true
}

// oldest returns the entry at the back.
func (s *store[K, V]) oldest() (key K, value V, ok bool) {
	i := s.table.Back()
	if i == 0 {
		return key, value, false
	}
	n := s.table.At(i)
	return n.Key(), n.Value, true
}

// deleteOldest removes the entry at the back and returns it.
func (s *store[K, V]) deleteOldest() (key K, value V, ok bool) {
	if key, value, ok = s.oldest(); ok {
		s.drop(s.table.Back(), nil)
	}
	return key, value, ok
}

// resize sets the capacity and evicts what no longer fits.
func (s *store[K, V]) resize(capacity int, gone *departures[K, V]) (evicted int) {
	for s.table.Len() > capacity {
		s.evict(gone)
		evicted++
	}
	s.capacity = capacity
	s.table.SetLimit(capacity)
	s.table.Shrink()
	return evicted
}

// clear removes everything. The bounds and the counters stay.
func (s *store[K, V]) clear(gone *departures[K, V]) {
	if gone != nil {
		for i := s.table.Back(); i != 0; i = s.table.Prev(i) {
			n := s.table.At(i)
			gone.Add(n.Key(), n.Value, Deleted)
		}
	}
	s.stats.Deletes += uint64(s.table.Len())
	s.weight = 0
	s.table.Clear()
}
