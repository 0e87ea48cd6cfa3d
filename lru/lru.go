// Package lru is a cache of fixed capacity that evicts exactly the least
// recently used entry.
//
//	cache, err := lru.New(lru.Config[string, []byte]{Capacity: 10_000})
//	if err != nil {
//		return err // errors.Is(err, lru.ErrConfig), and the text names the field
//	}
//	cache.Set("a", page)
//	page, ok := cache.Get("a")
//
// # Choosing
//
// Use lru if you need a bound that is never exceeded, a victim that you can
// predict, and to be told of every value that leaves. If entries must also
// expire or be loaded once for many callers, use ttlcache. If a higher hit
// ratio is worth more than a predictable victim, use a cache with an adaptive
// policy (W-TinyLFU, S3-FIFO): on skewed and scanning loads they keep more of
// what will be asked for again than any LRU can. If nothing need ever leave, a
// map is enough.
//
// # Algorithm
//
// A hash table finds the entry, a doubly linked list orders all entries by
// recency, and both are made of the same nodes:
//
//	   most recent                                  least recent
//	    +-----+      +-----+      +-----+            +-----+
//	<-->|  k  |<---->|  c  |<---->|  q  |<-- ... --->|  a  |<-->   Get(q): unlink q, relink it at the left
//	    +-----+      +-----+      +-----+            +-----+       Set(new) when full: a leaves, its node is reused
//
// Get, Set and Delete are O(1). The nodes stand in one array and name each
// other by 32-bit index, so that a full cache inserts without allocating, and
// the garbage collector sees two blocks of memory rather than an object to each
// entry. The array doubles as entries arrive (nothing is reserved for Capacity)
// and shrinks when fewer than one node in eight is in use, or when Resize has
// made half of it useless. For a key and a value of 8 bytes an entry of a full
// cache costs 40 to 60 bytes from a few thousand entries on, 8 more with
// weights, and up to 80 bytes with shards.
//
// Keys are hashed with a seed that differs in each cache
// ([maphash.Comparable]), before the lock is taken, and only once. Keys that
// are equal by == are one key. A key that is not equal to itself (a NaN, or a
// struct or interface that holds one) is stored, is never found, counts toward
// Len, and leaves like any entry; an interface key whose dynamic type cannot be
// compared panics as it does in a map, before anything has changed.
//
// # Concurrency
//
// All methods may be called from any number of goroutines. Every call is
// linearizable: a concurrent history can be explained by the same calls, one
// after the other, on a cache with one list, evictions included. Len never
// exceeds Cap and Weight never exceeds MaxWeight, at any instant.
//
// One mutex guards the cache. A call that neither grows nor shrinks the table
// holds it for tens of nanoseconds; growth, Resize, iteration and a Clear that
// is reported hold it in proportion to the entries. It is never held while code
// of the caller runs (OnEvict, Weigh, the body of an iteration), which may
// therefore use the same cache. With Config.Shards there are that many locks,
// and still one order over all entries; see that field for what it costs. There
// is no goroutine, no timer and no clock, and nothing to close.
//
// # Limits
//
// At most [MaxCapacity] entries. Weights and shards do not go together. There
// is no update under the lock (compare and swap, compute): user code never runs
// there. An iteration copies the entries first, and keeps the copy until it
// ends. Keys that hold pointers, other than strings, are moved to the heap to
// be hashed: one allocation a call, which the others do not have.
//
// # Coming from golang-lru
//
//	lru.New(n)             lru.New(lru.Config[K, V]{Capacity: n})
//	lru.NewWithEvict(n, f) Config.OnEvict, which also tells the reason, and is
//	                       told of replaced values
//	Add                    Set; its result tells whether the value was stored,
//	                       not whether another was evicted
//	Get, Peek, Contains    the same
//	PeekOrAdd              GetOrSet, which promotes what it finds
//	Remove                 Delete, which returns the value
//	RemoveOldest           DeleteOldest
//	GetOldest              Oldest
//	Keys, Values           iterators in the same order: slices.Collect(c.Keys())
//	Purge                  Clear
//	Resize, Len            the same, but Resize(0) is an error
package lru

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/mainstay-go/mainstay/internal/bounds"
	"github.com/mainstay-go/mainstay/internal/lrulist"
)

