package hashring

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewRejects(t *testing.T) {
	node := func(change func(*Node[string])) Config[string] {
		nodes := Nodes("a", "b", "c")
		change(&nodes[2])
		return Config[string]{Nodes: nodes}
	}
	weight := func(w float64) Config[string] { return node(func(n *Node[string]) { n.Weight = w }) }
	heavy := Nodes(benchIDs(300)...)
	for i := range heavy {
		heavy[i].Weight = 1000
	}
	for name, test := range map[string]struct {
		cfg  Config[string]
		want string
	}{
		"vnodes -1":     {Config[string]{VirtualNodes: -1}, "VirtualNodes must be from 1 to 65536, or 0, got -1"},
		"vnodes min":    {Config[string]{VirtualNodes: math.MinInt}, fmt.Sprintf("VirtualNodes must be from 1 to 65536, or 0, got %d", math.MinInt)},
		"vnodes 65537":  {Config[string]{VirtualNodes: 65537}, "VirtualNodes must be from 1 to 65536, or 0, got 65537"},
		"vnodes max":    {Config[string]{VirtualNodes: math.MaxInt}, fmt.Sprintf("VirtualNodes must be from 1 to 65536, or 0, got %d", math.MaxInt)},
		"factor 1":      {Config[string]{LoadFactor: 1}, "LoadFactor must be more than 1 and at most 1000, or 0, got 1"},
		"factor tiny":   {Config[string]{LoadFactor: 5e-324}, "LoadFactor must be more than 1 and at most 1000, or 0, got 5e-324"},
		"factor -1":     {Config[string]{LoadFactor: -1}, "LoadFactor must be more than 1 and at most 1000, or 0, got -1"},
		"factor 1000.1": {Config[string]{LoadFactor: 1000.1}, "LoadFactor must be more than 1 and at most 1000, or 0, got 1000.1"},
		"factor NaN":    {Config[string]{LoadFactor: math.NaN()}, "LoadFactor must be more than 1 and at most 1000, or 0, got NaN"},
		"factor Inf":    {Config[string]{LoadFactor: math.Inf(1)}, "LoadFactor must be more than 1 and at most 1000, or 0, got +Inf"},
		"factor -Inf":   {Config[string]{LoadFactor: math.Inf(-1)}, "LoadFactor must be more than 1 and at most 1000, or 0, got -Inf"},
		"empty ID":      {node(func(n *Node[string]) { n.ID = "" }), `Nodes[2].ID must not be empty, got ""`},
		"ID twice":      {node(func(n *Node[string]) { n.ID = "b" }), `Nodes[2].ID must differ from Nodes[1].ID, got "b"`},
		"same hash": {
			node(func(n *Node[string]) { n.ID = keyAt(Hash("a")) }),
			fmt.Sprintf("Nodes must have IDs of different hashes, got %q and %q", keyAt(Hash("a")), "a"),
		},
		"same hash, drained": {
			node(func(n *Node[string]) { n.ID, n.Drained = keyAt(Hash("b")), true }),
			fmt.Sprintf("Nodes must have IDs of different hashes, got %q and %q", keyAt(Hash("b")), "b"),
		},
		"weight -1":      {weight(-1), "Nodes[2].Weight must be 0 or more and finite, got -1"},
		"weight -tiny":   {weight(-5e-324), "Nodes[2].Weight must be 0 or more and finite, got -5e-324"},
		"weight NaN":     {weight(math.NaN()), "Nodes[2].Weight must be 0 or more and finite, got NaN"},
		"weight Inf":     {weight(math.Inf(1)), "Nodes[2].Weight must be 0 or more and finite, got +Inf"},
		"weight -Inf":    {weight(math.Inf(-1)), "Nodes[2].Weight must be 0 or more and finite, got -Inf"},
		"weight max":     {weight(math.MaxFloat64), "Nodes[2].Weight must give at most 16777216 points, got 1.7976931348623157e+308"},
		"weight 65537":   {weight(65537), "Nodes[2].Weight must give at most 16777216 points, got 65537"},
		"points by one":  {weight(65536), "Nodes must have at most 16777216 points together, got 16777728"},
		"points by many": {Config[string]{Nodes: heavy}, "Nodes must have at most 16777216 points together, got 76800000"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := New(test.cfg)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrConfig, name)
		assert.Equal(t, "hashring: invalid config: "+test.want, err.Error(), name)
		assert.Nil(t, r, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "%s: allocated before it was checked", name)
	}
}

