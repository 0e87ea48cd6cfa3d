// Package hashring maps keys to nodes with consistent hashing: every process
// that knows the same nodes gives the same answer, a node that joins or leaves
// moves only its own part of the keys, and the load of every node can be
// bounded.
//
//	ring, err := hashring.New(hashring.Config[string]{
//		Nodes: hashring.Nodes("cache-a", "cache-b", "cache-c"),
//	})
//	if err != nil {
//		return err // matches hashring.ErrConfig, and names the field
//	}
//	addr, ok := ring.Get("user:42") // false only if no node is active
//
// A node carries a typed value, so that the look-up gives the connection
// itself: Config[*grpc.ClientConn], Config[*sql.DB].
//
// # Choosing
//
// What the methods are for:
//
//   - [Ring.Get] the owner of a key: shards, caches, sticky sessions.
//   - [Ring.Walk] whom to try next when the owner is down.
//   - [Ring.AppendReplicas] who else keeps a copy, spread over zones.
//   - [Ring.Acquire] the owner unless it is busy: hot keys, and callers who can
//     choose keys.
//   - [Snapshot.Diff] what a change of membership moves, to hand data over;
//     [Snapshot.Shares] how even the ring is.
//
// And when to take something else. hash(key) mod n moves nearly all keys when n
// changes. [Rendezvous] needs no memory and is the most even, and reads all
// nodes for each key: take it for less than eight. [Jump] needs no memory
// either, but its buckets are numbers 0 to n-1: only the last can leave, and
// everybody must number the nodes alike. Its successors (Anchor, Dx, Memento)
// can remove any bucket, but then the answer depends on the order of the
// changes, and two processes that learned of them in another order disagree. A
// ring depends on the set of nodes alone. So does Maglev (Eisenbud and others,
// NSDI 2016), which is as even as the size of its table and one load fast, but
// moves more than what must move; take it to balance connections that live
// shorter than the membership does.
//
// # Algorithm
//
// Consistent hashing (Karger and others, 1997) with virtual nodes. A hash has
// 64 bits, and the numbers from 0 to 2^64-1 are a ring. Every node stands at
// many points of it, every key at one, and a key belongs to the first point
// that is not before it:
//
//	       0 = 2^64
//	   a ----- o ----- c
//	 /                   \      a, b, c: points of three nodes
//	c                     b     k: a key, and its owner is a,
//	|                     |        the first point behind it
//	b                     k
//	 \                   /
//	   c ----- b ----- a        (clockwise)
//
// When a node joins, each of its points takes over the arc before it, from
// whoever stood behind: keys move to the new node only. When it leaves, each
// arc falls to the next point: only its keys move, and since its points are
// scattered, to all others alike. With one point a node the arcs would differ
// wildly, and a node that leaves would burden a single neighbour; the shares
// even out with the root of the number of points. Exact figures for the nodes
// node-0, node-1 and so on: standard deviation of the shares, and the largest,
// relative to the mean.
//
//	VirtualNodes 10 nodes        100 nodes       1000 nodes
//	64           0.097  1.15     0.120  1.37     0.124  1.45
//	256          0.059  1.12     0.064  1.19     0.063  1.19
//	1024         0.036  1.06     0.030  1.08     0.032  1.09
//
// A node of weight w has w*VirtualNodes points, rounded. Weights are absolute:
// a new weight adds or takes away points of that node and of no other, so keys
// move only to it or only away from it. (Rings that divide by the total move
// about twice the minimum, half of that between nodes that did not change.)
//
// A look-up costs the same whatever the number of points: the ring is cut into
// at least as many equal parts as there are points, the top bits of the hash
// give the part, the part its first point, and of those one or two are
// compared. That is two loads from memory where a binary search has
// log2(points). The table takes 20 to 24 bytes a point and is built in linear
// time without sorting, since the positions, being hashes, fill the parts
// evenly.
//
// The placement is a contract, called hashring/v1, and will not change within a
// major version. All arithmetic is modulo 2^64.
//
//	H(s)         XXH64 of the bytes of s with seed 0
//	mix64        the output function of splitmix64
//	points(w)    max(1, floor(w*VirtualNodes + 0.5)), in float64; 0 when drained
//	point(id, i) mix64(H(id) + (i+1)*0x9e3779b97f4a7c15), i from 0
//	key          H(key); the owner is the first point that is not less, else the
//	             first of all; equal points are in the order of their IDs
//
// It depends on the set of (ID, Weight, Drained) and on VirtualNodes, and on
// nothing else: not on order, history, process or machine. XXH64 is fast, good
// and known in every language; testdata/v1.py is all of this in Python.
//
// Acquire is consistent hashing with bounded loads (Mirrokni, Thorup and
// Zadimoghaddam, 2016, arXiv 1608.01350), in the form that goes on along the
// ring, which Vimeo gave to HAProxy. What overflows from a node goes to the
// same next node each time, so that its cache is warm there; the price is that
// a second hot node may follow the first. Envoy jumps to a random permutation
// instead (arXiv 1908.08762): less of a cascade, no locality.
//
// # Concurrency
//
// All methods may be called from any number of goroutines. A membership is
// immutable; a change builds the next one and publishes it by one atomic store.
// Each look-up, walk, choice of replicas and iteration works on the one
// membership that was current when the method was called; a change that has
// returned is seen by every call that starts after it. Look-ups take no lock
// and write nothing, so they scale with the cores. Changes wait for one
// another. Acquire and Release are lock-free; they write to the counter of one
// node and to one of the ring. No code of the user is ever called but the
// bodies of loops, and those without a lock. There is no goroutine and no
// clock, and nothing to close.
//
// # Limits
//
// At most 65536 points for a weight of 1 and 16777216 in a ring. A change costs
// O(points), so it is for members that come and go, not for health: skip a sick
// node in Walk, and leave it where it is. XXH64 is not keyed: who can choose
// keys can aim all of them at one node, which Acquire can bound and nothing can
// prevent; who can choose node IDs can choose their points. Loads are those of
// this process. The ring does not move data, and does not find out who is
// alive.
package hashring

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Defaults and bounds of Config.
const (
	defaultVirtualNodes = 256
	maxVirtualNodes     = 1 << 16
	defaultLoadFactor   = 1.25
	maxLoadFactor       = 1000
)

