package lru

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// weighted returns a cache whose values are their own weights.
func weighted(t *testing.T, capacity int, maxWeight int64) (*Cache[int, int], *recorder) {
	t.Helper()
	r := &recorder{}
	c := mustNew(t, Config[int, int]{
		Capacity: capacity, MaxWeight: maxWeight, OnEvict: r.hook,
		Weigh: func(_, value int) int64 { return int64(value) },
	})
	return c, r
}

func TestWeightBound(t *testing.T) {
	c, r := weighted(t, 10, 10)
	c.Set(1, 4)
	c.Set(2, 4)
	c.Set(3, 2)
	assert.Equal(t, int64(10), c.Weight())
	assert.Empty(t, r.take())
	c.Set(4, 5)
	assert.Equal(t, []event{{1, 4, Evicted}, {2, 4, Evicted}}, r.take())
	assert.Equal(t, []int{3, 4}, keys(t, c))
	assert.Equal(t, int64(7), c.Weight())
}

func TestCapacityBoundsWeightedEntriesToo(t *testing.T) {
	c, r := weighted(t, 2, 100)
	c.Set(1, 1)
	c.Set(2, 0)
	c.Set(3, 0)
	assert.Equal(t, []event{{1, 1, Evicted}}, r.take())
	assert.Zero(t, c.Weight())
	assert.Equal(t, []int{2, 3}, keys(t, c))
}

func TestHeavierUpdateEvictsOthers(t *testing.T) {
	c, r := weighted(t, 10, 10)
	c.Set(1, 3)
	c.Set(2, 3)
	c.Set(3, 3)
	c.Set(1, 7)
	assert.Equal(t, []event{{1, 3, Replaced}, {2, 3, Evicted}}, r.take(), "Replaced first, the entry itself never")
	assert.Equal(t, int64(10), c.Weight())
	c.Set(3, 10)
	assert.Equal(t, []event{{3, 3, Replaced}, {1, 7, Evicted}}, r.take())
	c.Set(3, 1)
	assert.Equal(t, int64(1), c.Weight())
}

// An over-heavy value must not flush the cache before it is refused.
func TestRejectedValueTouchesNothingElse(t *testing.T) {
	c, r := weighted(t, 10, 10)
	c.Set(1, 5)
	c.Set(2, 5)
	assert.False(t, c.Set(3, 11))
	assert.Equal(t, []event{{3, 11, Rejected}}, r.take())
	assert.False(t, c.Set(4, -1))
	assert.Equal(t, []event{{4, -1, Rejected}}, r.take())
	assert.Equal(t, []int{1, 2}, keys(t, c))
	assert.False(t, c.Set(1, 11), "what the key held is outdated")
	assert.Equal(t, []event{{1, 5, Deleted}, {1, 11, Rejected}}, r.take())
	assert.Equal(t, []int{2}, keys(t, c))
	assert.Equal(t, int64(5), c.Weight())
	assert.Equal(t, Stats{Inserts: 2, Deletes: 1, Rejected: 3}, c.Stats())
}

func TestGetOrSetRejected(t *testing.T) {
	c, r := weighted(t, 10, 10)
	c.Set(1, 5)
	actual, loaded := c.GetOrSet(1, 999)
	assert.True(t, loaded, "a present value wins, whatever the new one weighs")
	assert.Equal(t, 5, actual)
	assert.Empty(t, r.take())
	actual, loaded = c.GetOrSet(2, 999)
	assert.False(t, loaded)
	assert.Equal(t, 999, actual)
	assert.False(t, c.Contains(2))
	assert.Equal(t, []event{{2, 999, Rejected}}, r.take())
	assert.Equal(t, Stats{Hits: 1, Misses: 1, Inserts: 1, Rejected: 1}, c.Stats())
}

func TestWeightSumsDoNotOverflow(t *testing.T) {
	weight := int64(math.MaxInt64)
	c := mustNew(t, Config[int, int]{
		Capacity: 10, MaxWeight: math.MaxInt64, Weigh: func(int, int) int64 { return weight },
	})
	for k := range 5 {
		assert.True(t, c.Set(k, k))
		assert.Equal(t, 1, c.Len())
		assert.Equal(t, int64(math.MaxInt64), c.Weight())
	}
	weight = 1
	c.Set(9, 9)
	assert.Equal(t, []int{9}, keys(t, c))
	weight = math.MaxInt64 - 1
	c.Set(8, 8)
	assert.Equal(t, []int{9, 8}, keys(t, c))
	weight = math.MinInt64
	assert.False(t, c.Set(8, 8))
	assert.Equal(t, int64(1), c.Weight())
}

// Weigh is called once, before the lock: it may use the cache, and its panic changes nothing.
func TestWeighMayUseTheCacheAndPanic(t *testing.T) {
	var c *Cache[int, int]
	calls := 0
	c = mustNew(t, Config[int, int]{Capacity: 4, MaxWeight: 10, Weigh: func(key, value int) int64 {
		calls++
		if value < 0 {
			panic("weigh")
		}
		c.Get(key)
		return 1
	}})
	c.Set(1, 1)
	c.GetOrSet(1, 2)
	c.Get(1)
	assert.Equal(t, 2, calls)
	before := c.Stats()
	assert.PanicsWithValue(t, "weigh", func() { c.Set(1, -1) })
	assert.PanicsWithValue(t, "weigh", func() { c.GetOrSet(2, -1) })
	assert.Equal(t, before, c.Stats())
	value, ok := c.Peek(1)
	require.True(t, ok)
	assert.Equal(t, 1, value)
}

// One heavy value empties a large cache, whether its key is new or present: the
// table shrinks under the entry that has just been stored.
func TestHeavyValueShrinksTheTable(t *testing.T) {
	for name, key := range map[string]int{"new": 5000, "present": 1500} {
		t.Run(name, func(t *testing.T) {
			weight := int64(1)
			c := mustNew(t, Config[int, int]{
				Capacity: 2000, MaxWeight: 2000, Weigh: func(int, int) int64 { return weight },
			})
			for k := range 2000 {
				c.Set(k, k)
			}
			weight = 1990
			assert.True(t, c.Set(key, 1))
			assert.False(t, c.store.table.Sparse())
			assert.Equal(t, 11, c.Len())
			assert.Equal(t, int64(2000), c.Weight())
			value, ok := c.Get(key)
			assert.True(t, ok)
			assert.Equal(t, 1, value)
			validate(t, c)
		})
	}
}

// DeleteAll of a peer left the weight behind, and every later Set evicted itself (jellydator/ttlcache#221).
func TestWeightAfterRemovals(t *testing.T) {
	c, _ := weighted(t, 10, 10)
	for range 3 {
		c.Set(1, 4)
		c.Set(2, 4)
		c.Delete(1)
		assert.Equal(t, int64(4), c.Weight())
		c.DeleteOldest()
		assert.Zero(t, c.Weight())
		c.Set(3, 9)
		c.Clear()
		assert.Zero(t, c.Weight())
		c.Set(4, 5)
		c.Set(5, 5)
		_, err := c.Resize(1)
		require.NoError(t, err)
		assert.Equal(t, int64(5), c.Weight())
		_, err = c.Resize(10)
		require.NoError(t, err)
		c.Clear()
	}
}
