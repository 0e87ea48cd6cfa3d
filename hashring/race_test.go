package hashring

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// versioned is a value that tells whose it is and of which membership.
type versioned struct {
	id      string
	version int
}

// TestReadersDuringChanges lets readers look up while the membership changes
// 10,000 times between two states. Every answer belongs to one of them whole:
// the value is the owner's, and walks and replicas never mix the two.
func TestReadersDuringChanges(t *testing.T) {
	states := make([][]Node[versioned], 2)
	for version := range states {
		for i, id := range benchIDs(12 - 4*version) {
			states[version] = append(states[version], Node[versioned]{
				ID: id, Value: versioned{id, version}, Weight: float64(1 + version), Zone: fmt.Sprint(i % 3),
			})
		}
	}
	r := mustNew(t, Config[versioned]{Nodes: states[0], VirtualNodes: 8})
	owners := make([]map[string]string, 2) // of each state
	keys := benchKeys()[:64]
	for version := range states {
		require.NoError(t, r.Replace(states[version]...))
		owners[version] = map[string]string{}
		for _, key := range keys {
			value, _ := r.Get(key)
			owners[version][key] = value.id
		}
	}
	rounds := 10_000
	if testing.Short() || chaos.Enabled { // a change that yields waits for the readers
		rounds /= 10
	}
	var writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		defer close(stop)
		for i := range rounds {
			if err := r.Replace(states[i%2]...); err != nil {
				t.Error(err)
			}
		}
	})
	hammer.Run(t, 3, 1, func(_ int, rng *rand.Rand) error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := checkAnswers(r, keys[rng.IntN(len(keys))], owners); err != nil {
				return err
			}
		}
	})
	writer.Wait()
	assert.Equal(t, uint64(rounds+2), r.Stats().Changes)
}

// checkAnswers looks a key up in every way, and asks that each answer is that
// of one membership.
func checkAnswers(r *Ring[versioned], key string, owners []map[string]string) error {
	value, ok := r.Get(key)
	if !ok || owners[value.version][key] != value.id {
		return fmt.Errorf("%s belongs to %v", key, value)
	}
	version, seen := -1, 0
	for node := range r.Walk(key) {
		if version < 0 {
			version = node.Value.version
		}
		if node.Value.version != version || node.Value.id != node.ID {
			return fmt.Errorf("a walk mixes memberships: %v", node)
		}
		seen++
	}
	if seen != 12-4*version {
		return fmt.Errorf("a walk of membership %d has %d nodes", version, seen)
	}
	replicas := r.AppendReplicas(nil, key, 3)
	for _, node := range replicas {
		if node.Value.version != replicas[0].Value.version {
			return fmt.Errorf("replicas mix memberships: %v", replicas)
		}
	}
	sum := 0.0
	for _, share := range r.Snapshot().Shares() {
		sum += share
	}
	if len(replicas) != 3 || sum < 0.999999 || sum > 1.000001 {
		return fmt.Errorf("%d replicas, shares sum to %v", len(replicas), sum)
	}
	return nil
}

// While nothing is released, no node has more than its part at the end, nor at
// any time before: GetLeast and Inc apart put 11 % of the picks over the bound
// (lafikl/consistent, 64 goroutines).
func TestHammerKeepsTheBound(t *testing.T) {
	for _, factor := range []float64{1.0001, 1.25} {
		synctest.Test(t, func(t *testing.T) {
			nodes := Nodes(benchIDs(10)...)
			nodes[3].Weight, nodes[4].Weight = 3, 0.25
			r := mustNew(t, Config[string]{Nodes: nodes, VirtualNodes: 16, LoadFactor: factor})
			naive := newNaive(16, nodes...)
			naive.factor = factor
			const workers, rounds = 16, 1000
			hammer.Run(t, workers, rounds, func(_ int, rng *rand.Rand) error {
				lease, ok := r.Acquire(fmt.Sprint(rng.IntN(3)))
				if !ok {
					return fmt.Errorf("no node")
				}
				id := lease.Node().ID
				load := r.Load(id) // before m, which only grows
				if m := r.Stats().InFlight; float64(load) > naive.limit(id, m) {
					return fmt.Errorf("%s has %d of %d leases", id, load, m)
				}
				return nil
			})
			sum := 0
			for id, load := range loads(r) {
				assert.LessOrEqual(t, float64(load), naive.limit(id, workers*rounds), id)
				sum += load
			}
			assert.Equal(t, workers*rounds, sum)
			assert.Equal(t, workers*rounds, r.Stats().InFlight)
			assert.Zero(t, r.Stats().OverBound)
		})
	}
}

// Leases come and go on nodes that come and go; in the end nothing is left, on
// the ring and on the nodes that never left.
func TestHammerConservesLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := benchIDs(6)
		r := mustNew(t, Config[string]{Nodes: Nodes(ids...), VirtualNodes: 4})
		hammer.Run(t, 8, 2000, func(worker int, rng *rand.Rand) error {
			if worker == 0 {
				id := ids[rng.IntN(3)]
				switch err := r.Remove(id); rng.IntN(3) {
				case 0:
					return r.Replace(Nodes(ids...)...)
				case 1:
					return r.Update(Node[string]{ID: ids[4], Value: ids[4], Drained: rng.IntN(2) == 0})
				default:
					if err == nil {
						return r.Add(Nodes(id)...)
					}
					return nil
				}
			}
			one, ok := r.Acquire("hot")
			two, _ := r.Acquire(fmt.Sprint(rng.IntN(100)))
			if !ok || one.Node().ID != one.Node().Value {
				return fmt.Errorf("a lease of %v", one.Node())
			}
			if total := r.Stats().InFlight; total < 2 {
				return fmt.Errorf("%d in flight, of which two are mine", total)
			}
			var both sync.WaitGroup // a lease may be released by several at once
			both.Go(one.Release)
			one.Release()
			both.Wait()
			two.Release()
			return nil
		})
		assert.Zero(t, r.Stats().InFlight)
		for id, load := range loads(r) {
			assert.Zero(t, load, id)
		}
	})
}

// The leases on the nodes are never more than those that are counted, or else a
// full ring has no room for anybody: Acquire counts before it claims, Release
// unclaims before it discounts.
func TestHammerCountsBeforeItClaims(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes("only"), VirtualNodes: 1, LoadFactor: 1.0000001})
	hammer.Run(t, 8, 4000, func(int, *rand.Rand) error {
		lease, _ := r.Acquire("key")
		lease.Release()
		return nil
	})
	assert.Zero(t, r.Stats().OverBound, "one node always has room: its limit is the number of leases")
	assert.Zero(t, r.Stats().Overflows)
}

// Changes of several goroutines are all made: none is built on a membership that
// another has replaced meanwhile.
func TestHammerOfChanges(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes("fixed"), VirtualNodes: 2})
	hammer.Run(t, 8, 300, func(worker int, rng *rand.Rand) error {
		id := fmt.Sprint("worker-", worker)
		if err := r.Add(Nodes(id)...); err != nil {
			return err
		}
		if err := r.Update(Node[string]{ID: id, Weight: 1 + rng.Float64()}); err != nil {
			return err
		}
		return r.Remove(id)
	})
	assert.Equal(t, 1, r.Len())
	assert.Equal(t, uint64(8*300*3), r.Stats().Changes)
	assert.Equal(t, 2, r.Stats().Points)
}
