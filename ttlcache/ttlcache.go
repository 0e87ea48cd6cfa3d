// Package ttlcache is a least-recently-used cache whose entries expire, to the
// nanosecond, and which loads what is missing once for all who ask.
//
//	cache, err := ttlcache.New(ttlcache.Config[string, User]{
//		Capacity: 10_000,
//		TTL:      time.Minute,
//	})
//	if err != nil {
//		return err // matches ttlcache.ErrConfig; the text names the field
//	}
//	user, err := cache.GetOrLoad(ctx, "ann", db.User)
//
// where db.User is a func(context.Context, string) (User, error).
//
// # Choosing
//
// Use ttlcache if what you keep goes out of date, or is loaded by many callers
// at once. If entries only leave for want of room, package lru does the same
// without a clock; with TTL: NoExpiry this one is an lru with a loader. If the
// only question is who may call the origin, golang.org/x/sync/singleflight
// joins calls of a string key without keeping their result. If a higher hit
// ratio is worth more than a predictable victim, use a cache with an adaptive
// policy (W-TinyLFU).
//
// Which setting answers which trouble:
//
//   - many keys that were stored together expire together, and the origin is
//     overrun: Jitter;
//   - one popular key expires and a thousand callers reload it: nothing to set,
//     GetOrLoad calls the loader once;
//   - those callers must not even wait: StaleWhileRevalidate;
//   - the origin is down: StaleIfError;
//   - many ask for what does not exist: NegativeTTL;
//   - a session ends a while after its last use: Sliding;
//   - the answer says itself how long it is valid: SetTTL.
//
// # Algorithm
//
// The entries are the nodes of a hash table and of a list in order of recency,
// as in package lru. Those that can expire are linked a third time, into a
// hierarchical timing wheel (Varghese and Lauck, SOSP 1987):
//
//	table    key -> node           finds it in O(1)
//	list     most recent <-> ...   the last one is the victim
//	wheel    level 2  [. . x . .]  a slot: 4.1 us   the slot that is due is
//	         level 1  [. x . . .]  a slot:  64 ns   emptied; what is not yet
//	         level 0  [x . x . .]  a slot:   1 ns   due moves a level down
//
// The textbook sweeps all entries every so often, which is O(n) each time; a
// heap pays O(log n) for each entry. The wheel pays O(1) for an entry that
// comes and goes, and at most one step a level for one that stays.
//
// Exactness does not depend on any of that. The deadline stands in the entry
// and is compared on every look: an entry stored at t with life d is there at
// every instant before t+d, and gone for every method from t+d on. The wheel
// only decides when memory is given back. A deadline that moves later, as it
// does at each hit with Sliding, is a single write: the wheel returns the entry
// too early and is given it again.
//
// Without any call an entry is removed, and reported, at most CleanupInterval
// after its time. One timer rings for the earliest; there is no goroutine
// between two cleanups, and no timer when nothing can expire. A cleanup takes
// 256 entries at a time under the lock and lets others in between. The timer
// refers to the cache weakly: there is nothing to close, and a cache that is
// dropped is collected with its values, however long they had to live. What
// remains until it rings is the timer, a few hundred bytes.
//
// For a key and a value of 8 bytes an entry of a full cache costs 72 to 88
// bytes from a few thousand entries on, 8 more with weights, and the wheel 3
// KiB a cache. The table doubles as entries arrive and shrinks when fewer than
// one node in eight is in use.
//
// Keys are hashed with a seed that differs in each cache, before the lock is
// taken, and only once. Keys that are equal by == are one key, also for loads. A
// key that is not equal to itself (a NaN, or a struct or interface that holds
// one) is stored, is never found, counts toward Len, and leaves like any entry;
// each GetOrLoad of it loads. An interface key whose dynamic type cannot be
// compared panics as it does in a map, before anything has changed.
//
// # Concurrency
//
// All methods may be called from any number of goroutines and are linearizable;
// a GetOrLoad that waits takes effect at some instant while it does. One mutex
// guards the cache. A call that neither grows nor shrinks the table holds it for
// tens of nanoseconds, an insertion into a full cache at worst for the 1,024
// entries among which it looks for an expired one; growth, shrinking, Resize,
// iteration and a Clear that is reported hold it in proportion to the entries.
// It is never held while code of the caller runs (OnEvict, Weigh, loaders, the
// body of an iteration), which may therefore use the same cache.
//
// Len, Clear, Resize and iterations first remove what has expired, 256 entries
// at a time as the cleanup does, and report it on the goroutine of the caller.
//
// Time is monotonic; a step of the wall clock changes nothing. A call reads the
// clock once at most, and not at all while nothing in the cache can expire. In
// a testing/synctest bubble everything happens at the exact virtual instant; a
// cache belongs to the bubble in which its first entry with a deadline was
// stored.
//
// # Limits
//
// At most [MaxCapacity] entries. Expired entries that are not yet removed, stale
// ones and remembered absences occupy room: a full cache first gives away that
// of an entry whose time is over, looking at up to 1,024, and else evicts the
// least recent. There is one lock: on many cores, caches that buffer their reads
// (otter, theine) read faster. An iteration copies the entries first. A loader
// that never returns holds its goroutine, not its callers. Keys that hold
// pointers, other than strings, are moved to the heap to be hashed: one
// allocation a call, which the others do not have.
package ttlcache

