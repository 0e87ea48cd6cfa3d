package hashring

import (
	"iter"
	"slices"
)

// onStack is the number of members, and of zones, up to which a walk and a
// choice of replicas keep their notes on the stack.
const onStack = 1024

// Walk returns the active nodes, each once, in ring order from the owner of
// key: the order in which to try them when the owner is down. Skip the sick
// ones here rather than change the membership at each flap, which would move
// keys. The nodes are those of the moment of the call, whatever the body of the
// loop or others change; it may be ranged over again. The first few nodes cost
// a few points each; to see all n of equal weight takes n*ln(n) points, and up
// to all points where weights differ much.
func (r *Ring[V]) Walk(key string) iter.Seq[Node[V]] {
	s, hash := r.current(), Hash(key)
	return func(yield func(Node[V]) bool) {
		w := s.walk(hash)
		for w.left > 0 {
			if !yield(s.members[w.next()].node) {
				return
			}
		}
	}
}

// AppendReplicas appends the nodes that hold the n replicas of key, the owner
// first, and returns the longer slice. They are distinct and active, and as
// many as there are if that is less than n: compare the lengths. n <= 0 appends
// nothing.
//
// Replicas are spread evenly: with Z zones that have an active node, no zone
// gets more than n/Z, rounded up, before every node has been looked at; what is
// still missing then is taken in ring order. Within that the nodes of Walk are
// taken in turn, and with one zone they are the first n. While n/Z, rounded up,
// stays the same and n nodes are active, adding, removing or draining one node
// changes at most one replica of any key.
//
// The cost is that of the part of Walk that is needed. No allocation if dst has
// room, and one for all if it has not, up to 1024 members.
func (r *Ring[V]) AppendReplicas(dst []Node[V], key string, n int) []Node[V] {
	s := r.current()
	n = min(n, s.active)
	if n <= 0 {
		return dst
	}
	dst = slices.Grow(dst, n)
	w := s.walk(Hash(key))
	switch {
	case s.zones == 1:
		for range n {
			dst = append(dst, s.members[w.next()].node)
		}
		return dst
	case s.zones <= 16: // the usual; to clear 16 counters takes no time
		var few [16]int32
		return s.spread(dst, w, n, few[:s.zones])
	default:
		return s.spreadMany(dst, w, n)
	}
}

// spreadMany is spread with a page of counters, in a frame of its own.
func (s *Snapshot[V]) spreadMany(dst []Node[V], w walker, n int) []Node[V] {
	if s.zones > onStack {
		return s.spread(dst, w, n, make([]int32, s.zones))
	}
	var many [onStack]int32
	return s.spread(dst, w, n, many[:s.zones])
}

// spread appends n nodes to dst; at least n are active. taken has a zero for
// each zone. It passes over the nodes of a zone that has its part, and takes
// the first of those in a second walk if the first one came to its end.
func (s *Snapshot[V]) spread(dst []Node[V], w walker, n int, taken []int32) []Node[V] {
	part := int32((n + s.zones - 1) / s.zones)
	again := w
	again.seen.many = slices.Clone(w.seen.many)
	for n > 0 && w.left > 0 {
		owner := w.next()
		if zone := s.zoneOf[owner]; taken[zone] < part {
			taken[zone]++
			again.seen.add(owner)
			dst = append(dst, s.members[owner].node)
			n--
		}
	}
	for range n {
		dst = append(dst, s.members[again.next()].node)
	}
	return dst
}

// walker goes round the ring from a key and stops at each owner once.
type walker struct {
	table *table
	at    int // the next point to look at
	left  int // active members not yet seen
	seen  bitset
}

// walk returns a walker that starts at the owner of hash.
func (s *Snapshot[V]) walk(hash uint64) walker {
	w := walker{table: &s.table, left: s.active}
	if s.active > 0 {
		w.at = s.table.seek(hash)
	}
	if n := len(s.members); n > onStack {
		w.seen.many = make([]uint64, (n-onStack+63)/64)
	}
	return w
}

// next returns the next owner not seen yet. There must be one left.
func (w *walker) next() uint32 {
	for {
		owner := w.table.ownerAt(w.at)
		if w.at++; w.at >= len(w.table.points) {
			w.at = 0
		}
		if w.seen.add(owner) {
			w.left--
			return owner
		}
	}
}

// bitset is a set of members. It is on the stack if they are few.
type bitset struct {
	few  [onStack / 64]uint64
	many []uint64 // from onStack on
}

// add puts a member into the set and tells whether it was not there.
func (b *bitset) add(i uint32) bool {
	word, bit := i/64, uint64(1)<<(i%64)
	w := &b.few[word%uint32(len(b.few))]
	if i >= onStack {
		w = &b.many[word-onStack/64]
	}
	added := *w&bit == 0
	*w |= bit
	return added
}