func TestNewAcceptsTheEdges(t *testing.T) {
	for name, cfg := range map[string]Config[string]{
		"zero":           {},
		"one vnode":      {VirtualNodes: 1, Nodes: Nodes("a", "b")},
		"all vnodes":     {VirtualNodes: maxVirtualNodes, Nodes: Nodes("a")},
		"factor above 1": {LoadFactor: math.Nextafter(1, 2), Nodes: Nodes("a", "b")},
		"factor 1000":    {LoadFactor: 1000, Nodes: Nodes("a", "b")},
		"negative zero":  {LoadFactor: math.Copysign(0, -1), Nodes: []Node[string]{{ID: "a", Weight: math.Copysign(0, -1)}}},
		"tiny weight":    {Nodes: []Node[string]{{ID: "a", Weight: 5e-324}, {ID: "b"}}},
		"drained giant":  {Nodes: []Node[string]{{ID: "a", Weight: math.MaxFloat64, Drained: true}, {ID: "b"}}},
	} {
		r := mustNew(t, cfg)
		want := min(len(cfg.Nodes), 1)
		_, ok := r.Get("key")
		assert.Equal(t, want == 1, ok, name)
		assert.Zero(t, r.Stats().Changes, name)
	}
	defaults := mustNew(t, Config[string]{Nodes: Nodes("a", "b")})
	assert.Equal(t, 512, defaults.Stats().Points)
	assert.InDelta(t, 1.25, defaults.loadFactor, 0)
}

// The largest ring there may be: 2^24 points, not one more. It would take 340
// MB, so the check is asked alone.
func TestLargestRing(t *testing.T) {
	r := mustNew(t, Config[string]{VirtualNodes: 1})
	members, err := r.enlist([]Node[string]{{ID: "a", Weight: maxPoints - 1}, {ID: "b"}})
	require.NoError(t, err)
	require.NoError(t, checkTogether(members))
	members[1].seat.points++
	require.EqualError(t, checkTogether(members), "hashring: invalid config: Nodes must have at most 16777216 points together, got 16777217")
	_, err = r.enlist([]Node[string]{{ID: "a", Weight: maxPoints}})
	require.NoError(t, err)
	_, err = r.enlist([]Node[string]{{ID: "a", Weight: maxPoints + 1}})
	require.ErrorIs(t, err, ErrConfig)
}

func TestNilAndZeroPanic(t *testing.T) {
	other := mustNew(t, Config[string]{}).Snapshot()
	for _, r := range []*Ring[string]{nil, {}} {
		for name, call := range map[string]func(){
			"Get":            func() { r.Get("") },
			"GetHash":        func() { r.GetHash(0) },
			"Walk":           func() { r.Walk("") },
			"AppendReplicas": func() { r.AppendReplicas(nil, "", 0) },
			"Acquire":        func() { r.Acquire("") },
			"Load":           func() { r.Load("") },
			"Add":            func() { _ = r.Add() },
			"Add one":        func() { _ = r.Add(Nodes("a")...) },
			"Remove":         func() { _ = r.Remove() },
			"Update":         func() { _ = r.Update() },
			"Replace":        func() { _ = r.Replace() },
			"Len":            func() { r.Len() },
			"All":            func() { r.All() },
			"Snapshot":       func() { r.Snapshot() },
			"Stats":          func() { r.Stats() },
		} {
			assert.PanicsWithValue(t, "hashring: use of a nil or zero Ring; create it with New", call, name)
		}
	}
	for _, s := range []*Snapshot[string]{nil, {}} {
		for name, call := range map[string]func(){
			"Shares":    func() { s.Shares() },
			"Diff":      func() { s.Diff(other) },
			"Diff with": func() { other.Diff(s) },
		} {
			assert.PanicsWithValue(t, "hashring: use of a nil or zero Snapshot; get it from a Ring", call, name)
		}
	}
	for _, l := range []*Lease[string]{nil, {}} {
		l.Release()
		l.Release()
		assert.Equal(t, Node[string]{}, l.Node())
	}
}

