package lrulist

// The node array doubles when it is full, up to the limit, and is rebuilt
// smaller when fewer than one node in eight is in use. Between a doubling and a
// shrink, or between two shrinks, at least a constant share of the nodes must
// have been inserted or removed, so both are O(1) amortised. No key is hashed
// again.

// sparse is the share of nodes in use, one in sparse, below which Shrink gives
// memory back.
const sparse = 8

// grow makes room for at least one more entry. Indices stay as they are, so a
// caller may keep them across an insertion.
func (t *Table[K, V]) grow() {
	room := cap(t.nodes) - 1
	size := max(min(max(2*room, minNodes), t.limit), room+1)
	nodes := make([]Node[K, V], len(t.nodes), size+1)
	copy(nodes, t.nodes)
	t.nodes = nodes
	if t.tags != nil {
		tags := make([]uint64, size+1)
		copy(tags, t.tags)
		t.tags = tags
	}
	t.rehash(size)
}

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

// Sparse tells whether Shrink would give memory back.
func (t *Table[K, V]) Sparse() bool {
	room := cap(t.nodes) - 1
	return room > minNodes && t.live < room/sparse
}

// Shrink rebuilds a sparse table at twice its entries; on any other it does
// nothing. The entries move to new nodes in list order, which makes neighbours
// in the list neighbours in memory. All indices change, from the front: the
// first entry becomes 1, the next 2, and so on.
func (t *Table[K, V]) Shrink() {
	if !t.Sparse() {
		return
	}
	small := New[K, V](t.limit, false)
	size := max(2*t.live, minNodes)
	small.nodes = make([]Node[K, V], 1, size+1)
	small.live = t.live
	if t.tags != nil {
		small.tags = make([]uint64, size+1)
	}
	for i := t.Front(); i != 0; i = t.Next(i) {
		at := uint32(len(small.nodes))
		n := t.nodes[i]
		n.prev, n.next = at-1, at+1
		small.nodes = append(small.nodes, n)
		if t.tags != nil {
			small.tags[at] = t.tags[i]
		}
	}
	small.closeRing()
	small.rehash(size)
	*t = small
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
	*t = New[K, V](t.limit, t.tags != nil)
}
