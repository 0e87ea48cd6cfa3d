package hashring

import (
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
)

const (
	// golden is the step of splitmix64: 2^64 divided by the golden ratio, made
	// odd, so that the steps from any start visit every 64-bit number once.
	golden = 0x9e3779b97f4a7c15

	// maxPoints bounds the points of a ring: 340 MB, and it leaves the 32 bits
	// of an owner and of an index far away.
	maxPoints = 1 << 24

	// crowd is the size of a bucket from which sorting by insertion is no
	// longer the fastest. Honest IDs put a dozen points into the fullest
	// bucket of the largest ring; only chosen ones reach this.
	crowd = 64
)

// Hash is XXH64 with seed 0: the hash of keys and of node IDs, and the position
// of a key on the ring. It is not keyed: whoever may choose keys can choose
// their owner. O(len(key)), about 4 ns for 16 bytes; no allocation.
func Hash(key string) uint64 { return xxhash.Sum64String(key) }

// mix64 is the output function of splitmix64 (Steele, Lea and Flood, 2014, with
// Stafford's constants): a bijection, so that different inputs never meet.
func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// position is where the i'th point of a node stands, given the hash of its ID.
func position(hash uint64, i uint32) uint64 {
	return mix64(hash + (uint64(i)+1)*golden)
}

// virtualNodes is the number of points of an active node. It may exceed
// maxPoints and even be infinite, so it stays a float until that is checked.
// The conversion of the product forbids the compiler to fuse it with the sum:
// a fused result differs in the last bit, and with it the placement would
// depend on the machine.
func virtualNodes(weight float64, perWeight int) float64 {
	return max(1, math.Floor(float64(weight*float64(perWeight))+0.5))
}

// seat is what decides the points of one node.
type seat struct {
	hash   uint64 // of the ID
	points uint32 // 0 for a drained node
}

// table finds the owner of a position. The points stand in ring order, and
// index has the first point of each of 2^k equal parts of the ring. Positions
// are as good as uniform and there are at least as many parts as points, so
// that a lookup reads one entry of index and one or two points, however large
// the ring is:
//
//	hash    0101 1100 ...
//	        |
//	index   [ 0 | 0 | 1 | 3 | 3 | 4 ... ]           by the top k bits
//	                          \
//	points  [ 0010 | 0100 | 0110 | 1001 | ... | end ]
//	                            ^ the first that is not below the hash
//
// A point is 8 bytes: the upper half of its position above the index of its
// owner. Where the halves are equal the whole positions decide; they stand in a
// slice of their own, which lookups seldom touch: of 100,000 points one in
// 43,000. The last point is a sentinel at the end of the ring that belongs to
// the owner of the first one: it stops every scan, and no lookup tests for the
// way round.
type table struct {
	index     []uint32
	points    []uint64
	positions []uint64 // parallel to points
	shift     uint8    // 64-k, at most 63
}

// newTable places the points of the seats, whose order is that of the node IDs.
// It runs in linear time: counting the points of each bucket gives the index,
// the index tells each point its bucket, and what is left is to sort within
// the buckets.
func newTable(seats []seat) table {
	total := 0
	for _, s := range seats {
		total += int(s.points)
	}
	k := max(1, bits.Len(uint(max(total, 1)-1)))
	t := table{
		index:     make([]uint32, 1<<k),
		points:    make([]uint64, total+1),
		positions: make([]uint64, total+1),
		shift:     uint8(64 - k),
	}
	fullest := t.count(seats)
	t.scatter(seats)
	if fullest >= crowd {
		sort.Sort(inRingOrder{&t})
	} else {
		t.sortByInsertion()
	}
	t.positions[total] = math.MaxUint64
	t.points[total] = point(math.MaxUint64, t.ownerAt(0))
	return t
}

// count makes index[b] the number of points in the buckets up to b, which is
// the end of bucket b, and returns the size of the fullest.
func (t *table) count(seats []seat) (fullest uint32) {
	shift := t.shift & 63
	for _, s := range seats {
		for i := range s.points {
			t.index[position(s.hash, i)>>shift]++
		}
	}
	end := uint32(0)
	for b, n := range t.index {
		fullest = max(fullest, n)
		end += n
		t.index[b] = end
	}
	return fullest
}

// scatter puts each point into its bucket, from the end down, so that the index
// is left at the start of every bucket. Seats are taken from the last: within a
// bucket the points are then ordered by owner.
func (t *table) scatter(seats []seat) {
	shift := t.shift & 63
	for owner, s := range slices.Backward(seats) {
		for i := range s.points {
			p := position(s.hash, i)
			at := &t.index[p>>shift]
			*at--
			t.positions[*at] = p
			t.points[*at] = point(p, uint32(owner))
		}
	}
}

// point is the short form of a position and its owner.
func point(position uint64, owner uint32) uint64 {
	return position&^math.MaxUint32 | uint64(owner)
}

// sortByInsertion sorts all points but the sentinel. No point leaves its
// bucket, which keeps it linear, and equal positions stay in the order of their
// owners.
func (t *table) sortByInsertion() {
	positions, points := t.positions[:t.len()], t.points[:t.len()]
	for i := 1; i < len(positions); i++ {
		p, q := positions[i], points[i]
		j := i
		for ; j > 0 && positions[j-1] > p; j-- {
			positions[j], points[j] = positions[j-1], points[j-1]
		}
		positions[j], points[j] = p, q
	}
}

// inRingOrder sorts a table with a crowded bucket in O(n log n).
type inRingOrder struct{ *table }

func (s inRingOrder) Len() int { return s.len() }

func (s inRingOrder) Less(i, j int) bool {
	if s.positions[i] != s.positions[j] {
		return s.positions[i] < s.positions[j]
	}
	return s.points[i] < s.points[j] // the owners, since the upper halves are equal
}

func (s inRingOrder) Swap(i, j int) {
	s.positions[i], s.positions[j] = s.positions[j], s.positions[i]
	s.points[i], s.points[j] = s.points[j], s.points[i]
}

// len is the number of points without the sentinel.
func (t *table) len() int { return len(t.points) - 1 }

// owner returns the owner of a hash. The table must have a point.
func (t *table) owner(hash uint64) uint32 {
	at := t.index[hash>>(t.shift&63)]
	for {
		p := t.points[at]
		if p>>32 > hash>>32 {
			return uint32(p)
		}
		if p>>32 == hash>>32 {
			return uint32(t.points[t.seekSlow(at, hash)])
		}
		at++
	}
}

// seek returns the index of the first point that is not before hash.
func (t *table) seek(hash uint64) int {
	return t.seekSlow(t.index[hash>>(t.shift&63)], hash)
}

// seekSlow goes on from a point by whole positions.
func (t *table) seekSlow(at uint32, hash uint64) int {
	for t.positions[at] < hash {
		at++
	}
	return int(at)
}

// ownerAt is the owner of the point at an index.
func (t *table) ownerAt(at int) uint32 { return uint32(t.points[at]) }