var (
	// ErrConfig matches every error about a bad Config or a bad Node: in New,
	// Add, Update and Replace. The text names the field.
	ErrConfig = errors.New("hashring: invalid config")

	// ErrNodeExists is returned, with the ID in the text, by Add for an ID that
	// is a member.
	ErrNodeExists = errors.New("hashring: node exists")

	// ErrNodeNotFound is returned, with the ID in the text, by Remove and
	// Update for an ID that is no member.
	ErrNodeNotFound = errors.New("hashring: node not found")
)

// Config configures New. The zero value is valid: an empty ring.
type Config[V any] struct {
	// Nodes is the first membership. It is copied.
	Nodes []Node[V]

	// VirtualNodes is the number of points of a node of weight 1: from 1 to
	// 65536, and 0 means 256. More points are more even and more memory; see
	// the table in the package comment. It is part of the placement: processes
	// that must agree need the same value.
	VirtualNodes int

	// LoadFactor bounds the load that Acquire gives to a node: LoadFactor times
	// its fair share of the leases in flight, rounded up. More than 1, at most
	// 1000; 0 means 1.25. Near 1 the load is even and keys overflow often; at 2
	// they seldom do.
	LoadFactor float64
}

// Node is a member. The ring copies it and hands it back as it was given.
type Node[V any] struct {
	ID      string  // required and unique; it alone, with Weight and Drained, decides the placement
	Value   V       // what Get returns: a connection, an address, the ID itself
	Weight  float64 // the number of points relative to VirtualNodes; 0 means 1
	Zone    string  // the failure domain for AppendReplicas; "" is a zone like any other
	Drained bool    // a member that owns nothing and is given nothing
}

