package hashring

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// five is the ring of the golden values.
func five(tb testing.TB) *Ring[string] {
	tb.Helper()
	return mustNew(tb, Config[string]{Nodes: Nodes("node-a", "node-b", "node-c", "node-d", "node-e")})
}

func walkIDs[V any](r *Ring[V], key string) []string {
	ids := []string{}
	for node := range r.Walk(key) {
		ids = append(ids, node.ID)
	}
	return ids
}

func ownerOf(r *Ring[string], key string) string {
	id, ok := r.Get(key)
	if !ok {
		return ""
	}
	return id
}

// The contract hashring/v1, value by value: none of these may ever change.
func TestGoldenHashesAndPoints(t *testing.T) {
	for key, want := range map[string]uint64{
		"": 0xef46db3751d8e999, "a": 0xd24ec4f1a98c6e5b, "node-a": 0x05378e2c8885d70b, "user:42": 0xdc1fea7da8d2d1c2,
	} {
		assert.Equal(t, want, Hash(key), "%q", key)
	}
	assert.Equal(t, uint64(0xe220a8397b1dcdaf), mix64(golden))
	assert.Equal(t, uint64(0xdf90c34df6805e69), position(Hash("node-a"), 0))
	assert.Equal(t, uint64(0x47df004353f5606e), position(Hash("node-a"), 1))
	assert.Equal(t, uint64(0x876b1ce643d7b666), position(Hash("node-a"), 2))
	assert.Equal(t, uint64(0x5d3c99d5e955c102), position(Hash("node-b"), 0))
}

func TestGoldenRing(t *testing.T) {
	r := five(t)
	for key, want := range map[string]string{
		"": "node-a", "a": "node-c", "user:1": "node-d", "user:2": "node-c", "user:3": "node-b", "user:42": "node-b",
	} {
		assert.Equal(t, want, ownerOf(r, key), "%q", key)
	}
	assert.Equal(t, []string{"node-b", "node-e", "node-a", "node-d", "node-c"}, walkIDs(r, "user:42"))
	assert.Equal(t, []string{"node-d", "node-c", "node-b", "node-e", "node-a"}, walkIDs(r, "user:1"))
	shares := map[string]string{}
	for id, share := range r.Snapshot().Shares() {
		shares[id] = fmt.Sprintf("%.15f", share)
	}
	assert.Equal(t, map[string]string{
		"node-a": "0.181467628752156", "node-b": "0.197281151522101", "node-c": "0.192897063420820",
		"node-d": "0.232388397580016", "node-e": "0.195965758724907",
	}, shares)
}

// testdata/v1.golden was made by testdata/v1.py, which shares no code with us.
func TestGoldenFile(t *testing.T) {
	file, err := os.Open("testdata/v1.golden")
	require.NoError(t, err)
	defer file.Close()
	var rings []*Ring[string]
	keys := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch fields[0] {
		case "ring":
			vnodes, err := strconv.Atoi(fields[1])
			require.NoError(t, err)
			rings = append(rings, mustNew(t, Config[string]{VirtualNodes: vnodes}))
		case "node":
			weight, err := strconv.ParseFloat(fields[2], 64)
			require.NoError(t, err)
			id := unquote(t, fields[1])
			node := Node[string]{ID: id, Value: id, Weight: weight, Drained: fields[3] == "true"}
			require.NoError(t, rings[len(rings)-1].Add(node))
		default:
			keys++
			key := unquote(t, fields[1])
			require.Equal(t, fields[2], fmt.Sprintf("%016x", Hash(key)), lines.Text())
			for i, r := range rings {
				require.Equal(t, unquote(t, fields[3+i]), ownerOf(r, key), lines.Text())
			}
		}
	}
	assert.Len(t, rings, 3)
	assert.Equal(t, 1000, keys)
}

func unquote(t *testing.T, s string) string {
	t.Helper()
	s, err := strconv.Unquote(s)
	require.NoError(t, err, s)
	return s
}

