package circuitbreaker

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

func newGroup[K comparable](tb testing.TB, c GroupConfig) *Group[K] {
	tb.Helper()
	g, err := NewGroup[K](c)
	require.NoError(tb, err)
	return g
}

func TestNewGroupRejects(t *testing.T) {
	for want, c := range map[string]GroupConfig{
		"MaxOpenFraction must be in (0, 1], got NaN": {MaxOpenFraction: math.NaN()},
		"MaxOpenFraction must be in (0, 1], got -1":  {MaxOpenFraction: -1},
		"MaxOpenFraction must be in (0, 1], got 1.5": {MaxOpenFraction: 1.5},
		"MaxKeys must be 0 or more, got -1":          {MaxKeys: -1},
		"Probes must be 0 or more, got -1":           {Breaker: Config{Probes: -1}},
	} {
		g, err := NewGroup[int](c)
		require.Nil(t, g)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "circuitbreaker: invalid config: "+want)
	}
	newGroup[int](t, GroupConfig{MaxKeys: math.MaxInt, MaxOpenFraction: 1e-9}).Get(1)
}

func TestGroupGet(t *testing.T) {
	g := newGroup[string](t, GroupConfig{Breaker: Config{Name: "db"}})
	a, b := g.Get("a"), g.Get("b")
	assert.Same(t, a, g.Get("a"))
	assert.NotSame(t, a, b)
	assert.Equal(t, 2, g.Len())
	b.SetMode(ModeForcedOpen)
	_, err := b.Allow()
	require.EqualError(t, err, "circuitbreaker: db[b] is open")
	assert.True(t, g.Delete("a"))
	assert.False(t, g.Delete("a"))
	assert.NotSame(t, a, g.Get("a"))
	seen := maps.Collect(g.All())
	assert.Equal(t, map[string]*Breaker{"a": g.Get("a"), "b": b}, seen)
	for range g.All() {
		g.Delete("a") // the body may call the group
		g.Get("c")
		break
	}
	assert.Equal(t, 2, g.Len())
}

// A NaN is unequal to itself: its breaker is not kept.
func TestGroupKeyUnequalToItself(t *testing.T) {
	g := newGroup[float64](t, GroupConfig{Breaker: Config{ConsecutiveFailures: 1}, MaxOpenFraction: 0.5})
	a, b := g.Get(math.NaN()), g.Get(math.NaN())
	assert.NotSame(t, a, b)
	assert.Zero(t, g.Len())
	do(a, 1, fail)
	do(b, 1, fail)
	assert.Equal(t, []State{Open, Open}, []State{a.State(), b.State()}, "nobody counts them")
	assert.Zero(t, g.Stats().NotClosed)
	assert.False(t, g.Delete(math.NaN()))
	a.Reset()
	b.Reset()
}

// An unhashable key panics by itself, and the group goes on.
func TestGroupUnhashableKey(t *testing.T) {
	g := newGroup[any](t, GroupConfig{})
	assert.Contains(t, fmt.Sprint(exits(func() { g.Get([]int{1}) })), "unhashable")
	assert.Contains(t, fmt.Sprint(exits(func() { g.Delete(map[int]int{}) })), "unhashable")
	b := g.Get(1)
	assert.Same(t, b, g.Get(1))
}

// stringer is a key with a method of the user: it may call the group, and panic.
type stringer struct {
	g  *Group[any]
	id int
}

func (s stringer) String() string {
	if s.id == 0 {
		panic("String")
	}
	s.g.Get(s.id)
	return "key"
}

func TestGroupKeyStringMayUseTheGroup(t *testing.T) {
	g := newGroup[any](t, GroupConfig{MaxKeys: 2})
	b := g.Get(stringer{g, 7})
	assert.Same(t, b, g.Get(stringer{g, 7}))
	assert.Equal(t, "[key]", b.name)
	assert.Equal(t, 2, g.Len())
	assert.NotPanics(t, func() { g.Get(stringer{g, 0}) }, "fmt catches it")
}

