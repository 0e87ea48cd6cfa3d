package lru

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

// forms are the two implementations behind the same promises; a sequential program must not see which one it has.
var forms = []int{0, 1, 2, 8, 256}

// eachForm runs a test on every number of shards, in a bubble: nothing in this package may need real time.
func eachForm(t *testing.T, test func(t *testing.T, shards int)) {
	t.Helper()
	for _, shards := range forms {
		t.Run(fmt.Sprintf("shards=%d", shards), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, shards) })
		})
	}
}

// keys returns the keys of c, the least recent first, after it has checked that all views of the contents agree.
func keys[K comparable, V any](t *testing.T, c *Cache[K, V]) []K {
	t.Helper()
	validate(t, c)
	all := slices.Collect(c.Keys())
	require.Equal(t, len(all), c.Len())
	require.LessOrEqual(t, c.Len(), c.Cap())
	return all
}

// validate walks the structures of c and the accounts that must follow from them.
func validate[K comparable, V any](t require.TestingT, c *Cache[K, V]) {
	stats := c.Stats()
	require.Equal(t, stats.Inserts, uint64(c.Len())+stats.Evictions+stats.Deletes)
	if c.many == nil {
		require.NoError(t, c.store.table.Validate())
		sum := int64(0)
		for i := c.store.table.Back(); c.weigh != nil && i != 0; i = c.store.table.Prev(i) {
			sum += int64(c.store.table.Tag(i))
		}
		require.Equal(t, sum, c.Weight())
		return
	}
	count := 0
	for i := range c.many.shards {
		s := &c.many.shards[i]
		require.NoError(t, s.list.table.Validate())
		count += s.list.table.Len()
		validateStamps(t, s)
	}
	require.Equal(t, count, c.Len())
}

// validateStamps checks that the list of a shard is sorted by stamp and that its back is published.
func validateStamps[K comparable, V any](t require.TestingT, s *shard[K, V]) {
	table := &s.list.table
	last := uint64(empty)
	if i := table.Back(); i != 0 {
		last = table.Tag(i)
	}
	require.Equal(t, last, s.back.Load())
	for i := table.Back(); i != 0; i = table.Prev(i) {
		require.LessOrEqual(t, last, table.Tag(i))
		last = table.Tag(i)
	}
}

func TestNewRejects(t *testing.T) {
	weigh := func(int, int) int64 { return 1 }
	type config = Config[int, int]
	for want, cfg := range map[string]config{
		"Capacity must be at least 1, got 0":                                             {},
		"Capacity must be at least 1, got -1":                                            {Capacity: -1},
		fmt.Sprintf("Capacity must be at least 1, got %d", math.MinInt):                  {Capacity: math.MinInt},
		"Capacity must be at most 1073741824, got 1073741825":                            {Capacity: MaxCapacity + 1},
		fmt.Sprintf("Capacity must be at most 1073741824, got %d", math.MaxInt):          {Capacity: math.MaxInt},
		"MaxWeight must not be negative, got -1":                                         {Capacity: 1, MaxWeight: -1, Weigh: weigh},
		"MaxWeight must not be negative, got -9223372036854775808":                       {Capacity: 1, MaxWeight: math.MinInt64},
		"MaxWeight must be at least 1 with Weigh, got 0":                                 {Capacity: 1, Weigh: weigh},
		"Weigh must be set with MaxWeight, got nil":                                      {Capacity: 1, MaxWeight: 1},
		"Shards must be 0 or a power of two up to 256, got -1":                           {Capacity: 1, Shards: -1},
		"Shards must be 0 or a power of two up to 256, got 3":                            {Capacity: 1, Shards: 3},
		"Shards must be 0 or a power of two up to 256, got 512":                          {Capacity: 1, Shards: 512},
		fmt.Sprintf("Shards must be 0 or a power of two up to 256, got %d", math.MinInt): {Capacity: 1, Shards: math.MinInt},
		fmt.Sprintf("Shards must be 0 or a power of two up to 256, got %d", math.MaxInt): {Capacity: 1, Shards: math.MaxInt},
		"Shards must be 0 or 1 with Weigh, got 2":                                        {Capacity: 1, MaxWeight: 1, Weigh: weigh, Shards: 2},
	} {
		t.Run(want, func(t *testing.T) {
			c, err := New(cfg)
			require.ErrorIs(t, err, ErrConfig)
			require.EqualError(t, err, "lru: invalid config: "+want)
			assert.Nil(t, c)
		})
	}
}