import (
	"errors"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/internal/bounds"
	"github.com/mainstay-go/mainstay/internal/lrulist"
)

// MaxCapacity is the largest Config.Capacity: entries are linked by 32-bit
// indices.
const MaxCapacity = 1 << 30

// NoExpiry as a TTL means that the entry does not expire. It is the only way to
// say so: 0 and negative values never do.
const NoExpiry time.Duration = math.MaxInt64

// minInterval is the least CleanupInterval that is not 0.
const minInterval = time.Millisecond

// ErrConfig is returned, wrapped in a text that names the field, by New and
// Resize when a setting is out of range.
var ErrConfig = errors.New("ttlcache: invalid config")

// Config configures New. Capacity and TTL are required.
type Config[K comparable, V any] struct {
	// Capacity is the most entries that are held, from 1 to MaxCapacity; stale
	// values and remembered absences count. Nothing is allocated ahead of use.
	Capacity int

	// TTL is the life of a value from Set, GetOrSet and loads: positive, or
	// NoExpiry.
	TTL time.Duration

	// Sliding lets a hit (Get, GetOrSet, GetOrLoad) start the life of the entry
	// anew, that with which it was stored or which Expire gave it last. Without
	// it a hit never changes a deadline.
	Sliding bool

	// Jitter, from 0 to below 1, shortens each use of TTL by a random part, at
	// most Jitter*TTL, so that entries which are stored together do not expire
	// together. It does not apply to SetTTL, Expire and NegativeTTL.
	Jitter float64

	// MaxWeight bounds the sum of the weights of all entries: at least 1 with
	// Weigh, 0 without.
	MaxWeight int64

	// Weigh returns the weight of an entry, in any unit; nil means that entries
	// have none. It is called once in every Set, SetTTL and GetOrSet and for
	// every loaded value, under no lock, and the result is kept with the entry.
	// A value whose weight is negative or above MaxWeight is rejected. A panic
	// in Weigh reaches the caller and nothing has changed; in a load it counts
	// as one of the loader.
	Weigh func(K, V) int64

	// OnEvict is called once for each value that leaves or is rejected; nil
	// means that nobody is told. It runs after the change is visible and the
	// lock is released: on the goroutine of the call that caused the departure,
	// before that call returns; for a load, on the goroutine of the loader; for
	// an automatic cleanup, on that of the timer, where a panic ends the
	// program. It may use the cache. If it panics or calls runtime.Goexit, the
	// remaining departures of that call are still reported first, and the last
	// failure goes on in the caller. Between concurrent calls no order is
	// promised.
	OnEvict func(K, V, Reason)

	// NegativeTTL is how long GetOrLoad remembers that a loader found nothing
	// (ErrNotFound). 0 means not at all. Only GetOrLoad sees such an entry.
	NegativeTTL time.Duration

	// StaleWhileRevalidate is how long after its expiry GetOrLoad returns a
	// value at once and loads a new one in the background. 0 means never.
	StaleWhileRevalidate time.Duration

	// StaleIfError is how long after its expiry GetOrLoad returns a value when
	// the loader fails. 0 means never.
	StaleIfError time.Duration

	// CleanupInterval is the least time between two automatic cleanups, and
	// thereby the longest that an expired value is kept; at least 1 ms. 0 means
	// one second.
	CleanupInterval time.Duration
}