// The least recently used closed member makes room, exactly so in a small group.
func TestGroupEvicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup[int](t, GroupConfig{MaxKeys: 4})
		keys := func() (all []int) {
			for k := range g.All() {
				all = append(all, k)
			}
			slices.Sort(all)
			return all
		}
		for i := range 4 {
			g.Get(i)
		}
		g.Get(0)
		g.Get(4)
		require.Equal(t, []int{0, 2, 3, 4}, keys())
		g.Get(2).Trip(time.Hour)
		g.Get(3).Trip(time.Hour)
		g.Get(0)
		g.Get(4)
		g.Get(2) // 3 is the oldest, but not closed
		g.Get(5)
		require.Equal(t, []int{2, 3, 4, 5}, keys())
		g.Get(4).Trip(time.Hour)
		g.Get(5).Trip(time.Hour)
		g.Get(6)
		require.Equal(t, []int{2, 4, 5, 6}, keys(), "none is closed: the least recently used")
		require.Equal(t, GroupStats{Len: 4, Evicted: 3}, g.Stats())
		one := newGroup[int](t, GroupConfig{MaxKeys: 1})
		for i := range 10 {
			one.Get(i)
			require.Equal(t, 1, one.Len())
		}
	})
}

// With many shards, too, Len never exceeds MaxKeys, every key that fits stays, and the recent ones are kept.
func TestGroupEvictsFromManyShards(t *testing.T) {
	g := newGroup[int](t, GroupConfig{MaxKeys: manyKeys})
	for i := range manyKeys {
		g.Get(i)
	}
	require.Zero(t, g.Stats().Evicted)
	hot := g.Get(1)
	for i := range 20_000 {
		g.Get(manyKeys + i)
		if i%50 == 0 {
			require.Same(t, hot, g.Get(1))
		}
	}
	require.Equal(t, GroupStats{Len: manyKeys, Evicted: 20_000}, g.Stats())
	for i := range 31 { // all but one shard run empty
		s := &g.shards[i]
		for k := range s.copy() {
			require.True(t, g.Delete(k))
		}
	}
	g.maxKeys = int64(g.Len())
	evicted := g.Stats().Evicted
	for k := range 1000 {
		g.Get(-k)
	}
	count := 0
	for range g.All() {
		count++
	}
	require.Equal(t, int(g.maxKeys), count)
	require.Equal(t, int(g.maxKeys), g.Len())
	require.Equal(t, evicted+1000, g.Stats().Evicted)
}

// At most the fraction is out of Closed by the rules; a verdict beyond it is suppressed and tried again.
func TestMaxOpenFraction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := quick
		c.ConsecutiveFailures, c.FailureRate, c.MinCalls = 0, 0.5, 2
		l := &log{}
		c.OnStateChange = l.add
		g := newGroup[int](t, GroupConfig{Breaker: c, MaxOpenFraction: 0.29})
		for i := range 100 {
			g.Get(i)
		}
		for i := range 100 {
			do(g.Get(i), 2, fail)
		}
		require.Equal(t, GroupStats{Len: 100, NotClosed: 29, Suppressed: 71}, g.Stats(), "29, though 0.29*100 < 29 in floating point")
		late := g.Get(99)
		require.Equal(t, Closed, late.State())
		require.Equal(t, Counts{Failures: 2}, late.Stats().Window, "the window stays as it is")
		require.Len(t, l.take(), 29)
		sleep(time.Second)
		require.Equal(t, 29, g.Stats().NotClosed, "HalfOpen counts")
		do(g.Get(0), 1, ok)
		require.Equal(t, 28, g.Stats().NotClosed)
		do(late, 1, fail)
		require.Equal(t, Open, late.State(), "the next failure tries again")
		do(g.Get(1), 1, fail)
		require.Equal(t, Open, g.Get(1).State(), "reopening is never suppressed")
		require.Equal(t, 29, g.Stats().NotClosed)
		g.Get(50).Trip(time.Second)
		g.Get(51).SetMode(ModeForcedOpen)
		require.Equal(t, 29, g.Stats().NotClosed, "neither limited nor counted")
		sleep(time.Second)
		do(g.Get(50), 1, fail)
		require.Equal(t, 30, g.Stats().NotClosed, "it was a rule that reopened it")
		g.Get(50).Reset()
		g.Get(1).Reset()
		g.Get(2).SetMode(ModeForcedOpen)
		g.Get(3).Trip(time.Hour)
		require.Equal(t, 26, g.Stats().NotClosed)
		g.Get(4).Trip(time.Hour)
		g.Delete(5)
		require.Equal(t, 24, g.Stats().NotClosed)
		sleep(time.Hour)
	})
}

