package slidingwindow

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/invariants"
)

const (
	// maxCapacity keeps the numbers of entries in 32 bits, and a mistaken
	// argument from reserving gigabytes.
	maxCapacity = 1 << 20

	// defaultCapacity bounds the error of every count to a thousandth of all
	// events.
	defaultCapacity = 1024

	// checkable is the most entries that are all looked at after each Add, in
	// a build that checks invariants: more would make it quadratic.
	checkable = 64
)

// TopKConfig configures a TopK.
type TopKConfig struct {
	Window    time.Duration // as in CounterConfig
	Buckets   int           // as in CounterConfig
	EventTime bool          // as in CounterConfig
	MaxAhead  time.Duration // as in CounterConfig

	// Capacity is the most keys kept per bucket. 0 means 1024; at most 1<<20.
	// Counts are exact while no bucket sees more distinct keys.
	Capacity int
}

// TopK counts events by key over the last Window in memory that does not depend
// on the number of keys. Create it with NewTopK. All methods are safe for
// concurrent use and linearizable. It has no goroutine and needs no Close; it
// must not be copied. Events enter and leave the window as in a Counter.
//
// A count is never too small, and too large by at most Total/Capacity: it is
// the sum over the buckets, each of which counts by Space-Saving. Every key
// with more than Total/Capacity events is kept.
type TopK[K comparable] struct {
	grid

	seed     maphash.Seed
	capacity int
	refused  refusals

	mu sync.Mutex // mu guards the fields below

	// ring holds the bucket of number i at i modulo len(ring), nil if nothing
	// was counted in it or it is out of the window that ends with end.
	ring    []*summary[K]
	end     int64       // the newest bucket that a call has seen
	started bool        // false before the first event of an EventTime window, when end means nothing
	live    int         // buckets in ring
	newest  *summary[K] // the bucket end, if anything was counted in it
	spare   *summary[K] // an expired bucket, emptied for the next that begins; nil while live is 0
}

// Entry is what a TopK knows of one key: the true count lies in [Count-Err,
// Count].
type Entry[K comparable] struct {
	Key        K
	Count, Err int64
}

// NewTopK returns an empty TopK. An error matches ErrConfig and names the field
// at fault. Memory grows with the keys seen, up to sizeof(K) + 64 bytes for
// each of Capacity keys a bucket, and 200 bytes for each bucket.
func NewTopK[K comparable](config TopKConfig) (*TopK[K], error) {
	g, err := newGrid(CounterConfig{
		Window:    config.Window,
		Buckets:   config.Buckets,
		EventTime: config.EventTime,
		MaxAhead:  config.MaxAhead,
	})
	if err != nil {
		return nil, err
	}
	if config.Capacity < 0 || config.Capacity > maxCapacity {
		return nil, configError("Capacity must be 1 to %d, or 0 for %d, got %d",
			maxCapacity, defaultCapacity, config.Capacity)
	}
	return &TopK[K]{
		grid:     g,
		seed:     maphash.MakeSeed(),
		capacity: orDefault(config.Capacity, defaultCapacity),
		ring:     make([]*summary[K], g.buckets),
		started:  !g.eventTime,
	}, nil
}

// Add counts n events of key now. n = 0 does nothing; a negative n, and a key
// that is not equal to itself, are ignored and counted in Stats. With EventTime
// it is AddAt(time.Now(), key, n). Amortised O(log Capacity), O(1) for a key
// that is kept; allocates only while a bucket grows. A key of a type that
// cannot be hashed panics, as in a map.
func (k *TopK[K]) Add(key K, n int64) {
	k.check()
	if k.eventTime {
		k.addEvent(time.Now(), key, n)
		return
	}
	hash := k.hash(key)
	if !k.amount(key, n) {
		return
	}
	now := k.elapsed()
	k.addClock(now, now, key, hash, n)
}

// AddAt counts n events of key at time t. What is late or early is as for
// Counter.AddAt.
func (k *TopK[K]) AddAt(t time.Time, key K, n int64) {
	k.check()
	if k.eventTime {
		k.addEvent(t, key, n)
		return
	}
	hash := k.hash(key)
	if !k.amount(key, n) {
		return
	}
	now := k.elapsed()
	k.addClock(min(int64(t.Sub(k.base)), now), now, key, hash, n)
}

