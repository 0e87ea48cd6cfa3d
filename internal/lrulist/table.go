// Package lrulist is the core that the caches share: a hash table whose entries
// are also a doubly linked list.
//
// All entries live in one array of nodes and name each other by 32-bit index,
// so that a table of plain keys and values is two blocks of memory to the
// garbage collector, however many entries it holds, and a removal leaves no
// garbage.
//
//	buckets        nodes
//	+---+          +----------------------------------------------------------+
//	| 0 |       0  | the sentinel: next = front of the list, prev = its back  |
//	| 3 |------>3  | key value hash | prev next (list) | chain (same bucket)  |--> 1
//	| 0 |       1  | key value hash | prev next        | chain = 0, the end   |
//	| 2 |------>2  | unused: chain leads to the next unused node              |
//	+---+          +----------------------------------------------------------+
//
// Node 0 is the sentinel of the circular list, which leaves 0 free to mean
// "none" in buckets, chains and results. Collisions are chained rather than
// probed for: a full cache removes an entry for each one it inserts, and
// unhooking a node from a short chain touches fewer cache lines than the
// backward shift of an open-addressed table. There are at least two buckets to
// a node, so a chain is rarely longer than one.
//
// A key is hashed once, by the caller, and 32 bits of that are kept in the
// node. Growing, shrinking and evicting use the stored hash and never look at
// the key again. That is what makes a key that is not equal to itself (NaN)
// harmless: it cannot be found, but it can be removed by index like any other.
//
// A Table knows nothing of locks, capacity, hooks or time; those belong to the
// caches. It is not safe for concurrent use.
package lrulist

import "github.com/mainstay-go/mainstay/internal/invariants"

// minNodes is the size of the first allocation.
const minNodes = 8

// Node is one entry. Value may be changed in place at any time.
type Node[K comparable, V any] struct {
	prev, next uint32 // neighbours in the list, towards the front and the back; 0: the sentinel
	chain      uint32 // next node of the same bucket, or next unused node; 0: the end
	hash       uint32 // of Key; its low bits choose the bucket
	Value      V      // before key, so that a set of keys (an empty Value) needs no padding
	key        K
}

// Key returns the key under which the node is stored.
func (n *Node[K, V]) Key() K { return n.key }

// Table is a hash table in list order. Create with New.
type Table[K comparable, V any] struct {
	nodes   []Node[K, V] // nodes[0] is the sentinel; nodes up to len have been used, up to cap are allocated
	buckets []uint32     // first node of each chain; the length is a power of two
	tags    []uint64     // with tagged, one word per node: see Tag
	tagged  bool
	free    uint32 // first unused node below len(nodes), linked by chain
	live    int    // entries
	limit   int    // growth by doubling stops here, until the table really holds more
}

// New returns an empty table that is expected to hold at most limit entries;
// nothing is allocated for them yet. With tagged, every entry carries a word of
// the caller's: see [Table.Tag].
func New[K comparable, V any](limit int, tagged bool) Table[K, V] {
	return Table[K, V]{buckets: make([]uint32, 1), tagged: tagged, limit: limit}
}

// Len returns the number of entries.
func (t *Table[K, V]) Len() int { return t.live }

// SetLimit changes the number of entries at which growth by doubling stops.
func (t *Table[K, V]) SetLimit(limit int) { t.limit = limit }

// At returns the entry with index i. The pointer is valid until the next
// Insert, Shrink or Clear.
func (t *Table[K, V]) At(i uint32) *Node[K, V] { return &t.nodes[i] }

// Tag returns the word beside entry i, which is 0 after Insert and Replace.
// Only a tagged table has it. The words stand in an array of their own, so that
// a table that does not need them keeps its nodes small.
func (t *Table[K, V]) Tag(i uint32) uint64 { return t.tags[i] }

// SetTag changes the word beside entry i.
func (t *Table[K, V]) SetTag(i uint32, tag uint64) { t.tags[i] = tag }

// Front returns the first entry of the list, or 0.
func (t *Table[K, V]) Front() uint32 {
	if len(t.nodes) == 0 {
		return 0
	}
	return t.nodes[0].next
}

// Back returns the last entry of the list, or 0.
func (t *Table[K, V]) Back() uint32 {
	if len(t.nodes) == 0 {
		return 0
	}
	return t.nodes[0].prev
}