// A fraction of a small group is at least one; an extended stay stays counted; who was deleted is free.
func TestMaxOpenFractionOfFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup[int](t, GroupConfig{Breaker: quick, MaxOpenFraction: 0.01, MaxKeys: 3})
		a, b := g.Get(1), g.Get(2)
		do(a, 3, fail)
		do(b, 3, fail)
		require.Equal(t, []State{Open, Closed}, []State{a.State(), b.State()})
		a.Trip(time.Minute)
		require.Equal(t, 1, g.Stats().NotClosed)
		g.Delete(1)
		require.Zero(t, g.Stats().NotClosed)
		do(b, 1, fail)
		require.Equal(t, Open, b.State())
		g.Delete(2)
		a.Reset()
		b.Reset()
		require.Zero(t, g.Stats().NotClosed, "they are counted no longer")
		for i := range 3 {
			do(g.Get(i), 3, fail)
		}
		require.Equal(t, 1, g.Stats().NotClosed)
		for i := range 6 {
			g.Get(10 + i).Trip(time.Hour) // with nobody closed left, the open ones are evicted
		}
		require.Zero(t, g.Stats().NotClosed)
		sleep(time.Hour)
	})
}

// C10: a million keys pass through a group of a thousand, a tenth of them with a breaker of their own, and ten thousand
// through one that is emptied by Delete.
func TestGroupMemoryReturns(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 50_000
	}
	g := newGroup[int](t, GroupConfig{MaxKeys: 1000})
	for i := range 2000 {
		g.Get(i)
	}
	before := heap()
	for i := range n / 10 {
		g.Get(i)
	}
	shared := newBreaker(g.set, "", nil)
	for i := range n { // keys alone, since making a million breakers takes seconds
		if _, victim, _ := g.insert(&g.shards[0], -1-i, shared); victim != nil {
			g.drop(victim)
		}
	}
	for i := range 1000 {
		g.Get(i) // each with a breaker of its own again
	}
	assert.Equal(t, 1000, g.Len())
	assert.LessOrEqual(t, float64(heap()), 1.1*float64(before))
	runtime.KeepAlive(g)

	before = heap()
	g = newGroup[int](t, GroupConfig{MaxKeys: math.MaxInt})
	for i := range 10_000 {
		g.Get(i)
	}
	assert.LessOrEqual(t, (heap()-before)/10_000, uint64(2560), "bytes per member")
	for i := range 10_000 {
		g.Delete(i)
	}
	assert.LessOrEqual(t, heap(), before+100_000)
	runtime.KeepAlive(g)
}

// The sizes that the package comment states.
func TestBytesPerBreaker(t *testing.T) {
	size := func(c Config) uint64 {
		const n = 2000
		all := make([]*Breaker, n)
		var a, b runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&a)
		for i := range all {
			all[i] = mustNew(t, c)
		}
		runtime.GC()
		runtime.ReadMemStats(&b)
		runtime.KeepAlive(all)
		return (b.HeapAlloc - a.HeapAlloc) / n
	}
	for n, c := range map[int]Config{0: {}, 100: {CountWindow: 100}, 10_000: {CountWindow: 10_000}} {
		got := size(c)
		t.Log(n, got)
		limit := uint64(2048)
		if n > 0 {
			limit = 1024 + uint64(n)/8*2
		}
		assert.LessOrEqual(t, got, limit, n)
	}
}

// Concurrent use of a small group: the counts agree in the end, and nobody gets a breaker twice.
func TestGroupHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup[int](t, GroupConfig{
			Breaker: Config{ConsecutiveFailures: 1, OpenDuration: 1, NoJitter: true}, MaxKeys: 20, MaxOpenFraction: 0.3,
		})
		hammer.Run(t, 8, 1000, func(_ int, rng *rand.Rand) error {
			key := rng.IntN(40)
			switch rng.IntN(8) {
			case 0:
				g.Delete(key)
			case 1:
				for range g.All() {
					break
				}
			case 2:
				g.Get(key).Trip(1)
			case 3:
				time.Sleep(1)
			case 4:
				do(g.Get(key), 1, fail)
			default:
				do(g.Get(key), 1, ok)
			}
			if n := g.Len(); n > 20 {
				return errors.New("too many members")
			}
			return nil
		})
		sleep(time.Second)
		for _, b := range g.All() {
			b.Reset()
		}
		require.Zero(t, g.Stats().NotClosed)
		n := 0
		for range g.All() {
			n++
		}
		require.Equal(t, g.Len(), n)
	})
}

// Two that ask for a new key get the same breaker.
func TestGroupGetRaces(t *testing.T) {
	for range 200 {
		g := newGroup[string](t, GroupConfig{})
		got := make([]*Breaker, 4)
		hammer.Run(t, 4, 1, func(worker int, _ *rand.Rand) error {
			got[worker] = g.Get(strings.Repeat("k", 3))
			return nil
		})
		for _, b := range got {
			require.Same(t, got[0], b)
		}
		require.Equal(t, 1, g.Len())
	}
}
