package ttlcache

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/departures"
	"github.com/mainstay-go/mainstay/internal/lrulist"
)

// state tells what an item is. It follows the clock only when the wheel returns
// the entry: an item that says fresh may have expired, so whoever looks compares
// the deadline too.
type state uint8

const (
	fresh  state = iota // a value; live until its deadline
	stale               // an expired value, kept for GetOrLoad only
	absent              // a remembered ErrNotFound
)

// item is what the table keeps with a key. With a key and a value of 8 bytes a
// node is 64 bytes.
type item[V any] struct {
	value     V
	deadline  int64         // the entry is live before this instant; never: always
	life      time.Duration // from the last store, Expire or sliding hit to the deadline
	wheelPrev uint32        // neighbours in the slot of the wheel; 0: none
	wheelNext uint32
	slot      uint16 // of the wheel, counted from 1, or nowhere
	state     state
}

// liveAt tells whether the item is a value that may be seen. At its deadline it
// may not.
func (it *item[V]) liveAt(now int64) bool { return it.deadline > now && it.state != absent }

// gone is what a call has to report; a nil *gone is for a cache without a hook.
type gone[K comparable, V any] = departures.List[K, V, Reason]

// store is the cache without its lock: the entries in order of recency (the
// front is the most recent), the wheel, the bounds, the loads and the counters.
// With weights, the tag of an entry in the table is its weight.
//
// Every method relies on enter having been called under the same hold of the
// lock: what has expired is decided by now.
type store[K comparable, V any] struct {
	table    lrulist.Table[K, item[V]]
	wheel    wheel[K, V]
	flights  map[K]*flight[V] // loads whose result will be stored; nil if none
	clears   uint64           // calls to Clear: a load that began before one is not stored
	alarm    alarm
	expiring atomic.Bool // the wheel is not empty; a hint for calls that have no lock yet

	base time.Time
	now  int64 // the latest instant that any call has brought, or unread

	capacity  int
	maxWeight int64 // 0: entries have no weights
	weight    int64 // sum of the tags
	live      int   // items whose state is fresh
	absences  int   // items whose state is absent
	searches  int   // steps that the search of this call for room has left
	stats     Stats

	sliding              bool
	staleWhileRevalidate time.Duration
	staleIfError         time.Duration
	negativeTTL          time.Duration
}

// entry is what Set and GetOrSet bring: everything that is computed before the
// lock is taken.
type entry[K comparable, V any] struct {
	key    K
	value  V
	hash   uint32
	weight int64
	life   time.Duration // not positive: refused
	now    int64         // as for enter
}

// unread stands for the time in a call that had no reason to read the clock.
const unread int64 = math.MinInt64

// enter brings the time of the store to that of a call. Calls read the clock
// before they wait for the lock, so an earlier reading may come later; it then
// counts as the later one, which lies within that call too. Without this a call
// could see a value that an earlier one has found expired.
func (s *store[K, V]) enter(now int64) {
	switch {
	case now > s.now:
		s.now = now
	case now == unread && s.wheel.len > 0: // the first deadline came between the look and the lock
		s.refresh()
	}
}

// refresh reads the clock for a call that had no reason to before the lock.
func (s *store[K, V]) refresh() { s.now = max(s.now, int64(time.Since(s.base))) }

// get finds, counts and promotes.
func (s *store[K, V]) get(hash uint32, key K) (value V, ok bool) {
	i := s.table.Find(hash, key)
	if i == 0 {
		s.stats.Misses++
		return value, false
	}
	it := &s.table.At(i).Value
	if !it.liveAt(s.now) {
		s.stats.Misses++
		return value, false
	}
	return s.hit(i, it), true
}

// hit promotes the live entry i, lets it slide, and returns its value.
func (s *store[K, V]) hit(i uint32, it *item[V]) V {
	s.stats.Hits++
	s.table.MoveToFront(i)
	if s.sliding {
		it.deadline = after(s.now, it.life) // later than before, so the wheel need not know
	}
	return it.value
}

