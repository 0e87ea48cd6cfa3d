package hashring

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A refused change leaves everything as it was, whatever stood before the bad
// argument.
func TestRefusedChangeChangesNothing(t *testing.T) {
	bad := Node[string]{ID: "bad", Weight: math.NaN()}
	heavy := Node[string]{ID: "heavy", Weight: 65536}
	clash := Node[string]{ID: keyAt(Hash("node-c"))}
	a, x := Nodes("node-a")[0], Nodes("x")[0]
	for name, test := range map[string]struct {
		change func(r *Ring[string]) error
		want   error
	}{
		"Add of a member":       {func(r *Ring[string]) error { return r.Add(x, a) }, ErrNodeExists},
		"Add of a bad node":     {func(r *Ring[string]) error { return r.Add(x, bad) }, ErrConfig},
		"Add of one ID twice":   {func(r *Ring[string]) error { return r.Add(x, x) }, ErrConfig},
		"Add of too much":       {func(r *Ring[string]) error { return r.Add(x, heavy) }, ErrConfig},
		"Add of a known hash":   {func(r *Ring[string]) error { return r.Add(x, clash) }, ErrConfig},
		"Remove of a stranger":  {func(r *Ring[string]) error { return r.Remove("node-a", "x") }, ErrNodeNotFound},
		"Remove of nothing":     {func(r *Ring[string]) error { return r.Remove("") }, ErrNodeNotFound},
		"Update of a stranger":  {func(r *Ring[string]) error { return r.Update(Node[string]{ID: "node-a", Weight: 9}, x) }, ErrNodeNotFound},
		"Update to a bad node":  {func(r *Ring[string]) error { return r.Update(Node[string]{ID: "node-a", Weight: -1}) }, ErrConfig},
		"Update of one twice":   {func(r *Ring[string]) error { return r.Update(a, a) }, ErrConfig},
		"Update to too much":    {func(r *Ring[string]) error { return r.Update(Node[string]{ID: "node-a", Weight: 65536}) }, ErrConfig},
		"Replace by a bad node": {func(r *Ring[string]) error { return r.Replace(x, bad) }, ErrConfig},
		"Replace by twice":      {func(r *Ring[string]) error { return r.Replace(a, a) }, ErrConfig},
		"Replace by a clash":    {func(r *Ring[string]) error { return r.Replace(Nodes("node-c")[0], clash) }, ErrConfig},
		"Replace by too much":   {func(r *Ring[string]) error { return r.Replace(heavy, x) }, ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			r := five(t)
			lease, _ := r.Acquire("key")
			defer lease.Release()
			snapshot, stats := r.Snapshot(), r.Stats()
			err := test.change(r)
			require.ErrorIs(t, err, test.want)
			assert.Same(t, snapshot, r.Snapshot())
			assert.Equal(t, stats, r.Stats())
			assert.Equal(t, 1, r.Load(lease.Node().ID))
		})
	}
}

// A bad node is named by its place in the call.
func TestBadNodeIsNamedInEveryCall(t *testing.T) {
	r := five(t)
	nodes := []Node[string]{{ID: "node-a"}, {ID: "node-b", Weight: math.Inf(1)}}
	for name, err := range map[string]error{"Add": r.Add(nodes...), "Update": r.Update(nodes...), "Replace": r.Replace(nodes...)} {
		require.ErrorIs(t, err, ErrConfig, name)
		assert.Equal(t, "hashring: invalid config: Nodes[1].Weight must be 0 or more and finite, got +Inf", err.Error(), name)
	}
}

func TestChangesWithoutArguments(t *testing.T) {
	r := five(t)
	snapshot := r.Snapshot()
	require.NoError(t, r.Add())
	require.NoError(t, r.Remove())
	require.NoError(t, r.Update())
	assert.Same(t, snapshot, r.Snapshot())
	assert.Zero(t, r.Stats().Changes)
	require.NoError(t, r.Replace())
	assert.Zero(t, r.Len())
	assert.Equal(t, uint64(1), r.Stats().Changes)
	require.NoError(t, r.Replace())
	assert.Equal(t, uint64(2), r.Stats().Changes, "a Replace counts even if nothing differs")
}

func TestRemoveOfOneIDTwiceCountsOnce(t *testing.T) {
	r := five(t)
	require.NoError(t, r.Remove("node-a", "node-b", "node-a"))
	assert.Equal(t, 3, r.Len())
	assert.Equal(t, uint64(1), r.Stats().Changes)
}

func TestAddThenRemoveRestoresTheRing(t *testing.T) {
	r := five(t)
	want := r.Snapshot().table
	require.NoError(t, r.Add(Nodes("x", "a", "zz")...))
	assert.NotEqual(t, want.positions, r.Snapshot().table.positions)
	require.NoError(t, r.Remove("zz", "x", "a"))
	assert.Equal(t, want, r.Snapshot().table)
}

