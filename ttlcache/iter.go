package ttlcache

import (
	"iter"
	"slices"
)

// pair is an entry as an iteration sees it.
type pair[K comparable, V any] struct {
	key   K
	value V
}

// All returns the live entries, the least recent first. Each range over it
// copies them under the lock when it starts, in O(n) time and memory, after it
// has removed and reported what has expired; then it runs without a lock. The
// body may call any method, sees each pair of the copy even if it has left or
// expired meanwhile, and may stop early. A second range sees the state of its
// own start. Nothing is promoted, nothing slides.
func (c *Cache[K, V]) All() iter.Seq2[K, V] {
	c.check()
	return func(yield func(K, V) bool) {
		for _, p := range c.snapshot() {
			if !yield(p.key, p.value) {
				return
			}
		}
	}
}

// Backward is All in the other order, the most recent first.
func (c *Cache[K, V]) Backward() iter.Seq2[K, V] {
	c.check()
	return func(yield func(K, V) bool) {
		for _, p := range slices.Backward(c.snapshot()) {
			if !yield(p.key, p.value) {
				return
			}
		}
	}
}

// Keys returns the keys, in the order and with the consistency of All.
func (c *Cache[K, V]) Keys() iter.Seq[K] {
	c.check()
	return func(yield func(K) bool) {
		for key := range c.All() {
			if !yield(key) {
				return
			}
		}
	}
}

// Values returns the values, in the order and with the consistency of All.
func (c *Cache[K, V]) Values() iter.Seq[V] {
	c.check()
	return func(yield func(V) bool) {
		for _, value := range c.All() {
			if !yield(value) {
				return
			}
		}
	}
}

// snapshot copies the live entries, the least recent first.
func (c *Cache[K, V]) snapshot() []pair[K, V] {
	var list gone[K, V]
	c.lockSwept(&list)
	pairs := c.store.pairs()
	c.mu.Unlock()
	list.Report(c.onEvict)
	return pairs
}

// pairs copies the live entries of a store that has just been swept.
func (s *store[K, V]) pairs() []pair[K, V] {
	pairs := make([]pair[K, V], 0, s.live)
	for i := s.table.Back(); i != 0; i = s.table.Prev(i) {
		if n := s.table.At(i); n.Value.state == fresh {
			pairs = append(pairs, pair[K, V]{n.Key(), n.Value.value})
		}
	}
	return pairs
}
