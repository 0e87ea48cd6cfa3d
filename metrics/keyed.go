package metrics

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/invariants"
	"github.com/mainstay-go/mainstay/internal/stripe"
)

// KeyedConfig configures a Keyed.
type KeyedConfig struct {
	// MaxKeys is the most keys kept, at most 1<<30; 0 means 10000. Nothing is
	// allocated in proportion to it.
	MaxKeys int
}

// Stats describes the bounds of a Vec or a Keyed.
type Stats struct {
	Len      int    // series or keys kept
	Overflow uint64 // Vec: With calls whose labels were replaced, in part or wholly, by "_other"; Keyed: the total added for keys that were not kept
	Ignored  uint64 // Vec: values its members ignored; Keyed: calls with a key not equal to itself (NaN)
}

// KeyCount is one key of a Keyed and its count.
type KeyCount[K comparable] struct {
	Key   K
	Count uint64
}

// Keyed counts by key: a concurrent map of counters with a bound. The zero
// value is ready to use. It must not be copied. All methods are safe for
// concurrent use; a nil Keyed panics.
//
// The keys that come first are kept, and never displaced. What is added for
// others is counted together, in Stats.Overflow, so that no total is lost. A
// key not equal to itself, NaN, is ignored. A key whose dynamic type cannot be
// hashed panics, as it would with a map, with no lock held. Keys are kept as
// they are: clone a string that is a part of something large.
type Keyed[K comparable] struct {
	_ [0]K

	index    table[K, stripe.Uint64]
	state    atomic.Uint64 // twice the number of changes of the set of keys, plus 1 while it is full
	overflow stripe.Uint64
	refused  atomic.Uint64

	mu      sync.Mutex // mu guards the fields below, and is held to change index
	maxKeys int        // 0 in the zero Keyed
}

// NewKeyed returns an empty Keyed. An error matches ErrConfig.
func NewKeyed[K comparable](config KeyedConfig) (*Keyed[K], error) {
	if config.MaxKeys < 0 || config.MaxKeys > 1<<30 {
		return nil, invalid("MaxKeys must be from 1 to %d, or 0 for 10000, got %d", 1<<30, config.MaxKeys)
	}
	return &Keyed[K]{maxKeys: config.MaxKeys}, nil
}

// Inc adds 1 to the count of key.
func (k *Keyed[K]) Inc(key K) { k.Add(key, 1) }

// Add adds n to the count of key, which is kept from then on if there is room,
// also with n = 0. O(1). It is lock-free and allocates nothing when the key is
// there, and when it is not and there is no room for it.
func (k *Keyed[K]) Add(key K, n uint64) {
	if e := k.index.get(key); e != nil {
		chaos.Point("metrics: key found, not yet counted")
		e.value.Add(n)
		return
	}
	k.addSlow(key, n)
}

// addSlow is Add for a key that was not there a moment ago.
func (k *Keyed[K]) addSlow(key K, n uint64) {
	if key != key { //nolint:gocritic // NaN, also inside of a struct
		k.refused.Add(1)
		return
	}
	if k.full(key) {
		k.overflow.Add(n)
		return
	}
	hash := k.index.hash(key)
	chaos.Point("metrics: key absent, not yet locked")
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.index.current().find(hash, key)
	if e == nil && k.index.lenLocked() >= k.limit() {
		k.overflow.Add(n)
		return
	}
	if e == nil {
		e = &entry[K, stripe.Uint64]{hash: hash, key: key}
		e.value.Add(n) // before others see it
		k.index.insertLocked(e)
		k.changedLocked()
		return
	}
	e.value.Add(n)
}

// full reports, without the lock, whether at some instant of the call all the
// places were taken and key had none: nothing changed between two looks at the
// state, and the key was not there between them.
func (k *Keyed[K]) full(key K) bool {
	state := k.state.Load()
	if state&1 == 0 {
		return false
	}
	chaos.Point("metrics: seen full, not yet looked up")
	return k.index.get(key) == nil && k.state.Load() == state
}

// openLocked says that the Keyed is not full before a key leaves. Afterwards
// would be too late: who has seen that the key is gone, and then comes with
// another, must not find the Keyed full.
func (k *Keyed[K]) openLocked() {
	k.state.Store(k.state.Load()&^1 + 2)
	chaos.Point("metrics: said to be open, key still there")
}

// changedLocked publishes that the set of keys is another.
func (k *Keyed[K]) changedLocked() {
	state := k.state.Load()&^1 + 2
	if k.index.lenLocked() >= k.limit() {
		state |= 1
	}
	k.state.Store(state)
	if invariants.Enabled && k.index.lenLocked() <= checkedUpTo {
		invariants.Check(k.index.validateLocked())
	}
}

// limit is the number of keys there is room for.
func (k *Keyed[K]) limit() int { return cmp.Or(k.maxKeys, 10_000) }

// Get returns the count of key, and whether it is kept. O(1), lock-free, no
// allocation.
func (k *Keyed[K]) Get(key K) (uint64, bool) {
	k.index.current() // an empty map, too, panics on a key that cannot be hashed
	e := k.index.get(key)
	if e == nil {
		return 0, false
	}
	return e.value.Load(), true
}

// Delete drops key and its count, and reports whether it was kept. An Add that
// runs at the same time counts as one that came before. Amortised O(1).
func (k *Keyed[K]) Delete(key K) bool {
	hash := k.index.hash(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.openLocked()
	defer k.changedLocked()
	return k.index.deleteLocked(hash, key)
}

// All ranges over the keys and their counts, in no order. It is not a snapshot:
// what changes meanwhile may or may not be seen. No lock is held, so that the
// body may call any method.
func (k *Keyed[K]) All() iter.Seq2[K, uint64] {
	return func(yield func(K, uint64) bool) {
		for e := range k.index.all() {
			if !yield(e.key, e.value.Load()) {
				return
			}
		}
	}
}

// Top returns the n keys with the largest counts, largest first, keys of equal
// counts in no order; all keys if there are fewer, nil for n <= 0. It is not a
// snapshot. O(Len*log Len).
func (k *Keyed[K]) Top(n int) []KeyCount[K] {
	if n <= 0 {
		return nil
	}
	var top []KeyCount[K]
	for key, count := range k.All() {
		top = append(top, KeyCount[K]{key, count})
	}
	slices.SortFunc(top, func(a, b KeyCount[K]) int { return cmp.Compare(b.Count, a.Count) })
	if len(top) > n {
		top = slices.Clone(top[:n]) // the rest is not kept alive
	}
	return top
}

// Len returns the number of keys kept, which never exceeds MaxKeys.
func (k *Keyed[K]) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.index.lenLocked()
}

// Clear drops all keys and their counts; Stats.Overflow stays. O(1).
func (k *Keyed[K]) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.openLocked()
	k.index.clearLocked()
	k.changedLocked()
}

// Stats returns the bounds. The fields are read one after the other.
func (k *Keyed[K]) Stats() Stats {
	return Stats{Len: k.Len(), Overflow: k.overflow.Load(), Ignored: k.refused.Load()}
}
