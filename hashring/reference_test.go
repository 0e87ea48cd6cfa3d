package hashring

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// naive is the ring in its simplest form: all points in a sorted slice, and
// everything by linear scan. It shares only Hash with what it checks.
type naive struct {
	vnodes int
	factor float64
	nodes  map[string]Node[string]
	loads  map[string]int // of members
	total  int
}

func newNaive(vnodes int, nodes ...Node[string]) *naive {
	n := &naive{vnodes: vnodes, factor: 1.25, nodes: map[string]Node[string]{}, loads: map[string]int{}}
	for _, node := range nodes {
		n.nodes[node.ID] = node
	}
	return n
}

// splitmix is the generator of Steele, Lea and Flood, state and all.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z ^= z >> 30
	z *= 0xbf58476d1ce4e5b9
	z ^= z >> 27
	z *= 0x94d049bb133111eb
	return z ^ z>>31
}

type naivePoint struct {
	position uint64
	id       string
}

func naiveWeight(node Node[string]) float64 {
	if node.Weight == 0 {
		return 1
	}
	return node.Weight
}

func (n *naive) points() (points []naivePoint) {
	for id, node := range n.nodes {
		if node.Drained {
			continue
		}
		generator := splitmix(Hash(id))
		for range int(max(1, math.Floor(naiveWeight(node)*float64(n.vnodes)+0.5))) {
			points = append(points, naivePoint{generator.next(), id})
		}
	}
	slices.SortFunc(points, func(a, b naivePoint) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.id, b.id))
	})
	return points
}

// walk returns the active IDs in ring order from hash.
func (n *naive) walk(hash uint64) []string {
	points := n.points()
	start := max(0, slices.IndexFunc(points, func(p naivePoint) bool { return p.position >= hash }))
	ids := []string{}
	for i := range points {
		if id := points[(start+i)%len(points)].id; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// owner returns "" if there is none.
func (n *naive) owner(hash uint64) string {
	if ids := n.walk(hash); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

func (n *naive) replicas(hash uint64, count int) []string {
	walk := n.walk(hash)
	count = min(count, len(walk))
	if count <= 0 {
		return []string{}
	}
	zones := map[string]int{}
	for _, id := range walk {
		zones[n.nodes[id].Zone] = 0
	}
	part := int(math.Ceil(float64(count) / float64(len(zones))))
	chosen, passed := []string{}, []string{}
	for _, id := range walk {
		if zone := n.nodes[id].Zone; zones[zone] < part {
			zones[zone]++
			chosen = append(chosen, id)
		} else {
			passed = append(passed, id)
		}
	}
	return append(chosen, passed...)[:count]
}

// limit is the bound of a node with m leases in the ring, as it is written
// down.
func (n *naive) limit(id string, m int) float64 {
	sum := 0.0
	for _, id := range n.ids() {
		if node := n.nodes[id]; !node.Drained {
			sum += naiveWeight(node)
		}
	}
	return math.Ceil(n.factor * float64(m) * naiveWeight(n.nodes[id]) / sum)
}

func (n *naive) ids() []string {
	ids := []string{}
	for id := range n.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// acquire returns "" if no node is active.
func (n *naive) acquire(hash uint64) string {
	for _, id := range n.walk(hash) {
		if float64(n.loads[id]) < n.limit(id, n.total+1) {
			n.loads[id]++
			n.total++
			return id
		}
	}
	return ""
}

// moves compares two rings between all their points.
func naiveMoves(a, b *naive) []Move {
	ends := []uint64{math.MaxUint64}
	for _, p := range append(a.points(), b.points()...) {
		ends = append(ends, p.position)
	}
	slices.Sort(ends)
	moves, first := []Move{}, uint64(0)
	for _, last := range slices.Compact(ends) {
		m := Move{First: first, Last: last, From: a.owner(last), To: b.owner(last)}
		first = last + 1
		if m.From == m.To {
			continue
		}
		if n := len(moves); n > 0 && moves[n-1].Last+1 == m.First && moves[n-1].From == m.From && moves[n-1].To == m.To {
			moves[n-1].Last = m.Last
			continue
		}
		moves = append(moves, m)
	}
	return moves
}

// shares sums up in whole numbers, by 128 bits.
func (n *naive) shares() map[string]float64 {
	shares := map[string]float64{}
	for id := range n.nodes {
		shares[id] = 0
	}
	low, high := map[string]uint64{}, map[string]uint64{}
	for _, m := range naiveMoves(newNaive(1), n) {
		sum, carry := bits.Add64(low[m.To], m.Last-m.First, 1)
		low[m.To] = sum
		high[m.To] += carry
		shares[m.To] = float64(high[m.To]) + float64(sum)/(1<<64)
	}
	return shares
}

// The rest finds inputs: XXH64 of 8 bytes and mix64 are bijections, so that any
// position can be hit with a real key and a real ID, as an attacker would.

// inverse returns 1/x modulo 2^64 for an odd x, by Newton's iteration.
func inverse(x uint64) uint64 {
	y := x
	for range 6 {
		y *= 2 - x*y
	}
	return y
}

const (
	prime1 = 0x9e3779b185ebca87
	prime2 = 0xc2b2ae3d27d4eb4f
	prime3 = 0x165667b19e3779f9
	prime4 = 0x85ebca77c2b2ae63
	prime5 = 0x27d4eb2f165667c5
)

// keyAt returns the one string of 8 bytes with a hash.
func keyAt(hash uint64) string {
	hash ^= hash >> 32
	hash *= inverse(prime3)
	hash ^= hash>>29 ^ hash>>58
	hash *= inverse(prime2)
	hash ^= hash >> 33
	hash = bits.RotateLeft64((hash-prime4)*inverse(prime1), -27) ^ (prime5 + 8)
	lane := bits.RotateLeft64(hash*inverse(prime1), -31) * inverse(prime2)
	return string(binary.LittleEndian.AppendUint64(nil, lane))
}

// unmix64 is the inverse of mix64.
func unmix64(z uint64) uint64 {
	z ^= z>>31 ^ z>>62
	z *= inverse(0x94d049bb133111eb)
	z ^= z>>27 ^ z>>54
	z *= inverse(0xbf58476d1ce4e5b9)
	return z ^ z>>30 ^ z>>60
}

// idAt returns the ID of 8 bytes whose i'th point stands at a position.
func idAt(position uint64, i int) string {
	return keyAt(unmix64(position) - uint64(i+1)*golden)
}
