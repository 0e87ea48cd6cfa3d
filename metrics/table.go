package metrics

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// table is a hash table that is read without a lock: open addressing with
// linear probing over atomic pointers to entries, whose key and hash never
// change. Writers hold a lock of the owner's.
//
// A lookup walks from the slot of its hash until it finds the key or an empty
// slot. So a writer may fill an empty slot and may replace an entry by the
// tombstone, which a lookup walks past, but never empties a slot: behind it may
// stand an entry that was pushed on. When a table is too full, of entries and
// tombstones, a writer copies the entries to a new one and publishes that; the
// old one stays as it is for the lookups that are in it.
type table[K comparable, V any] struct {
	slots atomic.Pointer[slots[K, V]] // nil until the first use
}

// entry is one key and what belongs to it. It is immutable but for what value
// does by itself.
type entry[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
}

type slots[K comparable, V any] struct {
	seed  maphash.Seed
	slot  []atomic.Pointer[entry[K, V]] // a power of two
	grave *entry[K, V]                  // stands in slots whose entry was deleted

	// Of the writers:

	live, used int // entries; entries and tombstones
}

const fewestSlots = 8

func newSlots[K comparable, V any](seed maphash.Seed, n int) *slots[K, V] {
	return &slots[K, V]{seed: seed, slot: make([]atomic.Pointer[entry[K, V]], n), grave: new(entry[K, V])}
}

// current returns the slots, made if need be.
func (t *table[K, V]) current() *slots[K, V] {
	if t.slots.Load() == nil {
		t.slots.CompareAndSwap(nil, newSlots[K, V](maphash.MakeSeed(), fewestSlots))
	}
	return t.slots.Load()
}

// get returns the entry of key, or nil. It panics on a key that cannot be
// hashed, as a map does.
func (t *table[K, V]) get(key K) *entry[K, V] {
	s := t.slots.Load()
	if s == nil {
		return nil
	}
	return s.find(maphash.Comparable(s.seed, key), key)
}

// hash returns the hash that insert needs. It stays valid: the seed is that of
// the table for good.
func (t *table[K, V]) hash(key K) uint64 { return maphash.Comparable(t.current().seed, key) }

func (s *slots[K, V]) find(hash uint64, key K) *entry[K, V] {
	mask := uint64(len(s.slot) - 1)
	for i := hash; ; i++ {
		e := s.slot[i&mask].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && e.key == key && e != s.grave {
			return e
		}
		chaos.Point("metrics: slot passed in a lookup")
	}
}

// insertLocked adds e, whose key is not in the table.
func (t *table[K, V]) insertLocked(e *entry[K, V]) {
	s := t.current()
	if 4*(s.used+1) > 3*len(s.slot) {
		s = s.rebuild(s.live + 1)
		s.place(e)
		chaos.Point("metrics: table copied, not yet published")
		t.slots.Store(s)
		return
	}
	s.place(e)
}

// place puts e into the first empty slot, which makes it visible.
func (s *slots[K, V]) place(e *entry[K, V]) {
	mask := uint64(len(s.slot) - 1)
	i := e.hash & mask
	for s.slot[i].Load() != nil {
		i = (i + 1) & mask
	}
	s.slot[i].Store(e)
	s.live++
	s.used++
}

// rebuild returns a copy without tombstones that is half full with n entries.
func (s *slots[K, V]) rebuild(n int) *slots[K, V] {
	size := fewestSlots
	for size < 2*n {
		size *= 2
	}
	next := newSlots[K, V](s.seed, size)
	for e := range s.all() {
		next.place(e)
	}
	return next
}

// deleteLocked removes the entry of key and reports whether there was one. The
// table shrinks when it is nearly empty.
func (t *table[K, V]) deleteLocked(hash uint64, key K) bool {
	s := t.current()
	mask := uint64(len(s.slot) - 1)
	for i := hash; ; i++ {
		e := s.slot[i&mask].Load()
		if e == nil {
			return false
		}
		if e.hash == hash && e.key == key && e != s.grave {
			s.slot[i&mask].Store(s.grave)
			s.live--
			break
		}
	}
	if len(s.slot) > fewestSlots && 8*s.live < len(s.slot) {
		t.slots.Store(s.rebuild(s.live))
	}
	return true
}

// clearLocked removes everything.
func (t *table[K, V]) clearLocked() {
	t.slots.Store(newSlots[K, V](t.current().seed, fewestSlots))
}

func (t *table[K, V]) lenLocked() int {
	if s := t.slots.Load(); s != nil {
		return s.live
	}
	return 0
}

// all ranges over the entries. What is inserted meanwhile may be missed.
func (t *table[K, V]) all() func(yield func(*entry[K, V]) bool) {
	return func(yield func(*entry[K, V]) bool) {
		if s := t.slots.Load(); s != nil {
			s.all()(yield)
		}
	}
}

func (s *slots[K, V]) all() func(yield func(*entry[K, V]) bool) {
	return func(yield func(*entry[K, V]) bool) {
		for i := range s.slot {
			if e := s.slot[i].Load(); e != nil && e != s.grave && !yield(e) {
				return
			}
		}
	}
}

// validate returns what is wrong with the table.
func (t *table[K, V]) validateLocked() error {
	s := t.slots.Load()
	if s == nil {
		return nil
	}
	live, used := 0, 0
	for i := range s.slot {
		if e := s.slot[i].Load(); e != nil {
			used++
			if e != s.grave {
				live++
				if s.find(e.hash, e.key) != e {
					return fmt.Errorf("slot %d is not found by its key", i)
				}
			}
		}
	}
	if live != s.live || used != s.used || used >= len(s.slot) {
		return fmt.Errorf("%d entries of %d, %d slots of %d used of %d", live, s.live, used, s.used, len(s.slot))
	}
	return nil
}