// Cache is safe for concurrent use. Create it with New; it must not be copied.
// It needs no Close: at rest it has no goroutine, and its timer does not keep it
// alive. Methods of a nil or zero Cache panic.
//
// The methods here hash the key, ask for the weight, read the clock, take the
// lock, let store do the work, and report the departures after the lock is
// released. The mutex is unlocked without defer where a call of a few
// nanoseconds would feel it; nothing in between can panic.
type Cache[K comparable, V any] struct {
	made    bool // by New
	seed    maphash.Seed
	weigh   func(K, V) int64
	onEvict func(K, V, Reason)
	ttl     time.Duration
	jitter  float64
	base    time.Time // instants are nanoseconds since then

	mu    sync.Mutex
	store store[K, V] // guarded by mu, except for expiring
}

// New returns an empty cache. An error matches ErrConfig and names the field.
// New allocates less than 6 KiB, whatever the Capacity and the types.
func New[K comparable, V any](cfg Config[K, V]) (*Cache[K, V], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Cache[K, V]{
		made: true, seed: maphash.MakeSeed(), weigh: cfg.Weigh, onEvict: cfg.OnEvict,
		ttl: cfg.TTL, jitter: cfg.Jitter, base: time.Now(),
	}
	s := &c.store
	s.table = lrulist.New[K, item[V]](cfg.Capacity, cfg.Weigh != nil)
	s.wheel.table = &s.table
	s.alarm = newAlarm(c, cfg.CleanupInterval)
	s.base, s.now = c.base, unread
	s.capacity, s.maxWeight = cfg.Capacity, cfg.MaxWeight
	s.sliding, s.negativeTTL = cfg.Sliding, cfg.NegativeTTL
	s.staleWhileRevalidate, s.staleIfError = cfg.StaleWhileRevalidate, cfg.StaleIfError
	return c, nil
}

// validate refuses whatever has no meaning. Nothing is repaired.
func (cfg *Config[K, V]) validate() error {
	if err := checkCapacity(cfg.Capacity); err != nil {
		return err
	}
	if cfg.TTL <= 0 {
		return bounds.Error(ErrConfig, "TTL", "must be positive or NoExpiry", cfg.TTL)
	}
	if !(cfg.Jitter >= 0 && cfg.Jitter < 1) {
		return bounds.Error(ErrConfig, "Jitter", "must be at least 0 and below 1", cfg.Jitter)
	}
	if err := bounds.Weights(ErrConfig, cfg.MaxWeight, cfg.Weigh != nil); err != nil {
		return err
	}
	return cfg.validateDurations()
}

func (cfg *Config[K, V]) validateDurations() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"NegativeTTL", cfg.NegativeTTL},
		{"StaleWhileRevalidate", cfg.StaleWhileRevalidate},
		{"StaleIfError", cfg.StaleIfError},
		{"CleanupInterval", cfg.CleanupInterval},
	} {
		if d.value < 0 {
			return bounds.Error(ErrConfig, d.field, "must not be negative", d.value)
		}
	}
	if cfg.CleanupInterval != 0 && cfg.CleanupInterval < minInterval {
		return bounds.Error(ErrConfig, "CleanupInterval", "must be 0 or at least 1ms", cfg.CleanupInterval)
	}
	return nil
}

