package lrulist

// The node array doubles when it is full and is rebuilt smaller when fewer than
// one node in eight is in use. Between a doubling and a shrink, or between two
// shrinks, a constant share of the nodes must have been inserted or removed, so
// both are O(1) amortised. No key is hashed again.
//
// The limit is where doubling would waste: a table that comes near it takes
// just what it may need. Beyond a limit that was too low, or that is raised in
// small steps, growth goes on by an eighth, which is still a constant share.

const (
	// sparse is the share of nodes in use, one in sparse, below which Shrink
	// gives memory back.
	sparse = 8

	// small is the number of nodes that Shrink leaves alone. A shard of a cache
	// holds a number of entries that fluctuates around its mean; were a handful
	// of nodes worth a rebuild, it would shrink and grow for ever.
	small = 64
)

// grow makes room for at least one more entry. Indices stay as they are, so a
// caller may keep them across an insertion.
func (t *Table[K, V]) grow() {
	room := t.room()
	size := 2 * room
	if size > t.limit-t.limit/8 {
		size = t.limit
	}
	size = max(size, room+room/8+1, min(minNodes, t.limit))
	nodes := make([]Node[K, V], max(len(t.nodes), 1), size+1)
	copy(nodes, t.nodes)
	t.nodes = nodes
	if t.tagged {
		tags := make([]uint64, size+1)
		copy(tags, t.tags)
		t.tags = tags
	}
	t.rehash(size)
}

// room returns the number of entries that fit into what is allocated.
func (t *Table[K, V]) room() int { return max(cap(t.nodes)-1, 0) }

// rehash allocates buckets for size entries and hooks the listed nodes into
// them.
func (t *Table[K, V]) rehash(size int) {
	buckets := 1
	for buckets < 2*size {
		buckets *= 2
	}
	t.buckets = make([]uint32, buckets)
	for i := t.Front(); i != 0; i = t.Next(i) {
		t.chain(i)
	}
}

// Sparse tells whether Shrink would give memory back: few nodes are in use, or
// the limit has been lowered to less than half of them.
func (t *Table[K, V]) Sparse() bool {
	room := t.room()
	return room > small && (t.live < room/sparse || t.limit < room/2)
}

// Shrink rebuilds a sparse table at twice its entries, or at the limit if that
// is less; on any other it does nothing. The entries move to new nodes in list
// order, which makes neighbours in the list neighbours in memory. All indices
// change, from the front: the first entry becomes 1, the next 2, and so on.
func (t *Table[K, V]) Shrink() {
	if !t.Sparse() {
		return
	}
	size := max(min(2*t.live, t.limit), t.live, minNodes)
	old := *t
	t.nodes, t.free = make([]Node[K, V], 1, size+1), 0
	if t.tagged {
		t.tags = make([]uint64, size+1)
	}
	for i := old.Front(); i != 0; i = old.Next(i) {
		at := uint32(len(t.nodes))
		n := old.nodes[i]
		n.prev, n.next = at-1, at+1
		t.nodes = append(t.nodes, n)
		if t.tagged {
			t.tags[at] = old.tags[i]
		}
	}
	t.closeRing()
	t.rehash(size)
	t.check()
}

// closeRing joins the ends of the list of a table whose nodes stand in list
// order.
func (t *Table[K, V]) closeRing() {
	if t.live == 0 {
		return
	}
	last := uint32(t.live)
	t.nodes[0].next, t.nodes[0].prev = 1, last
	t.nodes[last].next = 0
}

// Clear removes all entries and gives their memory back.
func (t *Table[K, V]) Clear() {
	*t = New[K, V](t.limit, t.tagged)
}
