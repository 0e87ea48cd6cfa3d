package hashring

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestModel drives the ring and the reference with the same calls, in a bubble,
// and compares every answer, and the whole state after each step.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newMachine(t, rapid.IntRange(1, 12).Draw(t, "vnodes"), rapid.SampledFrom([]float64{1.001, 1.25, 3}).Draw(t, "factor"))
			t.Repeat(map[string]func(*rapid.T){
				"Add":     m.add,
				"Remove":  m.remove,
				"Update":  m.update,
				"Replace": m.replace,
				"Acquire": m.acquire,
				"Release": m.release,
				"lookups": m.lookups,
				"Diff":    m.diff,
				"":        m.compare,
			})
		})
	})
}

// machine is a ring beside its model.
type machine struct {
	ring    *Ring[string]
	model   *naive
	changes uint64
	history []naive // earlier memberships, with their snapshots
	before  []*Snapshot[string]
	leases  []held
}

// held is a lease and whether its node has left since.
type held struct {
	lease *Lease[string]
	id    string
	left  bool
}

func newMachine(tb require.TestingT, vnodes int, factor float64) *machine {
	m := &machine{model: newNaive(vnodes)}
	m.model.factor = factor
	var err error
	m.ring, err = New(Config[string]{VirtualNodes: vnodes, LoadFactor: factor})
	require.NoError(tb, err)
	return m
}

// modelIDs are few, so that calls meet; some of them have points in common.
var modelIDs = []string{"a", "b", "c", "d", idAt(1<<50, 0), idAt(1<<50, 1), idAt(1<<50, 2), idAt(math.MaxUint64, 0), idAt(0, 1)}

var someNode = rapid.Custom(func(t *rapid.T) Node[string] {
	return Node[string]{
		ID:      rapid.SampledFrom(modelIDs).Draw(t, "id"),
		Value:   fmt.Sprint(rapid.IntRange(0, 999).Draw(t, "value")),
		Weight:  rapid.SampledFrom([]float64{0, 0, 1, 0.3, 2.5, 1e-300, -1, math.NaN(), 1e9}).Draw(t, "weight"),
		Zone:    rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "zone"),
		Drained: rapid.IntRange(0, 5).Draw(t, "drained") == 0,
	}
})

var someNodes = rapid.SliceOfN(someNode, 0, 4)

// valid is what enlisting refuses.
func (m *machine) valid(nodes []Node[string]) bool {
	seen := map[string]bool{}
	for _, node := range nodes {
		tooBig := node.Weight*float64(m.model.vnodes) > maxPoints && !node.Drained
		if seen[node.ID] || !(node.Weight >= 0) || tooBig {
			return false
		}
		seen[node.ID] = true
	}
	return true
}

// known tells whether all, or none, of the nodes are members.
func (m *machine) known(nodes []Node[string], want bool) bool {
	return !slices.ContainsFunc(nodes, func(n Node[string]) bool {
		_, found := m.model.nodes[n.ID]
		return found != want
	})
}

// expect judges the error of a change and tells whether to make it in the
// model.
func (m *machine) expect(t *rapid.T, err error, valid, fits bool, misfit error) bool {
	switch {
	case !valid:
		require.ErrorIs(t, err, ErrConfig)
	case !fits:
		require.ErrorIs(t, err, misfit)
	default:
		require.NoError(t, err)
		return true
	}
	return false
}

// remember keeps the membership before a change, for Diff.
func (m *machine) remember() {
	old := *m.model
	old.nodes = maps.Clone(m.model.nodes)
	m.history = append(m.history, old)
	m.before = append(m.before, m.ring.Snapshot())
}

func (m *machine) add(t *rapid.T) {
	nodes := someNodes.Draw(t, "nodes")
	m.remember()
	err := m.ring.Add(nodes...)
	if m.expect(t, err, m.valid(nodes), m.known(nodes, false), ErrNodeExists) && len(nodes) > 0 {
		m.changes++
		for _, node := range nodes {
			m.model.nodes[node.ID] = node
		}
	}
}