// Next returns the entry behind i, towards the back, or 0.
func (t *Table[K, V]) Next(i uint32) uint32 { return t.nodes[i].next }

// Prev returns the entry before i, towards the front, or 0.
func (t *Table[K, V]) Prev(i uint32) uint32 { return t.nodes[i].prev }

// Find returns the entry with that key, or 0. hash must be the one given to
// Insert.
func (t *Table[K, V]) Find(hash uint32, key K) uint32 {
	nodes := t.nodes
	for i := t.buckets[t.bucket(hash)]; i != 0; {
		n := &nodes[i]
		if n.hash == hash && n.key == key {
			return i
		}
		i = n.chain
	}
	return 0
}

// Insert adds an entry at the front of the list and returns its index. The key
// must not be in the table, or be unequal to itself. Indices of other entries
// stay as they are.
func (t *Table[K, V]) Insert(hash uint32, key K, value V) uint32 {
	i := t.take()
	n := &t.nodes[i]
	n.hash, n.key, n.Value = hash, key, value
	t.chain(i)
	t.pushFront(i)
	t.live++
	t.check()
	return i
}

// Replace is Remove(i) and Insert in one step, which reuses the node: what a
// full cache does on every insertion.
func (t *Table[K, V]) Replace(i, hash uint32, key K, value V) {
	t.unchain(i)
	n := &t.nodes[i]
	n.hash, n.key, n.Value = hash, key, value
	t.chain(i)
	t.MoveToFront(i)
	if t.tagged {
		t.tags[i] = 0
	}
	t.check()
}

// Remove takes entry i out of the table and clears its node, so that nothing
// stays reachable through it.
func (t *Table[K, V]) Remove(i uint32) {
	t.unchain(i)
	n := &t.nodes[i]
	t.nodes[n.prev].next = n.next
	t.nodes[n.next].prev = n.prev
	*n = Node[K, V]{chain: t.free}
	if t.tagged {
		t.tags[i] = 0
	}
	t.free = i
	t.live--
	t.check()
}

// MoveToFront makes entry i the first of the list. An entry that is the first
// already is not written to.
func (t *Table[K, V]) MoveToFront(i uint32) {
	nodes := t.nodes // read once: the compiler cannot know that no node is t itself
	n := &nodes[i]
	if n.prev == 0 {
		return
	}
	nodes[n.prev].next = n.next
	nodes[n.next].prev = n.prev
	front := nodes[0].next
	n.prev, n.next = 0, front
	nodes[front].prev = i
	nodes[0].next = i
}

// pushFront links node i, which is in no list, behind the sentinel.
func (t *Table[K, V]) pushFront(i uint32) {
	front := t.nodes[0].next
	n := &t.nodes[i]
	n.prev, n.next = 0, front
	t.nodes[front].prev = i
	t.nodes[0].next = i
}

// bucket chooses by the low bits; the length of buckets is a power of two.
func (t *Table[K, V]) bucket(hash uint32) uint32 { return hash & uint32(len(t.buckets)-1) }

// chain hooks node i into the bucket of its hash.
func (t *Table[K, V]) chain(i uint32) {
	n := &t.nodes[i]
	b := &t.buckets[t.bucket(n.hash)]
	n.chain, *b = *b, i
}

// unchain takes node i out of the bucket of its hash. It goes by index and
// never compares a key.
func (t *Table[K, V]) unchain(i uint32) {
	n := &t.nodes[i]
	link := &t.buckets[t.bucket(n.hash)]
	for *link != i {
		link = &t.nodes[*link].chain
	}
	*link = n.chain
}

// take returns an unused node: one that was removed, else the next that was
// never used, growing the table if need be.
func (t *Table[K, V]) take() uint32 {
	if i := t.free; i != 0 {
		t.free = t.nodes[i].chain
		return i
	}
	if len(t.nodes) == cap(t.nodes) {
		t.grow()
	}
	i := len(t.nodes)
	t.nodes = t.nodes[:i+1]
	return uint32(i)
}

// check walks the table in builds with -tags invariants; large tables are left
// out, they would make tests quadratic.
func (t *Table[K, V]) check() {
	const largest = 64
	if invariants.Enabled && t.live <= largest {
		invariants.Check(t.Validate())
	}
}