// A batch is one membership: no lookup sees a part of it.
func TestBatchIsOneChange(t *testing.T) {
	batch, single := five(t), five(t)
	require.NoError(t, batch.Add(Nodes("x", "y", "z")...))
	for _, node := range Nodes("z", "x", "y") {
		require.NoError(t, single.Add(node))
	}
	assert.Equal(t, single.Snapshot().table, batch.Snapshot().table)
	assert.Equal(t, maps.Collect(single.All()), maps.Collect(batch.All()))
	assert.Equal(t, uint64(1), batch.Stats().Changes)
	assert.Equal(t, uint64(3), single.Stats().Changes)
}

// What moves, exactly: every change of one node moves keys only to it, or only
// away from it. Rings that divide weights by their sum moved 1.64 to 2.09 times
// as much, half of it between nodes that did not change (ketama, Envoy, the
// ring of grpc-go).
func TestChangeOfOneNodeMovesOnlyItsKeys(t *testing.T) {
	for _, n := range []int{1, 2, 8, 10, 20, 100} {
		r := mustNew(t, Config[string]{Nodes: Nodes(benchIDs(n)...), VirtualNodes: 64})
		x := Node[string]{ID: "x", Value: "x"}
		with := func(weight float64, drained bool) Node[string] {
			x.Weight, x.Drained = weight, drained
			return x
		}
		for _, step := range []struct {
			name   string
			change func() error
			to     bool // else away from it
		}{
			{"joins", func() error { return r.Add(with(1, false)) }, true},
			{"more weight", func() error { return r.Update(with(2.5, false)) }, true},
			{"less weight", func() error { return r.Update(with(0.3, false)) }, false},
			{"drained", func() error { return r.Update(with(0.3, true)) }, false},
			{"back", func() error { return r.Update(with(0.3, false)) }, true},
			{"leaves", func() error { return r.Remove("x") }, false},
		} {
			before := r.Snapshot()
			require.NoError(t, step.change())
			moved := 0.0
			for move := range before.Diff(r.Snapshot()) {
				moved += move.Share()
				if step.to {
					require.Equal(t, "x", move.To, "%s, %d nodes", step.name, n)
				} else {
					require.Equal(t, "x", move.From, "%s, %d nodes", step.name, n)
				}
			}
			gained := maps.Collect(r.Snapshot().Shares())["x"] - maps.Collect(before.Shares())["x"]
			require.InDelta(t, math.Abs(gained), moved, 1e-12, "no more than the minimum: the share that x gains or loses")
			require.Positive(t, moved)
		}
	}
}

func TestUpdateOfValueAndZoneMovesNothing(t *testing.T) {
	r := five(t)
	before := r.Snapshot()
	require.NoError(t, r.Update(Node[string]{ID: "node-b", Value: "new", Zone: "z", Weight: 1}))
	assert.Equal(t, "new", ownerOf(r, "user:42"))
	assert.Empty(t, slices.Collect(before.Diff(r.Snapshot())))
	assert.Same(t, &before.table.points[0], &r.Snapshot().table.points[0], "the table is taken over")
	assert.Equal(t, uint64(1), r.Stats().Changes)
	require.NoError(t, r.Update(Node[string]{ID: "node-b", Value: "new", Weight: 1.01}))
	assert.NotSame(t, &before.table.points[0], &r.Snapshot().table.points[0])
}

// The table must not be taken over by other nodes with as many points.
func TestReplaceByOthersOfTheSameSize(t *testing.T) {
	r := mustNew(t, Config[string]{Nodes: Nodes("a", "b")})
	require.NoError(t, r.Replace(Nodes("c", "d")...))
	assert.Equal(t, mustNew(t, Config[string]{Nodes: Nodes("d", "c")}).Snapshot().table, r.Snapshot().table)
}

func TestReplaceKeepsLoadsOfThoseWhoStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustNew(t, Config[string]{Nodes: Nodes("a"), VirtualNodes: 4})
		lease, _ := r.Acquire("key")
		require.NoError(t, r.Replace(Nodes("b", "a")...))
		assert.Equal(t, 1, r.Load("a"))
		require.NoError(t, r.Update(Node[string]{ID: "a", Drained: true}))
		assert.Equal(t, 1, r.Load("a"), "a drained member keeps its load")
		next, _ := r.Acquire("key")
		assert.Equal(t, "b", next.Node().ID, "and is given nothing")
		next.Release()
		require.NoError(t, r.Remove("a"))
		assert.Zero(t, r.Load("a"))
		assert.Equal(t, 1, r.Stats().InFlight, "leases of removed nodes are in flight")
		require.NoError(t, r.Add(Nodes("a")...))
		assert.Zero(t, r.Load("a"), "a node that comes back starts at zero")
		lease.Release()
		assert.Zero(t, r.Load("a"), "and the old lease is not its own")
		assert.Zero(t, r.Stats().InFlight)
		assert.Equal(t, Node[string]{ID: "a", Value: "a"}, lease.Node(), "as it was when acquired")
	})
}

