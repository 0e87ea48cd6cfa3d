//go:build !race

// The race detector allocates on its own account, so what is said of memory is
// said without it.

package hashring

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestNoAllocations(t *testing.T) {
	for _, members := range []int{1, 5, 100, onStack} {
		for _, zones := range []int{1, 3, 40, onStack} {
			r := mustNew(t, Config[string]{Nodes: zoned(members, min(zones, members)), VirtualNodes: 8})
			dst := make([]Node[string], 0, members)
			hashes := []uint64{Hash("a"), Hash("b"), Hash("c")}
			next := 0
			keys := benchKeys()
			key := func() string { next++; return keys[next%len(keys)] }
			for call, run := range map[string]func(){
				"Get":                 func() { r.Get(key()) },
				"GetHash":             func() { r.GetHash(uint64(next)) },
				"Acquire and Release": func() { l, _ := r.Acquire(key()); l.Node(); l.Release() },
				"Acquire overflowing": func() { _, _ = r.Acquire("hot") },
				"Load":                func() { r.Load("10.0.0.1:6379") },
				"Len":                 func() { r.Len() },
				"Stats":               func() { r.Stats() },
				"Snapshot":            func() { r.Snapshot() },
				"Hash":                func() { Hash(key()) },
				"Jump":                func() { next += Jump(uint64(next), members) },
				"Rendezvous":          func() { next += Rendezvous(uint64(next), hashes) },
				"AppendReplicas(3)":   func() { dst = r.AppendReplicas(dst[:0], key(), 3) },
				"AppendReplicas(all)": func() { dst = r.AppendReplicas(dst[:0], key(), members) },
			} {
				assert.Zero(t, testing.AllocsPerRun(50, run), "%s, %d members, %d zones", call, members, zones)
			}
		}
	}
}

// Without room in dst the replicas get it at once.
func TestReplicasAllocateOnce(t *testing.T) {
	for _, zones := range []int{1, 3, 40} {
		r := mustNew(t, Config[string]{Nodes: zoned(100, zones), VirtualNodes: 8})
		for _, n := range []int{1, 3, 50, 1 << 20} {
			allocs := testing.AllocsPerRun(50, func() { r.AppendReplicas(nil, "key", n) })
			assert.InDelta(t, 1, allocs, 0, "%d replicas over %d zones", n, zones)
		}
	}
}

// At most 24 bytes a point and 400 a member.
func TestBytesPerPoint(t *testing.T) {
	for _, shape := range []struct{ nodes, vnodes int }{{1000, 256}, {1000, 160}, {1000, 264}, {20, 8192}} {
		nodes := Nodes(benchIDs(shape.nodes)...)
		before := heap()
		r := mustNew(t, Config[string]{Nodes: nodes, VirtualNodes: shape.vnodes})
		bytes, points := heap()-before, int64(shape.nodes*shape.vnodes)
		t.Logf("%d nodes of %d points: %.1f bytes a point", shape.nodes, shape.vnodes, float64(bytes)/float64(points))
		assert.LessOrEqual(t, bytes, 24*points+400*int64(shape.nodes)+8192)
		assert.GreaterOrEqual(t, bytes, 16*points, "the measurement is broken")
		runtime.KeepAlive(r)
	}
}

// A million leases and ten thousand changes leave nothing behind.
func TestMemoryReturns(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes(benchIDs(20)...), VirtualNodes: 8})
	before := heap()
	keys := benchKeys()
	for i := range 1_000_000 {
		lease, _ := r.Acquire(keys[i%len(keys)])
		lease.Release()
	}
	for i := range 10_000 {
		id := fmt.Sprint("round-", i)
		require.NoError(t, r.Add(Nodes(id)...))
		lease, _ := r.Acquire(id)
		require.NoError(t, r.Remove(id))
		lease.Release()
	}
	assert.LessOrEqual(t, heap()-before, before/10+1<<16)
	runtime.KeepAlive(r)
}

func TestRemovedValuesAreCollected(t *testing.T) {
	type block = [128]byte
	for name, leave := range map[string]func(r *Ring[*block]) error{
		"Remove":  func(r *Ring[*block]) error { return r.Remove("a") },
		"Update":  func(r *Ring[*block]) error { return r.Update(Node[*block]{ID: "a"}) },
		"Replace": func(r *Ring[*block]) error { return r.Replace(Node[*block]{ID: "b"}) },
	} {
		r := mustNew(t, Config[*block]{Nodes: []Node[*block]{{ID: "b"}}})
		gone := func() weak.Pointer[block] {
			value := new(block)
			require.NoError(t, r.Add(Node[*block]{ID: "a", Value: value}))
			return weak.Make(value)
		}()
		require.NoError(t, leave(r))
		runtime.GC()
		assert.Nil(t, gone.Value(), name)
		runtime.KeepAlive(r)
	}
}

// Counters of different nodes, and of the ring, share no cache line.
func TestCountersHaveTheirOwnLine(t *testing.T) {
	assert.Equal(t, uintptr(cacheLine), reflect.TypeFor[counter]().Size())
	offset := func(name string) int {
		field, _ := reflect.TypeFor[Ring[string]]().FieldByName(name)
		return int(field.Offset)
	}
	assert.GreaterOrEqual(t, offset("inFlight")-offset("changes"), cacheLine)
	assert.Equal(t, cacheLine, offset("overflows")-offset("inFlight"))
	assert.Equal(t, cacheLine, offset("overBound")-offset("overflows"))
}

// With the fixed keys of a fixed generator, the keys on a node are its share of
// them, within five standard deviations.
func TestKeysFollowShares(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes(benchIDs(10)...)})
	rng := rand.New(rand.NewPCG(1, 2))
	const keys = 200_000
	count := map[string]int{}
	for range keys {
		id, _ := r.Get(fmt.Sprint("user:", rng.Uint64()))
		count[id]++
	}
	for id, share := range r.Snapshot().Shares() {
		assert.InDelta(t, share, float64(count[id])/keys, 5*0.3/447, id) // sqrt(p(1-p)/keys)
	}
}