func TestVirtualNodes(t *testing.T) {
	for _, test := range []struct {
		weight    float64
		perWeight int
		want      float64
	}{
		{1, 256, 256},
		{2, 256, 512},
		{0.5, 1, 1}, // half of one is rounded up
		{0.499, 1, 1},
		{5e-324, 65536, 1},
		{1.5, 1, 2},
		{1.4999999, 1, 1},
		{2.5, 1, 3},
		{0.1, 25, 3}, // 2.5 in float64
		{0.3, 5, 2},  // 1.5 in float64
		{math.MaxFloat64, 65536, math.Inf(1)},
	} {
		assert.Zero(t, cmp.Compare(test.want, virtualNodes(test.weight, test.perWeight)), "%+v", test)
	}
}

func TestInputsAtWill(t *testing.T) {
	for _, hash := range []uint64{0, 1, math.MaxUint64, 1 << 63, 0x0123456789abcdef} {
		assert.Equal(t, hash, Hash(keyAt(hash)))
		assert.Equal(t, hash, mix64(unmix64(hash)))
		assert.Equal(t, hash, position(Hash(idAt(hash, 0)), 0))
		assert.Equal(t, hash, position(Hash(idAt(hash, 7)), 7))
	}
}

// checkTable compares a table with a sorted slice and a linear scan, at all
// points, beside them, and at the ends of the ring.
func checkTable(tb testing.TB, seats []seat) {
	tb.Helper()
	type point struct {
		position uint64
		owner    uint32
	}
	points := []point{}
	for owner, s := range seats {
		for i := range s.points {
			points = append(points, point{position(s.hash, i), uint32(owner)})
		}
	}
	slices.SortStableFunc(points, func(a, b point) int {
		switch {
		case a.position < b.position:
			return -1
		case a.position > b.position:
			return 1
		default:
			return 0 // by owner already
		}
	})
	table := newTable(seats)
	require.Equal(tb, len(points), table.len())
	require.GreaterOrEqual(tb, len(table.index), len(points))
	require.LessOrEqual(tb, len(table.index), max(2, 2*len(points)))
	hashes := []uint64{0, 1, 1 << 32, 1<<32 - 1, 1 << 63, math.MaxUint64, math.MaxUint64 - 1<<32, math.MaxUint64 - math.MaxUint32}
	for i, p := range points {
		require.Equal(tb, p.position, table.positions[i])
		require.Equal(tb, p.owner, table.ownerAt(i))
		hashes = append(hashes, p.position-1, p.position, p.position+1, p.position^1<<31)
	}
	if len(points) == 0 {
		return
	}
	for _, hash := range hashes {
		want := slices.IndexFunc(points, func(p point) bool { return p.position >= hash })
		at := table.seek(hash)
		if want < 0 {
			want = 0
			require.Equal(tb, len(points), at, "the sentinel")
		} else {
			require.Equal(tb, want, at)
		}
		require.Equal(tb, points[want].owner, table.owner(hash), "hash %x", hash)
		require.Equal(tb, points[want].owner, table.ownerAt(at), "hash %x", hash)
	}
}