const (
	// MaxCapacity is the largest Config.Capacity: entries are linked by 32-bit
	// indices.
	MaxCapacity = 1 << 30

	// maxShards bounds the scan for the oldest entry, which reads one word from
	// each shard.
	maxShards = 256
)

// ErrConfig is returned, wrapped in a text that names the field, by New and
// Resize when a setting is out of range.
var ErrConfig = errors.New("lru: invalid config")

// Config configures New. Only Capacity is required.
type Config[K comparable, V any] struct {
	// Capacity is the most entries that are held, from 1 to MaxCapacity.
	// Nothing is allocated ahead of use.
	Capacity int

	// MaxWeight bounds the sum of the weights of all entries: at least 1 with
	// Weigh, 0 without.
	MaxWeight int64

	// Weigh returns the weight of an entry, in any unit; nil means that entries
	// have none. It is called once in every Set and GetOrSet, before any lock
	// is taken, and the result is kept with the entry. A value whose weight is
	// negative or above MaxWeight is rejected. A panic in Weigh reaches the
	// caller and nothing has changed.
	Weigh func(K, V) int64

	// OnEvict is called once for each value that leaves or is rejected; nil
	// means that nobody is told. It runs on the goroutine of the call that
	// caused the departure, after the change is visible and all locks are
	// released, and before that call returns. It may use the cache. If it
	// panics or calls runtime.Goexit, the remaining departures of that call are
	// still reported first, and the last failure goes on in the caller. Every
	// Goexit takes a frame of the stack until all are told. Between concurrent
	// calls no order is promised.
	OnEvict func(K, V, Reason)

	// Shards is the number of locks: 0 or 1 for one, else a power of two up to
	// 256. The order over all entries stays
	// strict whatever the number, unlike that of a cache which is cut into
	// independent parts. It is meant for loads on many cores that mostly find
	// what they ask for: a hit and an update take the lock of one shard. An
	// insertion and a removal take a second lock, and an eviction looks at
	// every shard and locks one more, which makes it dearer than with one lock
	// (BenchmarkSetEvict). On few cores one lock is faster for everything.
	// Shards cannot be combined with Weigh.
	Shards int
}

// Cache is a strict least-recently-used cache, safe for concurrent use. Create
// it with New; it must not be copied. Methods of a nil or zero Cache panic.
//
// The methods here hash the key, ask for the weight, take the lock, let store
// or sharded do the work, and report the departures after the lock is released.
// The mutex is unlocked without defer where a call of a few nanoseconds would
// feel it; nothing in between can panic.
type Cache[K comparable, V any] struct {
	made    bool // by New
	seed    maphash.Seed
	weigh   func(K, V) int64
	onEvict func(K, V, Reason)
	many    *sharded[K, V] // nil with one lock

	mu    sync.Mutex
	store store[K, V] // guarded by mu; not used when many is set
}

// New returns an empty cache. An error matches ErrConfig and names the field.
// New allocates less than 1 KiB, or less than 400 bytes for each of Shards,
// whatever the Capacity and the types.
func New[K comparable, V any](cfg Config[K, V]) (*Cache[K, V], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Cache[K, V]{made: true, seed: maphash.MakeSeed(), weigh: cfg.Weigh, onEvict: cfg.OnEvict}
	if cfg.Shards > 1 {
		c.many = newSharded[K, V](cfg.Shards, cfg.Capacity)
		return c, nil
	}
	c.store = store[K, V]{
		table:     lrulist.New[K, V](cfg.Capacity, cfg.Weigh != nil),
		capacity:  cfg.Capacity,
		maxWeight: cfg.MaxWeight,
	}
	return c, nil
}