// find returns the live entry of key, or 0.
func (s *store[K, V]) find(hash uint32, key K) uint32 {
	if i := s.table.Find(hash, key); i != 0 && s.table.At(i).Value.liveAt(s.now) {
		return i
	}
	return 0
}

// set stores e under its key, or refuses it for its weight or its life. A
// refusal removes what was there: the caller has said that it is no longer true.
func (s *store[K, V]) set(e *entry[K, V], gone *gone[K, V]) (stored bool) {
	s.discardLoad(e.key)
	return s.accept(s.table.Find(e.hash, e.key), e, gone)
}

// accept is set, for a key that is at i if i is not 0. The loads of the key are
// the caller's business.
func (s *store[K, V]) accept(i uint32, e *entry[K, V], gone *gone[K, V]) (stored bool) {
	switch {
	case s.refuses(e.weight) || e.life <= 0:
		if i != 0 {
			s.drop(i, Deleted, gone)
		}
		s.reject(e, gone)
		return false
	case i != 0:
		s.replace(i, e, gone)
	default:
		s.stats.Inserts++
		s.live++
		s.insert(e, fresh, gone)
	}
	return true
}

// getOrSet is a hit, or a miss followed by what set does with an absent key.
func (s *store[K, V]) getOrSet(e *entry[K, V], gone *gone[K, V]) (actual V, loaded bool) {
	i := s.table.Find(e.hash, e.key)
	if i != 0 {
		if it := &s.table.At(i).Value; it.liveAt(s.now) {
			return s.hit(i, it), true
		}
	}
	s.stats.Misses++
	if s.refuses(e.weight) {
		s.reject(e, gone)
		return e.value, false
	}
	s.discardLoad(e.key)
	s.accept(i, e, gone)
	return e.value, false
}

// refuses tells whether a weight could never fit. Without weights both sides
// are 0 and nothing is refused.
func (s *store[K, V]) refuses(weight int64) bool { return weight < 0 || weight > s.maxWeight }

// reject accounts for a value that is not stored. It leaves without having been
// in.
func (s *store[K, V]) reject(e *entry[K, V], gone *gone[K, V]) {
	s.stats.Rejected++
	gone.Add(e.key, e.value, Rejected)
}

// replace gives entry i, of whatever state, a new value and a new life, and
// makes it the most recent.
func (s *store[K, V]) replace(i uint32, e *entry[K, V], gone *gone[K, V]) {
	it := &s.table.At(i).Value
	if !it.liveAt(s.now) {
		s.stats.Inserts++
	}
	s.account(i, Replaced, gone)
	scheduled := s.due(it)
	it.value, it.life, it.state, it.deadline = e.value, e.life, fresh, after(s.now, e.life)
	s.live++
	s.table.MoveToFront(i)
	s.reschedule(i, scheduled)
	if s.maxWeight != 0 {
		s.weight -= int64(s.table.Tag(i))
		s.table.SetTag(i, 0)
		s.searches = searchSteps
		s.makeRoom(e.weight, gone) // stops before i: alone, it fits
		s.weight += e.weight
		s.table.SetTag(i, uint64(e.weight))
		s.shrink()
	}
}

// insert adds a key that is not in the table, as a value or as an absence. A
// full cache gives it the node of the entry that leaves for it.
func (s *store[K, V]) insert(e *entry[K, V], state state, gone *gone[K, V]) {
	s.searches = searchSteps
	s.makeRoom(e.weight, gone)
	it := item[V]{value: e.value, life: e.life, deadline: after(s.now, e.life), state: state}
	var i uint32
	if s.table.Len() < s.capacity {
		i = s.table.Insert(e.hash, e.key, it)
	} else {
		i = s.victim()
		s.retire(i, Evicted, gone)
		s.table.Replace(i, e.hash, e.key, it)
	}
	if it.deadline != never {
		s.schedule(i, it.deadline)
	}
	if s.maxWeight != 0 {
		s.weight += e.weight
		s.table.SetTag(i, uint64(e.weight))
		s.shrink()
	}
}