func TestTableEqualsLinearScan(t *testing.T) {
	at := func(position uint64) seat { return seat{hash: unmix64(position) - golden, points: 1} }
	second := func(position uint64) seat { return seat{hash: unmix64(position) - golden - golden, points: 2} }
	for name, seats := range map[string][]seat{
		"nobody":            {},
		"all drained":       {{hash: 1}, {hash: 2}},
		"one point":         {{hash: 1, points: 1}},
		"one point at 0":    {at(0)},
		"one at the end":    {at(math.MaxUint64)},
		"both ends":         {at(math.MaxUint64), at(0)},
		"two points":        {{hash: 1, points: 2}},
		"three points":      {{hash: 1, points: 2}, {hash: 2}, {hash: 3, points: 1}},
		"equal points":      {at(5), second(5), at(5)},
		"equal at the end":  {at(math.MaxUint64), second(math.MaxUint64)},
		"equal at 0":        {second(0), at(0)},
		"equal upper half":  {at(7<<32 + 9), at(7<<32 + 3), at(7<<32 + 5), at(7 << 32), at(8<<32 - 1)},
		"upper half is end": {at(math.MaxUint64 - 1), at(math.MaxUint64 - 5), at(1)},
		"neighbours":        {at(100), at(101), at(102), at(99)},
		"many":              {{hash: 1, points: 100}, {hash: 2, points: 1}, {hash: 3, points: 77}, {hash: 4, points: 256}},
		"power of two":      {{hash: 1, points: 64}, {hash: 2, points: 64}},
		"one above":         {{hash: 1, points: 64}, {hash: 2, points: 65}},
	} {
		t.Run(name, func(t *testing.T) { checkTable(t, seats) })
	}
}

// Somebody who chooses the IDs can put all points into one bucket. That is
// sorted in O(n log n), with the same result.
func TestCrowdedBucket(t *testing.T) {
	for _, n := range []int{crowd - 1, crowd, crowd + 1, 2000} {
		seats := []seat{}
		for i := range n {
			seats = append(seats, seat{hash: unmix64(uint64(n-i/2)) - golden, points: 1}) // descending, in pairs
		}
		checkTable(t, seats)
	}
}

// Placement depends on the set alone: whatever the history, the same ring.
func TestPlacementDependsOnTheSetAlone(t *testing.T) {
	nodes := Nodes(benchIDs(40)...)
	nodes[3].Weight, nodes[5].Drained = 2.5, true
	want := mustNew(t, Config[string]{Nodes: nodes, VirtualNodes: 50}).Snapshot().table
	for i := range nodes {
		nodes[i].Value, nodes[i].Zone = "another", fmt.Sprint(i)
	}
	other := mustNew(t, Config[string]{Nodes: Nodes("x", "y"), VirtualNodes: 50, LoadFactor: 3})
	slices.Reverse(nodes)
	for i, node := range nodes {
		node.Weight++ // corrected below
		require.NoError(t, other.Add(node))
		if i%7 == 0 {
			require.NoError(t, other.Remove(node.ID))
			require.NoError(t, other.Add(node))
		}
	}
	require.NoError(t, other.Update(nodes...))
	require.NoError(t, other.Remove("x", "y"))
	assert.Equal(t, want, other.Snapshot().table)
	require.NoError(t, other.Replace())
	require.NoError(t, other.Replace(nodes...))
	assert.Equal(t, want, other.Snapshot().table)
}

// The table in the package comment: how even shares are, for the IDs node-0 to
// node-999. The figures are exact, so they are compared as they are printed.
func TestBalanceTable(t *testing.T) {
	manual, err := os.ReadFile("hashring.go")
	require.NoError(t, err)
	lines := slices.DeleteFunc(strings.Split(string(manual), "\n"), func(s string) bool {
		return !strings.HasPrefix(s, "//\t") || !strings.Contains(s, ".")
	})
	for _, vnodes := range []int{64, 256, 1024} {
		row := fmt.Sprintf("//\t%-13d", vnodes)
		for _, n := range []int{10, 100, 1000} {
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprintf("node-%d", i)
			}
			deviation, peak := 0.0, 0.0
			for _, share := range mustNew(t, Config[string]{Nodes: Nodes(ids...), VirtualNodes: vnodes}).Snapshot().Shares() {
				part := share * float64(n)
				deviation += (part - 1) * (part - 1)
				peak = max(peak, part)
			}
			row += fmt.Sprintf("%.3f  %.2f     ", math.Sqrt(deviation/float64(n)), peak)
		}
		row = strings.TrimSpace(row)
		assert.Contains(t, lines, row)
	}
}