// validate refuses whatever has no meaning. Nothing is repaired: a limit that
// was silently changed is worse than one that fails at start.
func (cfg *Config[K, V]) validate() error {
	if err := checkCapacity(cfg.Capacity); err != nil {
		return err
	}
	if err := bounds.Weights(ErrConfig, cfg.MaxWeight, cfg.Weigh != nil); err != nil {
		return err
	}
	switch {
	case cfg.Shards < 0 || cfg.Shards > maxShards || cfg.Shards&(cfg.Shards-1) != 0:
		rule := fmt.Sprintf("must be 0 or a power of two up to %d", maxShards)
		return bounds.Error(ErrConfig, "Shards", rule, cfg.Shards)
	case cfg.Shards > 1 && cfg.Weigh != nil:
		return bounds.Error(ErrConfig, "Shards", "must be 0 or 1 with Weigh", cfg.Shards)
	}
	return nil
}

// checkCapacity is what New and Resize ask of a capacity.
func checkCapacity(capacity int) error { return bounds.Capacity(ErrConfig, capacity, MaxCapacity) }

// Get returns the value under key and makes it the most recent, or returns the
// zero value and false. It counts as a hit or a miss in Stats. O(1), no
// allocation; an entry that is the most recent already is not written to.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	hash := c.hash(key)
	if c.many != nil {
		return c.many.get(hash, key)
	}
	c.mu.Lock()
	value, ok = c.store.get(uint32(hash), key)
	c.mu.Unlock()
	return value, ok
}

// Peek returns the value under key as Get does, but leaves its place in the
// order as it is and no trace in Stats: for inspection, and for reads that must
// not keep an entry alive. O(1), no allocation.
func (c *Cache[K, V]) Peek(key K) (value V, ok bool) {
	hash := c.hash(key)
	if c.many != nil {
		return c.many.peek(hash, key)
	}
	c.mu.Lock()
	value, ok = c.store.peek(uint32(hash), key)
	c.mu.Unlock()
	return value, ok
}

// Contains tells whether Peek would find key. Another goroutine may change that
// before the caller acts on it; to store only what is absent, use GetOrSet.
func (c *Cache[K, V]) Contains(key K) bool {
	_, ok := c.Peek(key)
	return ok
}

// Set stores value under key and makes it the most recent. In a full cache a
// new key evicts the least recent entry; a key that is present never does,
// unless the new value is heavier: then entries leave from the least recent end
// until the weights fit. Set returns false, and the key is absent afterwards,
// if the weight of the value was refused. O(1) amortised, and O(evicted) with
// weights. It allocates only when the table grows or shrinks, and to report
// more than a few departures of one call.
func (c *Cache[K, V]) Set(key K, value V) bool {
	e := entry[K, V]{hash: c.hash(key), key: key, value: value, weight: c.weightOf(key, value)}
	if c.onEvict == nil { // nothing is kept for a report that nobody reads
		return c.set(&e, nil)
	}
	var gone departures[K, V]
	stored := c.set(&e, &gone)
	gone.Report(c.onEvict)
	return stored
}

func (c *Cache[K, V]) set(e *entry[K, V], gone *departures[K, V]) (stored bool) {
	if c.many != nil {
		c.many.set(e, gone)
		return true
	}
	c.mu.Lock()
	stored = c.store.set(e, gone)
	c.mu.Unlock()
	return stored
}

// GetOrSet returns the value under key, made the most recent, and true; or, if
// there is none, stores value as Set does and returns it and false. No other
// call can come between the look and the store. A value that is refused for its
// weight is returned but not stored. Costs as Set.
func (c *Cache[K, V]) GetOrSet(key K, value V) (actual V, loaded bool) {
	e := entry[K, V]{hash: c.hash(key), key: key, value: value, weight: c.weightOf(key, value)}
	if c.onEvict == nil {
		return c.getOrSet(&e, nil)
	}
	var gone departures[K, V]
	actual, loaded = c.getOrSet(&e, &gone)
	gone.Report(c.onEvict)
	return actual, loaded
}

func (c *Cache[K, V]) getOrSet(e *entry[K, V], gone *departures[K, V]) (actual V, loaded bool) {
	if c.many != nil {
		return c.many.getOrSet(e, gone)
	}
	c.mu.Lock()
	actual, loaded = c.store.getOrSet(e, gone)
	c.mu.Unlock()
	return actual, loaded
}

