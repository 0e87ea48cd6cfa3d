package boundedqueue

// entry is a value of a Priority with its rank. Ranks may be equal; seq, the
// number of its admission, makes the order total and first come first served.
type entry[T any] struct {
	rank int64
	seq  uint64
	v    T
}

func (e *entry[T]) before(other *entry[T]) bool {
	return e.rank < other.rank || e.rank == other.rank && e.seq < other.seq
}

// The slots of a Priority are a binary heap (Williams, 1964): slot 0 is the
// front, and the entry in slot i comes before those in 2i+1 and 2i+2. An entry
// on its way up or down is written once, where it ends; the others move into
// the hole it leaves.

// up brings e, which is in no slot yet, from the hole in slot i to its place.
func up[T any](heap []entry[T], i int, e *entry[T]) {
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&heap[parent]) {
			break
		}
		heap[i] = heap[parent]
		i = parent
	}
	heap[i] = *e
}

// down brings e, which is in no slot, from the hole in slot 0 to its place.
func down[T any](heap []entry[T], e *entry[T]) {
	i := 0
	for {
		child := 2*i + 1
		if child >= len(heap) {
			break
		}
		if next := child + 1; next < len(heap) && heap[next].before(&heap[child]) {
			child = next
		}
		if !heap[child].before(e) {
			break
		}
		heap[i] = heap[child]
		i = child
	}
	heap[i] = *e
}