func TestNewAccepts(t *testing.T) {
	for _, cfg := range []Config[int, int]{
		{Capacity: 1},
		{Capacity: MaxCapacity},
		{Capacity: 1, Shards: 1},
		{Capacity: 1, Shards: 256},
		{Capacity: 1, MaxWeight: 1, Weigh: func(int, int) int64 { return 1 }},
		{Capacity: 1, MaxWeight: math.MaxInt64, Weigh: func(int, int) int64 { return 1 }, Shards: 1},
	} {
		c, err := New(cfg)
		require.NoError(t, err)
		assert.Equal(t, cfg.Capacity, c.Cap())
		assert.Zero(t, c.Len())
		assert.Zero(t, c.Weight())
		assert.Equal(t, Stats{}, c.Stats())
	}
}

func TestNilAndZeroCachePanic(t *testing.T) {
	const text = "lru: use of a nil or zero Cache; create it with New"
	calls := map[string]func(*Cache[int, int]){
		"Get":          func(c *Cache[int, int]) { c.Get(1) },
		"Peek":         func(c *Cache[int, int]) { c.Peek(1) },
		"Contains":     func(c *Cache[int, int]) { c.Contains(1) },
		"Set":          func(c *Cache[int, int]) { c.Set(1, 1) },
		"GetOrSet":     func(c *Cache[int, int]) { c.GetOrSet(1, 1) },
		"Delete":       func(c *Cache[int, int]) { c.Delete(1) },
		"Oldest":       func(c *Cache[int, int]) { c.Oldest() },
		"DeleteOldest": func(c *Cache[int, int]) { c.DeleteOldest() },
		"Resize":       func(c *Cache[int, int]) { _, _ = c.Resize(1) },
		"Clear":        func(c *Cache[int, int]) { c.Clear() },
		"Len":          func(c *Cache[int, int]) { c.Len() },
		"Cap":          func(c *Cache[int, int]) { c.Cap() },
		"Weight":       func(c *Cache[int, int]) { c.Weight() },
		"All":          func(c *Cache[int, int]) { c.All() },
		"Backward":     func(c *Cache[int, int]) { c.Backward() },
		"Keys":         func(c *Cache[int, int]) { c.Keys() },
		"Values":       func(c *Cache[int, int]) { c.Values() },
		"Stats":        func(c *Cache[int, int]) { c.Stats() },
	}
	for name, call := range calls {
		assert.PanicsWithValue(t, text, func() { call(nil) }, name)
		assert.PanicsWithValue(t, text, func() { call(&Cache[int, int]{}) }, name)
	}
}

func TestSetEvictsTheLeastRecent(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[string, int]{Capacity: 3, Shards: shards})
		for i, key := range []string{"a", "b", "c", "d"} {
			assert.True(t, c.Set(key, i))
		}
		assert.Equal(t, []string{"b", "c", "d"}, keys(t, c))
		_, ok := c.Get("a")
		assert.False(t, ok)
		value, ok := c.Get("b")
		assert.True(t, ok)
		assert.Equal(t, 1, value)
		c.Set("e", 4)
		assert.Equal(t, []string{"d", "b", "e"}, keys(t, c))
	})
}

func TestCapacityOne(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 1, Shards: shards})
		for k := range 100 {
			c.Set(k, k)
			require.Equal(t, []int{k}, keys(t, c))
			actual, loaded := c.GetOrSet(k, -1)
			require.True(t, loaded)
			require.Equal(t, k, actual)
		}
	})
}