// Delete removes key and returns the value that was under it, or the zero value
// and false. O(1) amortised.
func (c *Cache[K, V]) Delete(key K) (value V, ok bool) {
	hash := c.hash(key)
	if c.many != nil {
		value, ok = c.many.delete(hash, key)
	} else {
		c.mu.Lock()
		value, ok = c.store.delete(uint32(hash), key)
		c.mu.Unlock()
	}
	if ok && c.onEvict != nil {
		c.onEvict(key, value, Deleted)
	}
	return value, ok
}

// Oldest returns the least recent entry, which is the next victim, without
// promoting it. It returns false if the cache is empty. O(1) with one lock;
// with shards it looks at each of them.
func (c *Cache[K, V]) Oldest() (key K, value V, ok bool) {
	c.check()
	if c.many != nil {
		return c.many.oldest(false)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.oldest()
}

// DeleteOldest removes the least recent entry and returns it, or false if the
// cache is empty. It is reported as Deleted, not as Evicted. The cost is that
// of Oldest, amortised.
func (c *Cache[K, V]) DeleteOldest() (key K, value V, ok bool) {
	c.check()
	if c.many != nil {
		key, value, ok = c.many.oldest(true)
	} else {
		c.mu.Lock()
		key, value, ok = c.store.deleteOldest()
		c.mu.Unlock()
	}
	if ok && c.onEvict != nil {
		c.onEvict(key, value, Deleted)
	}
	return key, value, ok
}

// Resize changes Cap. Entries above the new capacity are evicted, the least
// recent first, and counted in evicted. A capacity that New would refuse gives
// an error that matches ErrConfig and changes nothing. O(evicted), times
// Shards, and O(Len) when the table is rebuilt to give memory back.
func (c *Cache[K, V]) Resize(capacity int) (evicted int, err error) {
	c.check()
	if err := checkCapacity(capacity); err != nil {
		return 0, err
	}
	if c.onEvict == nil {
		return c.resize(capacity, nil), nil
	}
	var gone departures[K, V]
	evicted = c.resize(capacity, &gone)
	gone.Report(c.onEvict)
	return evicted, nil
}

func (c *Cache[K, V]) resize(capacity int, gone *departures[K, V]) (evicted int) {
	if c.many != nil {
		return c.many.resize(capacity, gone)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.resize(capacity, gone)
}

// Clear removes all entries and gives their memory back. Cap stays; Stats goes
// on, with the entries counted as Deletes. O(1) without OnEvict; with it, which
// is told of the least recent first, as an iteration.
func (c *Cache[K, V]) Clear() {
	c.check()
	if c.onEvict == nil {
		c.clear(nil)
		return
	}
	var gone departures[K, V]
	c.clear(&gone)
	gone.Report(c.onEvict)
}

func (c *Cache[K, V]) clear(gone *departures[K, V]) {
	if c.many != nil {
		c.many.clear(gone)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store.clear(gone)
}

// Len returns the number of entries, at most Cap. Entries whose key is not
// equal to itself count too.
func (c *Cache[K, V]) Len() int {
	c.check()
	if c.many != nil {
		return c.many.len()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.table.Len()
}

// Cap returns the capacity: Config.Capacity, or that of the last Resize.
func (c *Cache[K, V]) Cap() int {
	c.check()
	if c.many != nil {
		return c.many.cap()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.capacity
}

// Weight returns the sum of the weights of all entries, at most
// Config.MaxWeight; 0 without Weigh.
func (c *Cache[K, V]) Weight() int64 {
	c.check()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.weight
}

// hash hashes key with the seed of this cache. It panics, as a map does, if key
// cannot be hashed.
func (c *Cache[K, V]) hash(key K) uint64 {
	c.check()
	return maphash.Comparable(c.seed, key)
}

// weightOf asks the caller's function, before any lock; what it panics with
// goes through.
func (c *Cache[K, V]) weightOf(key K, value V) int64 {
	if c.weigh == nil {
		return 0
	}
	return c.weigh(key, value)
}

// check stops a use of a cache that New has not made. It is small enough to be
// inlined, so that it costs a compare and no call.
func (c *Cache[K, V]) check() {
	if c == nil || !c.made {
		panic("lru: use of a nil or zero Cache; create it with New")
	}
}