func TestEveryMethodIsInTheMisuseTest(t *testing.T) {
	assert.Equal(t, 14, reflect.TypeFor[*Ring[string]]().NumMethod())
	assert.Equal(t, 2, reflect.TypeFor[*Snapshot[string]]().NumMethod())
	assert.Equal(t, 2, reflect.TypeFor[*Lease[string]]().NumMethod())
}

func TestNobodyActive(t *testing.T) {
	drained := Nodes("a", "b")
	drained[0].Drained, drained[1].Drained = true, true
	for name, nodes := range map[string][]Node[string]{"empty": nil, "all drained": drained} {
		synctest.Test(t, func(t *testing.T) {
			r := mustNew(t, Config[string]{Nodes: nodes})
			value, ok := r.Get("key")
			assert.False(t, ok, name)
			assert.Empty(t, value)
			_, ok = r.GetHash(math.MaxUint64)
			assert.False(t, ok)
			assert.Empty(t, walkIDs(r, "key"))
			dst := Nodes("before")
			assert.Equal(t, dst, r.AppendReplicas(dst, "key", 3))
			lease, ok := r.Acquire("key")
			assert.False(t, ok)
			lease.Release()
			assert.Equal(t, Stats{Nodes: len(nodes)}, r.Stats())
			for _, share := range r.Snapshot().Shares() {
				assert.Zero(t, share)
			}
			assert.Empty(t, slices.Collect(r.Snapshot().Diff(r.Snapshot())))
		})
	}
}

func TestGetHashIsGetOfTheHash(t *testing.T) {
	r := five(t)
	for _, key := range append(benchKeys()[:500], "", "\xff\xfe\x00", strings.Repeat("long", 1<<18), "\x00", "ключ") {
		want, ok := r.Get(key)
		require.True(t, ok)
		got, ok := r.GetHash(Hash(key))
		require.True(t, ok)
		require.Equal(t, want, got)
	}
}

// The value comes from the owner's Node, of whatever type it is, with nil as a
// value like any other.
func TestValuesAreTyped(t *testing.T) {
	type conn struct{ addr string }
	a := &conn{"a:1"}
	r := mustNew(t, Config[*conn]{Nodes: []Node[*conn]{{ID: "a", Value: a}}})
	got, ok := r.Get("key")
	assert.True(t, ok)
	assert.Same(t, a, got)
	require.NoError(t, r.Update(Node[*conn]{ID: "a"}))
	got, ok = r.Get("key")
	assert.True(t, ok)
	assert.Nil(t, got)

	empty := mustNew(t, Config[struct{}]{Nodes: []Node[struct{}]{{ID: "a"}}})
	_, ok = empty.Get("key")
	assert.True(t, ok)
}

func TestAllIsByAscendingID(t *testing.T) {
	nodes := Nodes("m", "z", "a", "ab", "\xff", "B")
	nodes[1].Drained, nodes[2].Weight, nodes[3].Zone = true, 3.5, "zone"
	r := mustNew(t, Config[string]{Nodes: nodes})
	ids := []string{}
	for id, node := range r.All() {
		ids = append(ids, id)
		assert.Contains(t, nodes, node, "handed back as it was given")
	}
	assert.Equal(t, []string{"B", "a", "ab", "m", "z", "\xff"}, ids)
	assert.Equal(t, 6, r.Len())
	for range r.All() {
		break
	}
}

