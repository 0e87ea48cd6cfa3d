package hashring

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func snapshotOf(tb testing.TB, vnodes int, nodes ...Node[string]) *Snapshot[string] {
	tb.Helper()
	return mustNew(tb, Config[string]{Nodes: nodes, VirtualNodes: vnodes}).Snapshot()
}

// checkDiff checks the form of the moves, and that they turn the owners of a
// into those of b.
func checkDiff(tb testing.TB, a, b *Snapshot[string]) {
	tb.Helper()
	moves := slices.Collect(a.Diff(b))
	hashes := []uint64{0, math.MaxUint64}
	for _, s := range []*Snapshot[string]{a, b} {
		for _, p := range s.table.positions {
			hashes = append(hashes, p-1, p, p+1)
		}
	}
	for i, m := range moves {
		require.LessOrEqual(tb, m.First, m.Last)
		require.NotEqual(tb, m.From, m.To)
		hashes = append(hashes, m.First-1, m.First, m.Last, m.Last+1)
		if i > 0 {
			before := moves[i-1]
			require.Less(tb, before.Last, m.First)
			joined := before.Last+1 == m.First && before.From == m.From && before.To == m.To
			require.False(tb, joined, "neighbours that say the same")
		}
	}
	owner := func(s *Snapshot[string], hash uint64) string {
		if s.active == 0 {
			return ""
		}
		return s.members[s.table.owner(hash)].node.ID
	}
	for _, hash := range hashes {
		want := owner(a, hash)
		for _, m := range moves {
			if m.First <= hash && hash <= m.Last {
				require.Equal(tb, want, m.From)
				want = m.To
			}
		}
		require.Equal(tb, want, owner(b, hash), "hash %x", hash)
	}
}

func TestDiffByHand(t *testing.T) {
	a, b, z := idAt(100, 0), idAt(1000, 0), idAt(math.MaxUint64, 0)
	one := snapshotOf(t, 1, Nodes(a)...)
	two := snapshotOf(t, 1, Nodes(a, b)...)
	end := snapshotOf(t, 1, Nodes(b, z)...)
	none := snapshotOf(t, 1)
	const last = math.MaxUint64
	assert.Equal(t, []Move{{101, 1000, a, b}}, slices.Collect(one.Diff(two)))
	assert.Equal(t, []Move{{101, 1000, b, a}}, slices.Collect(two.Diff(one)))
	assert.Equal(t, []Move{{0, last, "", a}}, slices.Collect(none.Diff(one)))
	assert.Equal(t, []Move{{0, 100, a, ""}, {101, 1000, b, ""}, {1001, last, a, ""}}, slices.Collect(two.Diff(none)), "the range that wraps is two")
	assert.Equal(t, []Move{{0, 100, a, b}, {1001, last, a, z}}, slices.Collect(two.Diff(end)))
	for _, s := range []*Snapshot[string]{none, one, two, end} {
		assert.Empty(t, slices.Collect(s.Diff(s)))
		for _, next := range []*Snapshot[string]{none, one, two, end} {
			checkDiff(t, s, next)
		}
	}
}

// buraksezer/consistent#20: no way to learn what moved.
func TestRegressionDiffTellsWhatMoved(t *testing.T) {
	r := five(t)
	before := r.Snapshot()
	require.NoError(t, r.Add(Nodes("node-f")...))
	share := maps.Collect(r.Snapshot().Shares())["node-f"]
	sum := 0.0
	for move := range before.Diff(r.Snapshot()) {
		assert.Equal(t, "node-f", move.To)
		sum += move.Share()
	}
	assert.InDelta(t, share, sum, 1e-12)
	checkDiff(t, before, r.Snapshot())
}

