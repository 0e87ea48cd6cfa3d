package slidingwindow

import (
	"errors"
	"math"
)

// summary counts the keys of one bucket in a bounded number of counters: Space-
// Saving (Metwally, Agrawal, El Abbadi 2005). A key that has a counter is
// counted in it. A key that has none takes a free one, or else the least one,
// together with its count, which becomes the error of the newcomer:
//
//	before   a:9  b:4  c:3          total 16
//	add d    a:9  b:4  d:4 (err 3)  total 17    c is forgotten, and was at most 3
//
// The counts of all counters always add up to total, so that the least is at
// most total/capacity. It never falls: the last count that was taken over is
// the largest of them, and bounds every err and every key that is not kept.
type summary[K comparable] struct {
	total    int64
	floor    int64 // the last count that was taken over
	capacity int
	entries  []entry[K]

	// index finds a key: open addressing with linear probing, at most half
	// full, of 1 + the number of an entry, or 0.
	index []uint32

	// ranks is a heap with the least entry at the top, once all counters are
	// taken. Counts only grow, and it is not told: a rank is what the count was
	// when the heap last looked. A hit, the frequent case, touches nothing but
	// its counter; when the least is asked for, ranks that turn out to be stale
	// are put right until one at the top is not.
	ranks []rank
}

// entry is one counter.
type entry[K comparable] struct {
	count, err int64
	hash       uint32
	key        K
}

// rank is an entry in the heap: count may lag behind that of the entry.
type rank struct {
	count int64
	entry uint32
}

// arity of the heap: four ranks fill a cache line.
const arity = 4

// add counts n > 0 for key.
func (s *summary[K]) add(key K, hash uint32, n int64) {
	s.total = addSaturating(s.total, n)
	if i, found := s.find(key, hash); found {
		s.entries[i].count = addSaturating(s.entries[i].count, n)
		return
	}
	if len(s.entries) < s.capacity {
		s.append(entry[K]{count: n, hash: hash, key: key})
		return
	}
	least := s.settle()
	s.floor = least.count
	s.unlink(least.entry)
	count := addSaturating(least.count, n)
	s.entries[least.entry] = entry[K]{count: count, err: least.count, hash: hash, key: key}
	s.link(least.entry)
	s.sink(0, rank{count, least.entry})
}

// find returns the entry of key.
func (s *summary[K]) find(key K, hash uint32) (int, bool) {
	mask := uint32(len(s.index) - 1)
	for p := hash; len(s.index) > 0; p++ {
		i := s.index[p&mask]
		if i == 0 {
			break
		}
		if e := &s.entries[i-1]; e.hash == hash && e.key == key {
			return int(i - 1), true
		}
	}
	return 0, false
}

// append adds an entry for a new key, while there are free counters.
func (s *summary[K]) append(e entry[K]) {
	s.entries = append(grown(s.entries, s.capacity), e)
	if 2*len(s.entries) > len(s.index) {
		s.reindex()
		return
	}
	s.link(uint32(len(s.entries) - 1))
}

// reindex doubles the index.
func (s *summary[K]) reindex() {
	s.index = make([]uint32, max(2*len(s.index), 16))
	for i := range s.entries {
		s.link(uint32(i))
	}
}

// link puts an entry into the index.
func (s *summary[K]) link(i uint32) {
	mask := uint32(len(s.index) - 1)
	p := s.entries[i].hash
	for s.index[p&mask] != 0 {
		p++
	}
	s.index[p&mask] = i + 1
}

// unlink takes an entry out of the index, and moves those that follow to where
// they would be without it, so that no mark of it stays.
func (s *summary[K]) unlink(i uint32) {
	mask := uint32(len(s.index) - 1)
	hole := s.entries[i].hash & mask
	for s.index[hole] != i+1 {
		hole = (hole + 1) & mask
	}
	for p := (hole + 1) & mask; s.index[p] != 0; p = (p + 1) & mask {
		home := s.entries[s.index[p]-1].hash
		if (p-home)&mask >= (p-hole)&mask { // the hole is between its home and it
			s.index[hole] = s.index[p]
			hole = p
		}
	}
	s.index[hole] = 0
}

// settle returns the least entry, all counters being taken. Amortised over the
// calls of add: each makes at most one rank stale.
func (s *summary[K]) settle() rank {
	if len(s.ranks) == 0 {
		s.rankAll()
	}
	for {
		top := s.ranks[0]
		count := s.entries[top.entry].count
		if count == top.count {
			return top
		}
		s.sink(0, rank{count, top.entry})
	}
}

// rankAll builds the heap.
func (s *summary[K]) rankAll() {
	if cap(s.ranks) < len(s.entries) {
		s.ranks = make([]rank, 0, len(s.entries))
	}
	for i := range s.entries {
		s.ranks = append(s.ranks, rank{s.entries[i].count, uint32(i)})
	}
	for i := (len(s.ranks) - 2) / arity; i >= 0; i-- {
		s.sink(i, s.ranks[i])
	}
}

// sink puts r at place i of the heap, or as far below as it belongs.
func (s *summary[K]) sink(i int, r rank) {
	for {
		first := arity*i + 1
		if first >= len(s.ranks) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(s.ranks)); c++ {
			if s.ranks[c].count < s.ranks[least].count {
				least = c
			}
		}
		if s.ranks[least].count >= r.count {
			break
		}
		s.ranks[i] = s.ranks[least]
		i = least
	}
	s.ranks[i] = r
}

// clear forgets everything and keeps the memory, if the keys needed a good part
// of it; a summary that keeps room for what was there once is not worth having.
func (s *summary[K]) clear() (worth bool) {
	worth = 4*len(s.entries) >= cap(s.entries)
	clear(s.entries)
	clear(s.index)
	s.total, s.floor, s.entries, s.ranks = 0, 0, s.entries[:0], s.ranks[:0]
	return worth
}

// validate checks what the comments say.
func (s *summary[K]) validate() error {
	var sum int64
	for i := range s.entries {
		e := &s.entries[i]
		sum = addSaturating(sum, e.count)
		if at, found := s.find(e.key, e.hash); !found || at != i {
			return errors.New("summary: an entry is not found by its key")
		}
		if e.err >= e.count && e.count < math.MaxInt64 || e.err > s.floor || e.count < s.floor {
			return errors.New("summary: an error or a count out of bounds")
		}
	}
	if sum != s.total && s.total < math.MaxInt64 {
		return errors.New("summary: the counts do not add up")
	}
	return s.validateRanks()
}

func (s *summary[K]) validateRanks() error {
	if n := len(s.ranks); n != 0 && n != len(s.entries) {
		return errors.New("summary: not every entry has a rank")
	}
	for i, r := range s.ranks {
		if r.count > s.entries[r.entry].count {
			return errors.New("summary: a rank ahead of its entry")
		}
		if i > 0 && s.ranks[(i-1)/arity].count > r.count {
			return errors.New("summary: the heap is out of order")
		}
	}
	return nil
}