// Nodes returns nodes of weight 1 whose Value is their ID: the ring of strings.
func Nodes(ids ...string) []Node[string] {
	nodes := make([]Node[string], len(ids))
	for i, id := range ids {
		nodes[i] = Node[string]{ID: id, Value: id}
	}
	return nodes
}

// Ring is a consistent-hash ring. Create it with New; it must not be copied.
// All methods may be called from any number of goroutines, and panic on a nil
// or zero Ring. Lookups never block.
type Ring[V any] struct {
	snapshot     atomic.Pointer[Snapshot[V]] // replaced under mu; nil only in a zero Ring
	virtualNodes int
	loadFactor   float64
	mu           sync.Mutex // serialises changes; no lookup takes it
	changes      atomic.Uint64

	_         [cacheLine]byte // every Acquire writes below and reads above
	inFlight  counter         // leases, counted before they are claimed on a member
	overflows counter
	overBound counter
}

// New returns a ring with cfg.Nodes as members. An error matches ErrConfig and
// names the field. O(points), 20 to 30 ns a point (AMD EPYC).
func New[V any](cfg Config[V]) (*Ring[V], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Ring[V]{
		virtualNodes: cmp.Or(cfg.VirtualNodes, defaultVirtualNodes),
		loadFactor:   cmp.Or(cfg.LoadFactor, defaultLoadFactor),
	}
	members, err := r.enlist(cfg.Nodes)
	if err != nil {
		return nil, err
	}
	r.snapshot.Store(&Snapshot[V]{table: newTable(nil)})
	if err := r.publish(members); err != nil {
		return nil, err
	}
	r.changes.Store(0)
	return r, nil
}

// validate refuses what has no meaning. The comparisons are written so that NaN
// fails them.
func (cfg *Config[V]) validate() error {
	if n := cfg.VirtualNodes; n < 0 || n > maxVirtualNodes {
		return configError("VirtualNodes", fmt.Sprintf("must be from 1 to %d, or 0", maxVirtualNodes), n)
	}
	if c := cfg.LoadFactor; c != 0 && !(c > 1 && c <= maxLoadFactor) {
		return configError("LoadFactor", fmt.Sprintf("must be more than 1 and at most %d, or 0", maxLoadFactor), c)
	}
	return nil
}

func configError(field, rule string, got any) error {
	return fmt.Errorf("%w: %s %s, got %v", ErrConfig, field, rule, got)
}

// Get returns the value of the node that owns key, or the zero value and false
// if no node is active. O(len(key)), whatever the number of nodes and points;
// no allocation, no lock, and no write to shared memory.
func (r *Ring[V]) Get(key string) (value V, ok bool) {
	return r.GetHash(Hash(key))
}

// GetHash is Get for a key that is hashed already: Get(key) is
// GetHash(Hash(key)). It serves keys that are no strings; for a []byte Sum64 of
// github.com/cespare/xxhash/v2 is the same hash. A hash that is not uniform
// over 64 bits makes the ring as uneven as it is. O(1), no allocation.
func (r *Ring[V]) GetHash(hash uint64) (value V, ok bool) {
	s := r.current()
	if s.active == 0 {
		return value, false
	}
	return s.values[s.table.owner(hash)], true
}

// Len returns the number of members, drained ones included. O(1).
func (r *Ring[V]) Len() int { return len(r.current().members) }

// All returns the members by ascending ID, drained ones included: those of the
// moment of the call, whatever the body of the loop or others change. It may be
// ranged over again. O(n), no copy of the membership.
func (r *Ring[V]) All() iter.Seq2[string, Node[V]] {
	s := r.current()
	return func(yield func(string, Node[V]) bool) {
		for _, m := range s.members {
			if !yield(m.node.ID, m.node) {
				return
			}
		}
	}
}

