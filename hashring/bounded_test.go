package hashring

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loads returns the load of every member.
func loads(r *Ring[string]) map[string]int {
	all := map[string]int{}
	for id := range r.All() {
		all[id] = r.Load(id)
	}
	return all
}

// A single hot key: each lease goes where the written rule says, and no node
// ever has more than its part.
func TestAcquireOfOneHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, factor := range []float64{math.Nextafter(1, 2), 1.25, 2, 1000} {
			nodes := Nodes("node-a", "node-b", "node-c", "node-d", "node-e")
			nodes[1].Weight, nodes[2].Weight, nodes[3].Drained = 2.5, 0.1, true
			r := mustNew(t, Config[string]{Nodes: nodes, LoadFactor: factor})
			naive := newNaive(256, nodes...)
			naive.factor = factor
			overflows := uint64(0)
			for m := 1; m <= 100; m++ {
				lease, ok := r.Acquire("hot")
				require.True(t, ok)
				require.Equal(t, naive.acquire(Hash("hot")), lease.Node().ID)
				if lease.Node().ID != ownerOf(r, "hot") {
					overflows++
				}
				require.Equal(t, naive.loads["node-a"], r.Load("node-a"))
				for id, load := range loads(r) {
					require.LessOrEqual(t, float64(load), naive.limit(id, m), "%s of %d leases", id, m)
				}
			}
			assert.Equal(t, 100, r.Stats().InFlight)
			assert.Equal(t, overflows, r.Stats().Overflows)
			assert.Zero(t, r.Stats().OverBound)
			assert.Zero(t, r.Load("node-d"), "drained")
		}
	})
}

func TestAcquireTakesTheOwnerWhileItHasRoom(t *testing.T) {
	r := five(t)
	for i := range 1000 {
		key := fmt.Sprint(i)
		lease, ok := r.Acquire(key)
		require.True(t, ok)
		require.Equal(t, ownerOf(r, key), lease.Node().ID, "the first lease fits anywhere")
		lease.Release()
	}
	assert.Zero(t, r.Stats().Overflows)
}

// A factor of 2 and two nodes: limits are 1, 2, 3, so that the owner takes all.
// A factor of 1.25: 1, 2, 2, 3, 4, 4.
func TestLimitsByHand(t *testing.T) {
	sequence := func(factor float64) (owners string) {
		r := mustNew(t, Config[string]{Nodes: Nodes("a", "b"), LoadFactor: factor})
		owner := ownerOf(r, "hot")
		for range 8 {
			lease, _ := r.Acquire("hot")
			if lease.Node().ID == owner {
				owners += "o"
			} else {
				owners += "-"
			}
		}
		return owners
	}
	assert.Equal(t, "oooooooo", sequence(2))
	assert.Equal(t, "oo-oo-o-", sequence(1.25)) // ceil(0.625*m): 1 2 2 3 4 4 5 5
	assert.Equal(t, "oo-o-o-o", sequence(math.Nextafter(1, 2)))
}

func TestReleaseIsIdempotent(t *testing.T) {
	r := five(t)
	one, _ := r.Acquire("key")
	two, _ := r.Acquire("key")
	owner := ownerOf(r, "key")
	for range 3 {
		one.Release()
		assert.Equal(t, 1, r.Stats().InFlight)
	}
	assert.Equal(t, owner, one.Node().ID, "still told after Release")
	two.Release()
	assert.Zero(t, r.Stats().InFlight)
	assert.Zero(t, r.Load(owner))
}

// After releases a node may be above its limit: it is given nothing new until
// it is below, and nothing is taken from it.
func TestReleasesLowerTheLimits(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes("a", "b"), LoadFactor: 1.25})
	owner := ownerOf(r, "hot")
	others := []*Lease[string]{}
	for range 20 {
		lease, _ := r.Acquire("hot")
		if lease.Node().ID != owner {
			others = append(others, &lease)
		}
	}
	require.Equal(t, 13, r.Load(owner)) // ceil(12.5)
	for _, lease := range others {
		lease.Release()
	}
	assert.Equal(t, 13, r.Load(owner), "work is not moved")
	lease, _ := r.Acquire("hot")
	assert.NotEqual(t, owner, lease.Node().ID, "and nothing is added: ceil(0.625*14) is 9")
}