func (m *machine) update(t *rapid.T) {
	nodes := someNodes.Draw(t, "nodes")
	m.remember()
	err := m.ring.Update(nodes...)
	if m.expect(t, err, m.valid(nodes), m.known(nodes, true), ErrNodeNotFound) && len(nodes) > 0 {
		m.changes++
		for _, node := range nodes {
			m.model.nodes[node.ID] = node
		}
	}
}

func (m *machine) replace(t *rapid.T) {
	nodes := someNodes.Draw(t, "nodes")
	m.remember()
	if !m.expect(t, m.ring.Replace(nodes...), m.valid(nodes), true, nil) {
		return
	}
	m.changes++
	gone := maps.Clone(m.model.nodes)
	clear(m.model.nodes)
	for _, node := range nodes {
		m.model.nodes[node.ID] = node
		delete(gone, node.ID)
	}
	for id := range gone {
		m.leave(id)
	}
}

func (m *machine) remove(t *rapid.T) {
	ids := rapid.SliceOfN(rapid.SampledFrom(modelIDs), 0, 3).Draw(t, "ids")
	m.remember()
	nodes := []Node[string]{}
	for _, id := range ids {
		nodes = append(nodes, Node[string]{ID: id})
	}
	if m.expect(t, m.ring.Remove(ids...), true, m.known(nodes, true), ErrNodeNotFound) && len(ids) > 0 {
		m.changes++
		for _, id := range ids {
			delete(m.model.nodes, id)
			m.leave(id)
		}
	}
}

// leave makes the leases on a node those of a node that left.
func (m *machine) leave(id string) {
	delete(m.model.loads, id)
	for i := range m.leases {
		if m.leases[i].id == id {
			m.leases[i].left = true
		}
	}
}

func (m *machine) acquire(t *rapid.T) {
	key := rapid.SampledFrom([]string{"hot", "cold", ""}).Draw(t, "key")
	lease, ok := m.ring.Acquire(key)
	want := m.model.acquire(Hash(key))
	require.Equal(t, want != "", ok)
	require.Equal(t, want, lease.Node().ID)
	if ok {
		require.Equal(t, m.model.nodes[want], lease.Node())
		m.leases = append(m.leases, held{lease: &lease, id: want})
	}
}

func (m *machine) release(t *rapid.T) {
	if len(m.leases) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.leases)-1).Draw(t, "lease")
	h := m.leases[i]
	h.lease.Release()
	h.lease.Release()
	m.leases = slices.Delete(m.leases, i, i+1)
	m.model.total--
	if !h.left {
		m.model.loads[h.id]--
	}
}

func (m *machine) lookups(t *rapid.T) {
	hash := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1 << 50, 1<<50 + 1, math.MaxUint64})).Draw(t, "hash")
	key := keyAt(hash)
	walk := m.model.walk(hash)
	value, ok := m.ring.Get(key)
	require.Equal(t, len(walk) > 0, ok)
	if ok {
		require.Equal(t, m.model.nodes[walk[0]].Value, value)
	}
	require.Equal(t, walk, walkIDs(m.ring, key))
	n := rapid.IntRange(-1, 10).Draw(t, "n")
	require.Equal(t, m.model.replicas(hash, n), replicaIDs(m.ring, key, n))
}

func (m *machine) diff(t *rapid.T) {
	if len(m.history) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.history)-1).Draw(t, "earlier")
	got := slices.AppendSeq([]Move{}, m.before[i].Diff(m.ring.Snapshot()))
	require.Equal(t, naiveMoves(&m.history[i], m.model), got)
}

func (m *machine) compare(t *rapid.T) {
	nodes := maps.Collect(m.ring.All())
	require.Equal(t, len(m.model.nodes), m.ring.Len())
	require.Len(t, nodes, len(m.model.nodes))
	active := 0
	for id, node := range m.model.nodes {
		require.Equal(t, node, nodes[id])
		require.Equal(t, m.model.loads[id], m.ring.Load(id))
		if !node.Drained {
			active++
		}
	}
	require.Equal(t, m.model.shares(), maps.Collect(m.ring.Snapshot().Shares()))
	stats := m.ring.Stats()
	stats.Overflows = 0 // counted in other tests
	require.Equal(t, Stats{
		Nodes: len(m.model.nodes), Active: active, Points: len(m.model.points()),
		InFlight: m.model.total, Changes: m.changes,
	}, stats)
}