// Snapshot returns the membership of this moment. It never changes, and keeps
// the values of its nodes alive as long as it is held. O(1), no allocation.
func (r *Ring[V]) Snapshot() *Snapshot[V] { return r.current() }

// Stats is a copy of the counters. Nodes, Active and Points belong to one
// membership; the others are read one by one.
type Stats struct {
	Nodes     int    // members
	Active    int    // members that are not drained
	Points    int    // virtual nodes of all members
	InFlight  int    // leases not yet released, those of removed nodes included
	Changes   uint64 // successful membership changes since New
	Overflows uint64 // Acquires that did not get the owner
	OverBound uint64 // Acquires that took the least loaded node after every lap had failed
}

// Stats returns the counters. O(1), no allocation.
func (r *Ring[V]) Stats() Stats {
	s := r.current()
	return Stats{
		Nodes:     len(s.members),
		Active:    s.active,
		Points:    s.table.len(),
		InFlight:  int(r.inFlight.n.Load()),
		Changes:   r.changes.Load(),
		Overflows: uint64(r.overflows.n.Load()),
		OverBound: uint64(r.overBound.n.Load()),
	}
}

// current returns the membership that a call works on, all of it on this one.
func (r *Ring[V]) current() *Snapshot[V] {
	if r != nil {
		if s := r.snapshot.Load(); s != nil {
			return s
		}
	}
	panic("hashring: use of a nil or zero Ring; create it with New")
}

// Snapshot is one immutable membership, and what the ring swaps on a change.
// Its methods may be called concurrently; those of a nil or zero Snapshot
// panic.
type Snapshot[V any] struct {
	table   table
	values  []V          // by owner, so that Get touches no Node
	members []*member[V] // by owner: by ascending ID
	active  int          // members that are not drained
	weight  float64      // the sum over the active members
	zones   int          // zones with an active member
	zoneOf  []uint32     // by owner: a number below zones; of active members only
}

// member is a Node as one or several successive snapshots have it. Only the
// counter ever changes, and it passes on to the member that takes its place.
type member[V any] struct {
	node   Node[V]
	seat   seat
	weight float64 // Weight, or its default
	load   *counter
}

// newSnapshot makes a membership of members, which are sorted by ID and valid
// together. The table is taken over from old if that has the same placement.
func newSnapshot[V any](members []*member[V], old *Snapshot[V]) *Snapshot[V] {
	s := &Snapshot[V]{members: members, values: make([]V, len(members))}
	seats := make([]seat, len(members))
	for i, m := range members {
		s.values[i], seats[i] = m.node.Value, m.seat
		if !m.node.Drained {
			s.active++
			s.weight += m.weight
		}
	}
	s.numberZones()
	if slices.EqualFunc(members, old.members, samePlace[V]) {
		s.table = old.table
	} else {
		s.table = newTable(seats)
	}
	return s
}

// samePlace tells whether two members have the same points.
func samePlace[V any](a, b *member[V]) bool {
	return a.node.ID == b.node.ID && a.seat == b.seat
}

// numberZones numbers the zones of the active members.
func (s *Snapshot[V]) numberZones() {
	s.zoneOf = make([]uint32, len(s.members))
	numbers := map[string]uint32{}
	for i, m := range s.members {
		if m.node.Drained {
			continue
		}
		number, ok := numbers[m.node.Zone]
		if !ok {
			number = uint32(len(numbers))
			numbers[m.node.Zone] = number
		}
		s.zoneOf[i] = number
	}
	s.zones = len(numbers)
}

// find returns where the member with an ID stands, or where it would. O(log n).
func (s *Snapshot[V]) find(id string) (at int, found bool) {
	return slices.BinarySearchFunc(s.members, id, func(m *member[V], id string) int {
		return cmp.Compare(m.node.ID, id)
	})
}

// checkWeight tells what is wrong with a weight, or returns "".
func checkWeight(weight float64) string {
	if !(weight >= 0 && weight <= math.MaxFloat64) {
		return "must be 0 or more and finite"
	}
	return ""
}