// buraksezer/consistent#13 and Tochemey/goakt#1009: a panic while scaling,
// since the partitions did not fit. Here there is nothing to fit.
func TestRegressionScalingUpAndDownNeverPanics(t *testing.T) {
	r := mustNew(t, Config[string]{VirtualNodes: 20})
	ids := benchIDs(200)
	for _, id := range ids {
		require.NoError(t, r.Add(Nodes(id)...))
	}
	for i, id := range ids {
		_, ok := r.Get("key")
		require.True(t, ok)
		require.NoError(t, r.Remove(id))
		require.Equal(t, len(ids)-i-1, r.Len())
	}
	_, ok := r.Get("key")
	assert.False(t, ok)
}

// buraksezer/consistent#17: names and indices that are joined by concatenation
// make "node1"+"1" and "node11"+"" one point. Here the index is arithmetic.
func TestRegressionNamesWithNumbersShareNoPoint(t *testing.T) {
	ids := []string{"node", "node1", "node11", "node111", "1", "11", "1node"}
	table := mustNew(t, Config[string]{Nodes: Nodes(ids...), VirtualNodes: 2000}).Snapshot().table
	positions := table.positions[:table.len()]
	assert.Len(t, slices.Compact(slices.Clone(positions)), len(ids)*2000)
}

// stathat/consistent#13, lafikl/consistent#1 and #10, apache/pekko#3279,
// uber/ringpop-go#196: where points of two nodes coincide the last writer won,
// and the removal of one deleted the point of the other.
func TestRegressionCoincidingPoints(t *testing.T) {
	const position = 1 << 40
	first, second := idAt(position, 0), idAt(position, 1) // both stand here
	low, high := min(first, second), max(first, second)
	for _, order := range [][]string{{low, high}, {high, low}} {
		r := mustNew(t, Config[string]{Nodes: Nodes(order[0]), VirtualNodes: 8})
		require.NoError(t, r.Add(Nodes(order[1])...))
		assert.Equal(t, low, ownerOf(r, keyAt(position)), "the lower ID, whoever came first")
		require.NoError(t, r.Remove(low))
		assert.Equal(t, high, ownerOf(r, keyAt(position)), "the point of the other is still there")
		assert.Equal(t, 8, r.Stats().Points)
		require.NoError(t, r.Add(Nodes(low)...))
		require.NoError(t, r.Remove(high))
		assert.Equal(t, low, ownerOf(r, keyAt(position)))
	}
}

// stathat/consistent: the removal of a stranger made the count wrong.
// dgryski/go-rendezvous: Remove panics.
func TestRegressionRemoveOfAStranger(t *testing.T) {
	r := five(t)
	require.ErrorIs(t, r.Remove("stranger"), ErrNodeNotFound)
	assert.Equal(t, 5, r.Len())
	require.NoError(t, r.Remove("node-a"))
	require.ErrorIs(t, r.Remove("node-a"), ErrNodeNotFound)
	assert.Equal(t, 4, r.Len())
}

// golang/groupcache#29 (36 % and 63 % for two nodes), serialx/hashring#27 (966
// keys to 34), redis/go-redis#1299: too few points by default. The IDs are
// those of the reports, the bounds four standard deviations.
func TestRegressionDefaultIsEven(t *testing.T) {
	for name, ids := range map[string][]string{
		"groupcache": {"http://10.0.0.1:8000", "http://10.0.0.2:8000"},
		"serialx":    {"127.0.0.1:6379", "127.0.0.1:6380", "127.0.0.1:6381"},
		"go-redis":   {"shard1", "shard2", "shard3"},
	} {
		r := mustNew(t, Config[string]{Nodes: Nodes(ids...)})
		for id, share := range r.Snapshot().Shares() {
			assert.InEpsilon(t, 1/float64(len(ids)), share, 4.0/16, "%s: %s", name, id)
		}
	}
}

// IDs are bytes: whatever they hold, they are kept apart.
func TestHostileIDs(t *testing.T) {
	ids := []string{" ", "\x00", "\x00\x00", "\xff\xfe", "a\nb", "Ключ", "\u200b", "%s", "Nodes[0]", string(make([]byte, 1<<20))}
	r := mustNew(t, Config[string]{Nodes: Nodes(ids...), VirtualNodes: 16})
	naive := newNaive(16, Nodes(ids...)...)
	for i := range 200 {
		key := fmt.Sprint(i)
		require.Equal(t, naive.owner(Hash(key)), ownerOf(r, key))
	}
	require.NoError(t, r.Remove(ids...))
	assert.Zero(t, r.Len())
}