// addClock counts at at, which is not after now. As in a Counter, whoever has
// slept for a whole window since it read the clock counts in the newest bucket.
func (k *TopK[K]) addClock(at, now int64, key K, hash uint32, n int64) {
	chaos.Point("slidingwindow: clock read, not yet locked")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.advanceTo(now)
	bucket := k.end
	if at < 0 || uint64(at-k.end*k.width) >= uint64(k.width) { // else it spares a division
		bucket = k.number(at)
	}
	if bucket < k.end && k.expired(bucket, k.end) {
		if at != now {
			k.refused.late.Add(1)
			return
		}
		bucket = k.end
	}
	k.put(bucket, key, hash, n)
}

// addEvent counts n at t, an event time.
func (k *TopK[K]) addEvent(t time.Time, key K, n int64) {
	hash := k.hash(key)
	if !k.amount(key, n) {
		return
	}
	at, ok := k.refused.representable(t)
	if !ok {
		return
	}
	bucket := k.number(at)
	chaos.Point("slidingwindow: event read, not yet locked")
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.started && bucket <= k.end:
		if k.expired(bucket, k.end) {
			k.refused.late.Add(1)
			return
		}
	case k.tooEarly(at):
		k.refused.early.Add(1)
		return
	case !k.started:
		k.started, k.end = true, bucket
	}
	k.advance(bucket)
	k.put(bucket, key, hash, n)
}

// hash panics for a key that a map would panic for; it runs before the lock.
func (k *TopK[K]) hash(key K) uint32 { return uint32(maphash.Comparable(k.seed, key)) }

// amount reports whether the event is to be counted. A key that is not equal to
// itself could be counted, but never asked for.
func (k *TopK[K]) amount(key K, n int64) bool {
	if key != key { //nolint:gocritic // NaN
		k.refused.ignored.Add(1)
		return false
	}
	return k.refused.amount(n)
}

// advanceTo moves the window to now. The caller holds mu.
func (k *TopK[K]) advanceTo(now int64) {
	if uint64(now-k.end*k.width) >= uint64(k.width) {
		k.advance(k.number(now))
	}
}

// advance moves the window to its new end and lets go of what has expired.
// O(Buckets), however long the gap. The caller holds mu.
func (k *TopK[K]) advance(end int64) {
	if end <= k.end {
		return
	}
	k.newest = nil
	if uint64(end-k.end) >= uint64(k.buckets) {
		k.end = end
		k.drop()
		return
	}
	for k.end < end {
		k.end++
		if place := &k.ring[k.position(k.end)]; *place != nil {
			k.recycle(*place)
			*place = nil
		}
	}
}

// recycle keeps an expired bucket for the next that begins. Once nothing is
// left in the window no memory is kept for it either.
func (k *TopK[K]) recycle(s *summary[K]) {
	k.live--
	if s.clear() {
		k.spare = s
	}
	if k.live == 0 {
		k.spare = nil
	}
}

// drop lets go of all buckets.
func (k *TopK[K]) drop() {
	clear(k.ring)
	k.live, k.spare, k.newest = 0, nil, nil
}

// put counts n in a bucket of the window. The caller holds mu.
func (k *TopK[K]) put(bucket int64, key K, hash uint32, n int64) {
	s := k.newest
	if s == nil || bucket != k.end { // else it spares a division
		s = k.bucket(bucket)
	}
	s.add(key, hash, n)
	if invariants.Enabled && len(s.entries) <= checkable {
		invariants.Check(s.validate())
	}
}

// bucket returns a bucket of the window, which it may begin.
func (k *TopK[K]) bucket(number int64) *summary[K] {
	place := &k.ring[k.position(number)]
	if *place == nil {
		*place, k.spare = k.spare, nil
		k.live++
		if *place == nil {
			*place = &summary[K]{capacity: k.capacity}
		}
	}
	if number == k.end {
		k.newest = *place
	}
	return *place
}