// The body of a loop may change the ring; it goes on over the membership that
// was there when the iterator was asked for.
func TestIterationsKeepTheirMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := five(t)
		want := walkIDs(r, "user:42")
		all, walk := r.All(), r.Walk("user:42")
		snapshot := r.Snapshot()
		shares := snapshot.Shares()
		before := maps.Collect(shares)
		got := []string{}
		for node := range walk {
			got = append(got, node.ID)
			require.NoError(t, r.Remove(node.ID))
		}
		assert.Equal(t, want, got)
		assert.Zero(t, r.Len())
		count := 0
		for range all {
			count++
		}
		assert.Equal(t, 5, count)
		assert.Equal(t, before, maps.Collect(shares))
		assert.Equal(t, before, maps.Collect(snapshot.Shares()))
		again := []string{}
		for node := range walk {
			again = append(again, node.ID)
		}
		assert.Equal(t, want, again, "a second range yields the same")
		for node := range walk {
			assert.Equal(t, want[0], node.ID)
			break
		}
	})
}

func TestNothingOfTheCallersSlicesIsKept(t *testing.T) {
	nodes := Nodes("a", "b", "c")
	r := mustNew(t, Config[string]{Nodes: nodes})
	more := Nodes("d")
	require.NoError(t, r.Add(more...))
	updated := Nodes("a")
	require.NoError(t, r.Update(updated...))
	want := maps.Collect(r.All())
	for _, slice := range [][]Node[string]{nodes, more, updated} {
		for i := range slice {
			slice[i] = Node[string]{ID: "overwritten", Drained: true}
		}
	}
	assert.Equal(t, want, maps.Collect(r.All()))
	got := r.AppendReplicas(nil, "key", 4)
	got[0].Value = "overwritten"
	assert.Equal(t, want, maps.Collect(r.All()))
}

func TestStats(t *testing.T) {
	nodes := Nodes("a", "b", "c")
	nodes[1].Drained, nodes[2].Weight = true, 0.5
	r := mustNew(t, Config[string]{Nodes: nodes, VirtualNodes: 10})
	assert.Equal(t, Stats{Nodes: 3, Active: 2, Points: 15}, r.Stats())
	lease, ok := r.Acquire("key")
	require.True(t, ok)
	require.NoError(t, r.Remove("b"))
	assert.Equal(t, Stats{Nodes: 2, Active: 2, Points: 15, InFlight: 1, Changes: 1}, r.Stats())
	lease.Release()
	require.NoError(t, r.Replace())
	assert.Equal(t, Stats{Changes: 2}, r.Stats())
}

func TestNodes(t *testing.T) {
	assert.Equal(t, []Node[string]{{ID: "a", Value: "a"}, {ID: "b", Value: "b"}}, Nodes("a", "b"))
	assert.Empty(t, Nodes())
}

func TestErrorsAreDistinct(t *testing.T) {
	r := five(t)
	exists, missing := r.Add(Nodes("node-a")...), r.Remove("nobody")
	require.EqualError(t, exists, `hashring: node exists: "node-a"`)
	require.EqualError(t, missing, `hashring: node not found: "nobody"`)
	assert.True(t, errors.Is(exists, ErrNodeExists) && !errors.Is(exists, ErrConfig) && !errors.Is(exists, ErrNodeNotFound))
	assert.True(t, errors.Is(missing, ErrNodeNotFound) && !errors.Is(missing, ErrConfig) && !errors.Is(missing, ErrNodeExists))
}

// A ring made outside of a bubble, or in another one, serves inside.
func TestUsedAcrossBubbles(t *testing.T) {
	r := five(t)
	want := ownerOf(r, "key")
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			done := make(chan string)
			go func() {
				lease, _ := r.Acquire("key")
				defer lease.Release()
				done <- lease.Node().ID
			}()
			synctest.Wait()
			assert.Equal(t, want, <-done)
			require.NoError(t, r.Add(Nodes("x")...))
			require.NoError(t, r.Remove("x"))
		})
	}
	assert.Zero(t, r.Stats().InFlight)
}