// checkCapacity is what New and Resize ask of a capacity.
func checkCapacity(capacity int) error { return bounds.Capacity(ErrConfig, capacity, MaxCapacity) }

// Get returns the live value under key and makes it the most recent, or returns
// the zero value and false. It counts as a hit or a miss in Stats. O(1), no
// allocation.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	hash := c.hash(key)
	now := c.clock()
	c.mu.Lock()
	c.store.enter(now)
	value, ok = c.store.get(hash, key)
	c.mu.Unlock()
	return value, ok
}

// Peek returns the live value under key as Get does, but leaves its place in the
// order and its deadline as they are and no trace in Stats. O(1), no
// allocation.
func (c *Cache[K, V]) Peek(key K) (value V, ok bool) {
	hash := c.hash(key)
	now := c.clock()
	c.mu.Lock()
	c.store.enter(now)
	if i := c.store.find(hash, key); i != 0 {
		value, ok = c.store.table.At(i).Value.value, true
	}
	c.mu.Unlock()
	return value, ok
}

// Contains tells whether Peek would find key. Another goroutine, or time, may
// change that before the caller acts on it; to store only what is absent, use
// GetOrSet.
func (c *Cache[K, V]) Contains(key K) bool {
	_, ok := c.Peek(key)
	return ok
}

// Set stores value under key for Config.TTL, less what Jitter takes off, and
// makes it the most recent. Whatever life the key had before is over. A new key
// in a full cache takes the place of an entry whose time is over, else of the
// least recent one. Set returns false, and the key is absent afterwards, if the
// weight of the value was refused. O(1) amortised, and O(evicted) with weights.
// It allocates only when the table grows or shrinks, for the first deadline of
// the cache, and to report more than a few departures of one call.
func (c *Cache[K, V]) Set(key K, value V) bool {
	c.check()
	return c.put(key, value, jittered(c.ttl, c.jitter))
}

// SetTTL is Set with a life of exactly ttl; NoExpiry means for ever. A ttl of 0
// or less is refused: it returns false, what was under the key leaves as
// Deleted, for it is out of date, and the value is reported Rejected.
func (c *Cache[K, V]) SetTTL(key K, value V, ttl time.Duration) bool {
	return c.put(key, value, ttl)
}

func (c *Cache[K, V]) put(key K, value V, life time.Duration) bool {
	e := c.entry(key, value, life)
	if c.onEvict == nil { // nothing is kept for a report that nobody reads
		return c.set(&e, nil)
	}
	var gone gone[K, V]
	stored := c.set(&e, &gone)
	gone.Report(c.onEvict)
	return stored
}

func (c *Cache[K, V]) set(e *entry[K, V], gone *gone[K, V]) (stored bool) {
	c.mu.Lock()
	c.store.enter(e.now)
	stored = c.store.set(e, gone)
	c.mu.Unlock()
	return stored
}

// entry computes what a Set needs before the lock.
func (c *Cache[K, V]) entry(key K, value V, life time.Duration) entry[K, V] {
	e := entry[K, V]{key: key, value: value, hash: c.hash(key), weight: c.weightOf(key, value), life: life}
	if life == NoExpiry {
		e.now = c.clock()
	} else {
		e.now = c.readClock()
	}
	return e
}

// GetOrSet returns the live value under key, made the most recent, and true; or,
// if there is none, stores value as Set does and returns it and false. No other
// call can come between the look and the store. A value that is refused for its
// weight is returned but not stored. Costs as Set.
func (c *Cache[K, V]) GetOrSet(key K, value V) (actual V, loaded bool) {
	c.check()
	e := c.entry(key, value, jittered(c.ttl, c.jitter))
	if c.onEvict == nil {
		return c.getOrSet(&e, nil)
	}
	var gone gone[K, V]
	actual, loaded = c.getOrSet(&e, &gone)
	gone.Report(c.onEvict)
	return actual, loaded
}

