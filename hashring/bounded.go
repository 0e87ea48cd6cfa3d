package hashring

import (
	"math"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

const (
	// cacheLine keeps counters apart that different goroutines write. 64 bytes
	// on amd64 and on most arm64.
	cacheLine = 64

	// laps is how often Acquire goes round before it takes the least loaded
	// node. A lap fails only if others took what became free while it was under
	// way; two in a row were never seen.
	laps = 8
)

// counter is a number on a cache line of its own.
type counter struct {
	n atomic.Int64
	_ [cacheLine - 8]byte
}

// claim adds one if the number is below the limit. That is the same as below
// the limit rounded up, since the number is whole.
func (c *counter) claim(limit float64) bool {
	for {
		n := c.n.Load()
		if !(float64(n) < limit) {
			return false
		}
		chaos.Point("hashring: load read, not yet claimed")
		if c.n.CompareAndSwap(n, n+1) {
			return true
		}
		chaos.Point("hashring: claim lost a race")
	}
}

// Acquire takes a unit of load on a node for key: on the first in Walk order
// that has room, which is the owner unless that is busy. It returns false only
// if no node is active. Release the lease when the work is done; one that is
// dropped counts for ever. It never blocks.
//
// With m leases in flight, this one included, a node has room while it has
// fewer than LoadFactor*m*w/W, rounded up, where w is its weight and W that of
// all active nodes. While nothing is released and the membership stays, no node
// ever has more than that, under any concurrency, unless Stats.OverBound counts
// it. A release lowers m, a node that joins raises W, and both may leave nodes
// above it: work is not moved, they are given nothing new. Leases on nodes that
// have left the ring count in m until they are released.
//
// O(1) if the owner has room, else as Walk; no allocation up to 1024 members.
func (r *Ring[V]) Acquire(key string) (Lease[V], bool) {
	s := r.current()
	if s.active == 0 {
		return Lease[V]{}, false
	}
	hash := Hash(key)
	m := s.members[s.table.owner(hash)]

	// Counted first, claimed after: then the leases on all nodes are fewer than
	// inFlight at every instant, hence some node is below its limit. The other
	// way round a full ring would refuse everybody.
	inFlight := r.inFlight.n.Add(1)
	chaos.Point("hashring: counted, not yet claimed")
	if !m.load.claim(r.limit(s, m, inFlight)) {
		m = r.acquireSlow(s, hash, m)
	}
	return Lease[V]{ring: r, member: m}, true
}

// limit is the bound on the load of a member with inFlight leases in the ring.
func (r *Ring[V]) limit(s *Snapshot[V], m *member[V], inFlight int64) float64 {
	return r.loadFactor * float64(inFlight) * m.weight / s.weight
}

// acquireSlow is Acquire for an owner without room. Leases that are counted
// meanwhile raise the limits, so each lap reads their number anew.
func (r *Ring[V]) acquireSlow(s *Snapshot[V], hash uint64, owner *member[V]) *member[V] {
	for range laps {
		inFlight := r.inFlight.n.Load()
		for w := s.walk(hash); w.left > 0; {
			m := s.members[w.next()]
			if m.load.claim(r.limit(s, m, inFlight)) {
				r.countOverflow(m, owner)
				return m
			}
		}
		chaos.Point("hashring: a lap failed")
	}
	m := s.leastLoaded()
	m.load.n.Add(1)
	r.overBound.n.Add(1)
	r.countOverflow(m, owner)
	return m
}

// countOverflow counts a lease that went to another node than the owner.
func (r *Ring[V]) countOverflow(m, owner *member[V]) {
	if m != owner {
		r.overflows.n.Add(1)
	}
}

// leastLoaded returns the active member with the least load for its weight. The
// loads are read one by one.
func (s *Snapshot[V]) leastLoaded() *member[V] {
	var least *member[V]
	best := math.Inf(1)
	for _, m := range s.members {
		if m.node.Drained {
			continue
		}
		if load := float64(m.load.n.Load()) / m.weight; load < best || least == nil {
			least, best = m, load
		}
	}
	return least
}

// Load returns the leases in flight on the member with an ID, and 0 for others.
// A drained member keeps its load until it is released. O(log members), no
// allocation.
func (r *Ring[V]) Load(id string) int {
	s := r.current()
	at, found := s.find(id)
	if !found {
		return 0
	}
	return int(s.members[at].load.n.Load())
}

// Lease is a unit of load on a node. Do not copy it (go vet reports copies).
// Its methods may be called concurrently; those of a nil or zero Lease do
// nothing.
type Lease[V any] struct {
	ring     *Ring[V]
	member   *member[V]
	released atomic.Bool
}

// Node returns the node as it was when it was acquired, also after Release and
// after it left the ring. O(1), no allocation.
func (l *Lease[V]) Node() Node[V] {
	if l == nil || l.member == nil {
		return Node[V]{}
	}
	return l.member.node
}

// Release gives the unit back, once: further calls do nothing. It works after
// the node has left the ring. O(1), no allocation.
func (l *Lease[V]) Release() {
	if l == nil || l.member == nil || l.released.Swap(true) {
		return
	}
	l.member.load.n.Add(-1) // before the total: see Acquire
	chaos.Point("hashring: unclaimed, still counted")
	l.ring.inFlight.n.Add(-1)
}