// What promotes and what does not, on a full cache of 1, 2, 3 (1 is the least recent).
func TestPromotion(t *testing.T) {
	for name, step := range map[string]struct {
		call func(c *Cache[int, int])
		want []int
	}{
		"Get":                  {func(c *Cache[int, int]) { c.Get(1) }, []int{2, 3, 1}},
		"Get of the middle":    {func(c *Cache[int, int]) { c.Get(2) }, []int{1, 3, 2}},
		"Get of the last":      {func(c *Cache[int, int]) { c.Get(3) }, []int{1, 2, 3}},
		"Get of nothing":       {func(c *Cache[int, int]) { c.Get(9) }, []int{1, 2, 3}},
		"Set of a present key": {func(c *Cache[int, int]) { c.Set(1, 7) }, []int{2, 3, 1}},
		"Set of a new key":     {func(c *Cache[int, int]) { c.Set(4, 4) }, []int{2, 3, 4}},
		"GetOrSet hit":         {func(c *Cache[int, int]) { c.GetOrSet(1, 9) }, []int{2, 3, 1}},
		"GetOrSet miss":        {func(c *Cache[int, int]) { c.GetOrSet(4, 4) }, []int{2, 3, 4}},
		"Peek":                 {func(c *Cache[int, int]) { c.Peek(1) }, []int{1, 2, 3}},
		"Contains":             {func(c *Cache[int, int]) { c.Contains(1) }, []int{1, 2, 3}},
		"Oldest":               {func(c *Cache[int, int]) { c.Oldest() }, []int{1, 2, 3}},
		"DeleteOldest":         {func(c *Cache[int, int]) { c.DeleteOldest() }, []int{2, 3}},
		"Delete":               {func(c *Cache[int, int]) { c.Delete(2) }, []int{1, 3}},
		"iteration":            {func(c *Cache[int, int]) { _ = maps.Collect(c.All()) }, []int{1, 2, 3}},
		"Stats":                {func(c *Cache[int, int]) { c.Stats() }, []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			eachForm(t, func(t *testing.T, shards int) {
				c := mustNew(t, Config[int, int]{Capacity: 3, Shards: shards})
				for k := 1; k <= 3; k++ {
					c.Set(k, k)
				}
				step.call(c)
				assert.Equal(t, step.want, keys(t, c))
			})
		})
	}
}

func TestPeekAndContains(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, string]{Capacity: 2, Shards: shards})
		c.Set(1, "one")
		value, ok := c.Peek(1)
		assert.True(t, ok)
		assert.Equal(t, "one", value)
		assert.True(t, c.Contains(1))
		value, ok = c.Peek(2)
		assert.False(t, ok)
		assert.Empty(t, value)
		assert.False(t, c.Contains(2))
		assert.Equal(t, Stats{Inserts: 1}, c.Stats(), "a peek leaves no trace")
	})
}

func TestGetOrSet(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, string]{Capacity: 2, Shards: shards})
		actual, loaded := c.GetOrSet(1, "first")
		assert.False(t, loaded)
		assert.Equal(t, "first", actual)
		actual, loaded = c.GetOrSet(1, "second")
		assert.True(t, loaded)
		assert.Equal(t, "first", actual)
		assert.Equal(t, Stats{Hits: 1, Misses: 1, Inserts: 1}, c.Stats())
	})
}

func TestDelete(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, string]{Capacity: 2, Shards: shards})
		c.Set(1, "one")
		value, ok := c.Delete(1)
		assert.True(t, ok)
		assert.Equal(t, "one", value)
		value, ok = c.Delete(1)
		assert.False(t, ok)
		assert.Empty(t, value)
		assert.Empty(t, keys(t, c))
		assert.Equal(t, Stats{Inserts: 1, Deletes: 1}, c.Stats())
	})
}

func TestOldest(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, string]{Capacity: 3, Shards: shards})
		for _, call := range []func() (int, string, bool){c.Oldest, c.DeleteOldest} {
			key, value, ok := call()
			assert.False(t, ok)
			assert.Zero(t, key)
			assert.Empty(t, value)
		}
		c.Set(1, "one")
		c.Set(2, "two")
		for _, want := range []int{1, 2} {
			key, _, ok := c.Oldest()
			assert.True(t, ok)
			assert.Equal(t, want, key)
			key, _, ok = c.DeleteOldest()
			assert.True(t, ok)
			assert.Equal(t, want, key)
		}
		assert.Empty(t, keys(t, c))
		assert.Equal(t, uint64(2), c.Stats().Deletes)
	})
}