// lock locks for a reader, and brings the window to the present.
func (k *TopK[K]) lock() {
	k.check()
	var now int64
	if !k.eventTime {
		now = k.elapsed()
	}
	chaos.Point("slidingwindow: clock read, not yet locked")
	k.mu.Lock()
	if !k.eventTime {
		k.advanceTo(now)
	}
}

// check panics unless k was made by NewTopK.
func (k *TopK[K]) check() {
	if k.ring == nil {
		panic("slidingwindow: TopK not made by NewTopK")
	}
}

// Get returns what is known of key, also when it is not kept: then Count is the
// most it can have been. O(Buckets), no allocation.
func (k *TopK[K]) Get(key K) Entry[K] {
	k.check()
	hash := k.hash(key)
	k.lock()
	defer k.mu.Unlock()
	var b bounds
	var floors int64
	for _, s := range k.ring {
		if s == nil {
			continue
		}
		floors = addSaturating(floors, s.floor)
		if i, found := s.find(key, hash); found {
			b.add(s.entries[i].count-s.floor, s.entries[i].count-s.entries[i].err)
		}
	}
	return entryOf(key, b, floors)
}

// bounds add up what the buckets that keep a key say of it.
type bounds struct {
	above int64 // events beyond the floors of those buckets, at most
	sure  int64 // events, at least
}

// add adds the part of one bucket.
func (b *bounds) add(above, sure int64) {
	b.above = addSaturating(b.above, above)
	b.sure = addSaturating(b.sure, sure)
}

// Top returns the n keys with the largest counts, or all that are kept, if
// those are fewer; nil for n <= 0. The largest Count comes first, of equal ones
// the one with the smaller Err, else the order is not specified. The counters
// are copied under the lock, and merged and sorted outside of it: with m of
// them, O(m log m).
func (k *TopK[K]) Top(n int) []Entry[K] {
	k.check()
	if n <= 0 {
		return nil
	}
	all, floors := k.merge()
	top := make([]Entry[K], 0, len(all))
	for key, b := range all {
		top = append(top, entryOf(key, b, floors))
	}
	slices.SortFunc(top, func(a, b Entry[K]) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Err, b.Err))
	})
	return slices.Clip(top[:min(n, len(top))])
}

// entryOf adds the floors of the buckets that do not keep the key: with those
// that do, the floors of all.
func entryOf[K comparable](key K, b bounds, floors int64) Entry[K] {
	count := addSaturating(b.above, floors)
	return Entry[K]{Key: key, Count: count, Err: count - min(b.sure, count)}
}

// merge returns the bounds of every key that is kept, and the sum of the
// floors.
func (k *TopK[K]) merge() (map[K]bounds, int64) {
	copies, floors := k.copy()
	all := make(map[K]bounds)
	var sum int64
	for i, entries := range copies {
		sum = addSaturating(sum, floors[i])
		for j := range entries {
			e := &entries[j]
			b := all[e.key]
			b.add(e.count-floors[i], e.count-e.err)
			all[e.key] = b
		}
	}
	return all, sum
}

// copy returns the counters of each bucket and its floor.
func (k *TopK[K]) copy() (copies [][]entry[K], floors []int64) {
	k.lock()
	defer k.mu.Unlock()
	for _, s := range k.ring {
		if s != nil {
			copies = append(copies, slices.Clone(s.entries))
			floors = append(floors, s.floor)
		}
	}
	return copies, floors
}

// Total returns the number of all events in the window, exactly.
// O(Buckets), no allocation.
func (k *TopK[K]) Total() int64 {
	k.lock()
	defer k.mu.Unlock()
	var total int64
	for _, s := range k.ring {
		if s != nil {
			total = addSaturating(total, s.total)
		}
	}
	return total
}

// Len returns the number of distinct keys that are kept, at most
// Buckets*Capacity. As slow as Top without the sorting.
func (k *TopK[K]) Len() int {
	all, _ := k.merge()
	return len(all)
}

// Reset empties the window and lets go of its memory; with EventTime it forgets
// the newest event. Stats keep counting.
func (k *TopK[K]) Reset() {
	k.lock()
	defer k.mu.Unlock()
	k.drop()
	k.started = !k.eventTime
}

// Stats returns what has been refused.
func (k *TopK[K]) Stats() Stats {
	k.check()
	return k.refused.stats()
}