// lafikl/consistent#13: the release of a removed node panicked.
func TestRegressionReleaseOfARemovedNode(t *testing.T) {
	r := five(t)
	lease, _ := r.Acquire("key")
	node := lease.Node()
	require.NoError(t, r.Remove(node.ID))
	require.NoError(t, r.Replace())
	lease.Release()
	lease.Release()
	assert.Zero(t, r.Stats().InFlight)
	assert.Equal(t, node, lease.Node())
}

// When every lap fails, the least loaded node for its weight is taken, and
// counted. Nothing but a storm of others leads there, so the loads are set by
// hand.
func TestLeastLoadedWhenEveryLapFails(t *testing.T) {
	nodes := Nodes("a", "b", "c", "d")
	nodes[0].Drained, nodes[2].Weight = true, 4
	r := mustNew(t, Config[string]{Nodes: nodes})
	for i, load := range []int64{0, 1000, 3000, 900} {
		r.Snapshot().members[i].load.n.Store(load)
	}
	lease, ok := r.Acquire("key")
	require.True(t, ok)
	assert.Equal(t, "c", lease.Node().ID, "750 for each unit of weight; drained nodes are out")
	assert.Equal(t, 3001, r.Load("c"))
	stats := r.Stats()
	assert.Equal(t, uint64(1), stats.OverBound)
	assert.Equal(t, 1, stats.InFlight)
	r.Snapshot().members[1].load.n.Store(1)
	r.Snapshot().members[3].load.n.Store(2)
	again, _ := r.Acquire("key")
	assert.Equal(t, "b", again.Node().ID, "the limit of two leases is 1 for it")
	overflows := uint64(0)
	for _, id := range []string{"c", "b"} {
		if id != ownerOf(r, "key") {
			overflows++
		}
	}
	assert.Equal(t, overflows, r.Stats().Overflows)
}

func TestLeastLoadedOfTiesIsTheFirst(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: []Node[string]{{ID: "a", Weight: 5e-324}, {ID: "b", Weight: 5e-324}}})
	s := r.Snapshot()
	s.members[0].load.n.Store(math.MaxInt32)
	s.members[1].load.n.Store(math.MaxInt32)
	assert.Same(t, s.members[0], s.leastLoaded(), "infinite loads for each unit of weight are still a choice")
}

// Weights at the edge of float64: somebody always has room.
func TestAcquireWithExtremeWeights(t *testing.T) {
	for _, weights := range [][]float64{
		{5e-324, 5e-324},
		{5e-324, 50},
		{1e-300, 1, 20},
		{0.1, 0.2, 0.3, 0.4, 0.7},
	} {
		nodes := Nodes(benchIDs(len(weights))...)
		for i := range nodes {
			nodes[i].Weight = weights[i]
		}
		r := mustNew(t, Config[string]{Nodes: nodes, LoadFactor: math.Nextafter(1, 2)})
		for i := range 2000 {
			_, ok := r.Acquire(fmt.Sprint(i % 3))
			require.True(t, ok)
		}
		assert.Equal(t, 2000, r.Stats().InFlight)
		assert.Zero(t, r.Stats().OverBound, "%v", weights)
	}
}

// More members than a walk can note on the stack.
func TestAcquireOverflowsInALargeRing(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes(benchIDs(onStack + 30)...), VirtualNodes: 4})
	for range 2 * (onStack + 30) {
		_, ok := r.Acquire("hot")
		require.True(t, ok)
	}
	for id, load := range loads(r) {
		require.LessOrEqual(t, load, 3, id) // ceil(2.5)
	}
	assert.Zero(t, r.Stats().OverBound)
}

func TestLoadOfStrangers(t *testing.T) {
	r := five(t)
	assert.Zero(t, r.Load("stranger"))
	assert.Zero(t, r.Load(""))
	assert.Zero(t, r.Load("node-f"))
}