func TestResize(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 4, Shards: shards})
		for k := range 4 {
			c.Set(k, k)
		}
		evicted, err := c.Resize(6)
		require.NoError(t, err)
		assert.Zero(t, evicted)
		assert.Equal(t, 6, c.Cap())
		c.Set(4, 4)
		c.Set(5, 5)
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5}, keys(t, c))
		c.Get(0)
		evicted, err = c.Resize(2)
		require.NoError(t, err)
		assert.Equal(t, 4, evicted)
		assert.Equal(t, []int{5, 0}, keys(t, c))
		c.Set(9, 9)
		assert.Equal(t, []int{0, 9}, keys(t, c))
		assert.Equal(t, uint64(5), c.Stats().Evictions)
	})
}

func TestResizeRejects(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 3, Shards: shards})
		c.Set(1, 1)
		for capacity, want := range map[int]string{
			0:               "lru: invalid config: Capacity must be at least 1, got 0",
			-5:              "lru: invalid config: Capacity must be at least 1, got -5",
			MaxCapacity + 1: "lru: invalid config: Capacity must be at most 1073741824, got 1073741825",
		} {
			evicted, err := c.Resize(capacity)
			require.ErrorIs(t, err, ErrConfig)
			require.EqualError(t, err, want)
			assert.Zero(t, evicted)
		}
		assert.Equal(t, 3, c.Cap())
		assert.Equal(t, []int{1}, keys(t, c))
	})
}

func TestClear(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 3, Shards: shards})
		for k := range 5 {
			c.Set(k, k)
		}
		c.Clear()
		assert.Empty(t, keys(t, c))
		assert.Equal(t, 3, c.Cap())
		assert.Equal(t, Stats{Inserts: 5, Evictions: 2, Deletes: 3}, c.Stats())
		c.Clear()
		assert.Equal(t, uint64(3), c.Stats().Deletes)
		c.Set(7, 7)
		assert.Equal(t, []int{7}, keys(t, c))
	})
}

func TestStats(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 2, Shards: shards})
		c.Set(1, 1)      // insert
		c.Set(1, 2)      // update
		c.Set(1, 2)      // update, though equal
		c.Get(1)         // hit
		c.Get(9)         // miss
		c.GetOrSet(1, 3) // hit
		c.GetOrSet(2, 3) // miss, insert
		c.Set(3, 3)      // insert, eviction
		c.Delete(3)      // delete
		c.DeleteOldest() // delete
		assert.Equal(t, Stats{Hits: 2, Misses: 2, Inserts: 3, Updates: 2, Evictions: 1, Deletes: 2}, c.Stats())
	})
}

// golang-lru returned (zero, true) for a key that had just left (hashicorp/golang-lru#150): a hit always has its value.
func TestHitHasItsValue(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, *int]{Capacity: 2, Shards: shards})
		for k := range 50 {
			c.Set(k, &k)
			if value, ok := c.Get(k - 2); ok || value != nil {
				t.Fatalf("Get of an evicted key: %v, %v", value, ok)
			}
			value, ok := c.Get(k)
			require.True(t, ok)
			require.Equal(t, k, *value)
		}
	})
}

// Cutting a small cache into parts loses entries that fit (phuslu/lru#32: capacity 20 and 8 keys), and rounds capacities
// up (1000 became 1024). Here all keys that fit stay, and no more than Capacity.
func TestShardsKeepTheWholeCapacity(t *testing.T) {
	for _, shards := range []int{2, 16, 256} {
		c := mustNew(t, Config[int, int]{Capacity: 20, Shards: shards})
		for range 3 {
			for k := range 20 {
				c.GetOrSet(k, k)
			}
		}
		assert.Equal(t, uint64(20), c.Stats().Misses)
		big := mustNew(t, Config[int, int]{Capacity: 1000, Shards: shards})
		for k := range 5000 {
			big.Set(k, k)
		}
		assert.Equal(t, 1000, big.Len())
	}
}