func (c *Cache[K, V]) getOrSet(e *entry[K, V], gone *gone[K, V]) (actual V, loaded bool) {
	c.mu.Lock()
	c.store.enter(e.now)
	actual, loaded = c.store.getOrSet(e, gone)
	c.mu.Unlock()
	return actual, loaded
}

// Delete removes key and returns the live value that was under it, or the zero
// value and false. A load of key that is in flight will not be stored. O(1)
// amortised, no allocation.
func (c *Cache[K, V]) Delete(key K) (value V, ok bool) {
	hash := c.hash(key)
	now := c.clock()
	if c.onEvict == nil {
		return c.delete(hash, key, now, nil)
	}
	var gone gone[K, V]
	value, ok = c.delete(hash, key, now, &gone)
	gone.Report(c.onEvict)
	return value, ok
}

func (c *Cache[K, V]) delete(hash uint32, key K, now int64, gone *gone[K, V]) (value V, ok bool) {
	c.mu.Lock()
	c.store.enter(now)
	value, ok = c.store.delete(hash, key, gone)
	c.mu.Unlock()
	return value, ok
}

// Resize changes Cap. Entries above the new capacity leave, after the expired
// ones the least recent first; evicted is the number of live ones among them. A
// capacity that New would refuse gives an error that matches ErrConfig and
// changes nothing. Loads in flight go on. O(evicted), and O(n) when the table is
// rebuilt to give memory back.
func (c *Cache[K, V]) Resize(capacity int) (evicted int, err error) {
	c.check()
	if err := checkCapacity(capacity); err != nil {
		return 0, err
	}
	var list gone[K, V]
	evicted = c.store.resize(capacity, c.lockSwept(&list))
	c.mu.Unlock()
	list.Report(c.onEvict)
	return evicted, nil
}

// Clear removes everything and gives the memory back. Cap stays; Stats goes on,
// with the live entries counted as Deletes. Loads in flight are not stored.
// O(expired) without OnEvict; with it, which is told of the least recent first,
// as an iteration.
func (c *Cache[K, V]) Clear() {
	c.check()
	var list gone[K, V]
	c.store.clear(c.lockSwept(&list))
	c.mu.Unlock()
	list.Report(c.onEvict)
}

// Len returns the number of live entries, at most Cap. It removes and reports
// what has expired since the last cleanup, in O(expired).
func (c *Cache[K, V]) Len() int {
	c.check()
	var list gone[K, V]
	c.lockSwept(&list)
	live := c.store.live
	c.mu.Unlock()
	list.Report(c.onEvict)
	return live
}

// Cap returns the capacity: Config.Capacity, or that of the last Resize.
func (c *Cache[K, V]) Cap() int {
	c.check()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.capacity
}

// Weight returns the sum of the weights of everything that is held, at most
// Config.MaxWeight; 0 without Weigh. Stale values are held, and so are expired
// ones until they are removed: a Len before removes them. O(1).
func (c *Cache[K, V]) Weight() int64 {
	c.check()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.weight
}

// hash hashes key with the seed of this cache. It panics, as a map does, if key
// cannot be hashed.
func (c *Cache[K, V]) hash(key K) uint32 {
	c.check()
	return uint32(maphash.Comparable(c.seed, key))
}

// clock returns the time for a call that needs it only if something can expire.
func (c *Cache[K, V]) clock() int64 {
	if !c.store.expiring.Load() {
		return unread
	}
	return c.readClock()
}

// readClock reads the monotonic clock, which costs more than the rest of a Get.
func (c *Cache[K, V]) readClock() int64 { return int64(time.Since(c.base)) }

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
		panic("ttlcache: use of a nil or zero Cache; create it with New")
	}
}
