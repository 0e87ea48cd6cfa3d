package hashring

import (
	"iter"
	"math"
	"math/bits"
)

// Move says that the keys with First <= Hash(key) <= Last go from one node to
// another. "" means no node: the ring was or will be without an active one.
type Move struct {
	First, Last uint64
	From, To    string
}

// Share returns the part of the hash space that moves, (Last-First+1)/2^64,
// rounded to a float64.
func (m Move) Share() float64 {
	n, carry := bits.Add64(m.Last-m.First, 0, 1)
	return portion(carry, n)
}

// portion returns (high*2^64 + low) / 2^64.
func portion(high, low uint64) float64 {
	return float64(high) + float64(low)*0x1p-64
}

// Shares returns the part of the hash space that each member owns, by ascending
// ID: exact, rounded to a float64. Drained members have 0, a ring with one
// active node gives it 1, and the sum is 1 unless no node is active. It may be
// ranged over again. O(points) time and O(members) memory at each range.
func (s *Snapshot[V]) Shares() iter.Seq2[string, float64] {
	s.check()
	return func(yield func(string, float64) bool) {
		arcs := s.arcs()
		for i, m := range s.members {
			if !yield(m.node.ID, portion(arcs[i].high, arcs[i].low)) {
				return
			}
		}
	}
}

// arc is a number of positions, up to 2^64.
type arc struct{ high, low uint64 }

// arcs sums up what the points of each member own.
func (s *Snapshot[V]) arcs() []arc {
	sums := make([]arc, len(s.members))
	if s.active == 0 {
		return sums
	}
	for at, first := 0, uint64(0); ; {
		last := s.table.positions[at]
		sum := &sums[s.table.ownerAt(at)]
		low, carry := bits.Add64(sum.low, last-first, 1) // +1: both ends belong to it
		sum.low, sum.high = low, sum.high+carry
		if last == math.MaxUint64 {
			return sums
		}
		at, first = s.table.after(at, last), last+1
	}
}

// after returns the first point behind a position that is not the last one of
// the ring, going on from a point.
func (t *table) after(at int, position uint64) int {
	for t.positions[at] <= position {
		at++
	}
	return at
}

// Diff returns what changes owner from s to next, by ascending hash: ranges
// that do not overlap, each as long as it can be; one that goes over the end of
// the hash space is two. Nodes are the same if their IDs are, so a new Value is
// no move. The snapshots may be of different rings. It may be ranged over
// again. O(points of both), no allocation but for the iterator.
func (s *Snapshot[V]) Diff(next *Snapshot[V]) iter.Seq[Move] {
	s.check()
	next.check()
	return func(yield func(Move) bool) {
		j := joiner{yield: yield}
		for at, to, first := 0, 0, uint64(0); ; {
			last := min(s.table.positions[at], next.table.positions[to])
			move := Move{First: first, Last: last, From: s.idAt(at), To: next.idAt(to)}
			if !j.add(move) {
				return
			}
			if last == math.MaxUint64 {
				break
			}
			at, to, first = s.table.after(at, last), next.table.after(to, last), last+1
		}
		j.flush()
	}
}

// idAt returns the ID of the owner of a point, or "" in a ring without points.
func (s *Snapshot[V]) idAt(at int) string {
	if s.active == 0 {
		return ""
	}
	return s.members[s.table.ownerAt(at)].node.ID
}

// check stops a use of a snapshot that no ring has made.
func (s *Snapshot[V]) check() {
	if s == nil || s.table.points == nil {
		panic("hashring: use of a nil or zero Snapshot; get it from a Ring")
	}
}

// joiner yields moves, joining neighbours that say the same. It is given every
// part of the hash space in turn, those that stay included.
type joiner struct {
	yield func(Move) bool
	held  Move // not yet yielded, since the next part may continue it
	holds bool
}

// add takes the next part and returns false if the loop has ended.
func (j *joiner) add(m Move) bool {
	if j.holds && j.held.From == m.From && j.held.To == m.To {
		j.held.Last = m.Last
		return true
	}
	if !j.flush() {
		return false
	}
	j.held, j.holds = m, m.From != m.To
	return true
}

// flush yields what is held.
func (j *joiner) flush() bool {
	if !j.holds {
		return true
	}
	j.holds = false
	return j.yield(j.held)
}