// makeRoom lets entries leave until one more of that weight fits. Both sides
// stay within [0, maxWeight], so nothing overflows.
func (s *store[K, V]) makeRoom(weight int64, gone *gone[K, V]) {
	for s.weight > s.maxWeight-weight {
		i := s.victim()
		s.retire(i, Evicted, gone)
		s.table.Remove(i)
	}
}

// victim returns the entry that leaves next: one whose time is over, else the
// least recent.
func (s *store[K, V]) victim() uint32 {
	if i := s.reclaim(); i != 0 {
		return i
	}
	return s.table.Back()
}

// drop removes entry i.
func (s *store[K, V]) drop(i uint32, reason Reason, gone *gone[K, V]) {
	s.retire(i, reason, gone)
	s.table.Remove(i)
	s.shrink()
}

// retire does the accounts of entry i, which is about to leave the table.
func (s *store[K, V]) retire(i uint32, reason Reason, gone *gone[K, V]) {
	s.account(i, reason, gone)
	if s.maxWeight != 0 {
		s.weight -= int64(s.table.Tag(i))
	}
	s.unschedule(i)
}

// account counts and reports that the value of entry i leaves. An expired value
// has expired, whatever made it leave; of an absence nobody is told.
func (s *store[K, V]) account(i uint32, reason Reason, gone *gone[K, V]) {
	n := s.table.At(i)
	switch n.Value.state {
	case absent:
		s.absences--
		return
	case fresh:
		s.live--
	case stale:
	}
	if n.Value.deadline <= s.now {
		reason = Expired
	}
	s.stats.count(reason)
	if gone != nil {
		gone.Add(n.Key(), n.Value.value, reason)
	}
}

// delete removes a key and returns its value if that was live.
func (s *store[K, V]) delete(hash uint32, key K, gone *gone[K, V]) (value V, ok bool) {
	s.discardLoad(key)
	i := s.table.Find(hash, key)
	if i == 0 {
		return value, false
	}
	if it := &s.table.At(i).Value; it.liveAt(s.now) {
		value, ok = it.value, true
	}
	s.drop(i, Deleted, gone)
	return value, ok
}

// resize sets the capacity and removes what no longer fits, the least recent
// first. It returns how many live entries that were.
func (s *store[K, V]) resize(capacity int, gone *gone[K, V]) (evicted int) {
	before := s.stats.Evictions
	for s.table.Len() > capacity {
		i := s.table.Back()
		s.retire(i, Evicted, gone)
		s.table.Remove(i)
	}
	s.capacity = capacity
	s.table.SetLimit(capacity)
	s.shrink()
	return int(s.stats.Evictions - before)
}

// clear removes everything from a store that has just been swept. The bounds
// and the counters stay.
func (s *store[K, V]) clear(gone *gone[K, V]) {
	for i := s.table.Back(); i != 0 && gone != nil; i = s.table.Prev(i) {
		switch n := s.table.At(i); n.Value.state {
		case fresh:
			gone.Add(n.Key(), n.Value.value, Deleted)
		case stale:
			gone.Add(n.Key(), n.Value.value, Expired)
		case absent:
		}
	}
	s.stats.Deletes += uint64(s.live)
	s.stats.Expirations += uint64(s.table.Len() - s.live - s.absences)
	s.weight, s.live, s.absences = 0, 0, 0
	s.flights, s.clears = nil, s.clears+1
	s.table.Clear()
	s.wheel.clear()
	s.silence()
}

// shrink gives memory back when few nodes are in use. While expired entries
// wait to be removed it does nothing: they would be copied for nothing, and
// when a million entries go at once, a shrink that waits for the last has
// nothing left to copy.
func (s *store[K, V]) shrink() {
	if s.table.Sparse() && !s.wheel.behind(s.now) {
		s.table.Shrink()
		s.wheel.rebuild(s.due)
	}
}