// Snapshots of different rings, with other weights and numbers of points.
func TestDiffEqualsReference(t *testing.T) {
	weighted := zoned(8, 2)
	weighted[1].Weight, weighted[2].Drained, weighted[3].Value = 3, true, "other"
	type ring struct {
		vnodes int
		nodes  []Node[string]
	}
	rings := []ring{
		{1, nil},
		{7, Nodes(benchIDs(8)...)},
		{7, weighted},
		{12, Nodes(benchIDs(5)...)},
		{3, Nodes("x", "y")},
		{2, Nodes(benchIDs(1)...)},
	}
	for _, a := range rings {
		for _, b := range rings {
			want := naiveMoves(newNaive(a.vnodes, a.nodes...), newNaive(b.vnodes, b.nodes...))
			got := slices.AppendSeq([]Move{}, snapshotOf(t, a.vnodes, a.nodes...).Diff(snapshotOf(t, b.vnodes, b.nodes...)))
			require.Equal(t, want, got)
			checkDiff(t, snapshotOf(t, a.vnodes, a.nodes...), snapshotOf(t, b.vnodes, b.nodes...))
		}
		require.Equal(t, newNaive(a.vnodes, a.nodes...).shares(), maps.Collect(snapshotOf(t, a.vnodes, a.nodes...).Shares()))
	}
}

func TestDiffStopsAndStartsAgain(t *testing.T) {
	a, b := five(t).Snapshot(), snapshotOf(t, 16, Nodes("x", "y")...)
	diff := a.Diff(b)
	want := slices.Collect(diff)
	for n := 0; n < len(want); n += 1 + n/8 {
		got := []Move{}
		for move := range diff {
			if got = append(got, move); len(got) == n+1 {
				break
			}
		}
		require.Equal(t, want[:n+1], got)
	}
}

func TestMoveShare(t *testing.T) {
	for _, test := range []struct {
		first, last uint64
		want        float64
	}{
		{0, 0, 0x1p-64},
		{7, 8, 0x1p-63},
		{0, 1<<63 - 1, 0.5},
		{1 << 63, math.MaxUint64, 0.5},
		{0, math.MaxUint64, 1},
		{5, 5 + 1<<62 - 1, 0.25},
	} {
		assert.InDelta(t, test.want, Move{First: test.first, Last: test.last}.Share(), 0, "%+v", test)
	}
}

func TestSharesByHand(t *testing.T) {
	a, b := idAt(1<<62-1, 0), idAt(1<<63-1, 0)
	first, second := idAt(42, 0), idAt(42, 1) // two nodes, both with a point at 42
	end := idAt(math.MaxUint64, 0)
	for name, test := range map[string]struct {
		vnodes int
		nodes  []Node[string]
		want   map[string]float64
	}{
		"nobody":             {1, nil, map[string]float64{}},
		"one":                {256, Nodes("a"), map[string]float64{"a": 1}},
		"one active":         {3, append(Nodes("a"), Node[string]{ID: "b", Drained: true}), map[string]float64{"a": 1, "b": 0}},
		"one at the end":     {1, Nodes(end), map[string]float64{end: 1}},
		"three quarters":     {1, Nodes(a, b), map[string]float64{a: 0.75, b: 0.25}},
		"hidden by the tie ": {1, Nodes(first), map[string]float64{first: 1}},
	} {
		assert.Equal(t, test.want, maps.Collect(snapshotOf(t, test.vnodes, test.nodes...).Shares()), name)
	}
	shares := maps.Collect(snapshotOf(t, 2, Nodes(first, second)...).Shares())
	assert.Equal(t, newNaive(2, Nodes(first, second)...).shares(), shares)
	for range snapshotOf(t, 1, Nodes(a, b)...).Shares() {
		break
	}
}

// Exact: the arcs of all nodes together are 2^64, to the last position.
func TestSharesSumToOne(t *testing.T) {
	for _, n := range []int{1, 2, 3, 50, 1000} {
		low, high := uint64(0), uint64(0)
		for _, arc := range snapshotOf(t, 40, Nodes(benchIDs(n)...)...).arcs() {
			if low+arc.low < low {
				high++
			}
			low += arc.low
			high += arc.high
		}
		assert.Equal(t, arc{high: 1}, arc{high, low}, "%d nodes", n)
	}
}
