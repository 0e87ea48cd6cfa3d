package lru

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golang-lru held 200,000 NaN keys in a capacity of 10, and phuslu/lru looked for them for ever with its lock held.
func TestNaNKeys(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		evicted := 0
		c := mustNew(t, Config[float64, int]{
			Capacity: 10, Shards: shards, OnEvict: func(float64, int, Reason) { evicted++ },
		})
		nan := math.NaN()
		for i := range 1000 {
			require.True(t, c.Set(nan, i))
			_, ok := c.Get(nan)
			require.False(t, ok)
			require.LessOrEqual(t, c.Len(), 10)
		}
		assert.Equal(t, 990, evicted)
		_, ok := c.Delete(nan)
		assert.False(t, ok)
		_, value, ok := c.DeleteOldest()
		assert.True(t, ok)
		assert.Equal(t, 990, value)
		actual, loaded := c.GetOrSet(nan, -1)
		assert.False(t, loaded)
		assert.Equal(t, -1, actual)
		c.Set(1, 1)
		value, ok = c.Get(1)
		assert.True(t, ok)
		assert.Equal(t, 1, value)
		validate(t, c)
		c.Clear()
		assert.Zero(t, c.Len())
	})
}

func TestNaNInsideStructAndInterface(t *testing.T) {
	type point struct{ x, y float64 }
	c := mustNew(t, Config[any, int]{Capacity: 3})
	for i := range 50 {
		c.Set(point{1, math.NaN()}, i)
		c.Set(math.NaN(), i)
	}
	assert.Equal(t, 3, c.Len())
	c.Set(point{1, 2}, 7)
	value, ok := c.Get(point{1, 2})
	assert.True(t, ok)
	assert.Equal(t, 7, value)
}

func TestSignedZerosAreOneKey(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[float64, string]{Capacity: 4, Shards: shards})
		c.Set(0, "zero")
		value, ok := c.Get(math.Copysign(0, -1))
		assert.True(t, ok)
		assert.Equal(t, "zero", value)
		c.Set(math.Copysign(0, -1), "negative")
		assert.Equal(t, 1, c.Len())
	})
}

// A key that cannot be hashed panics as in a map, before anything is locked (golang-lru is dead afterwards).
func TestUnhashableKey(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[any, int]{Capacity: 4, Shards: shards})
		c.Set("a", 1)
		before := c.Stats()
		for name, call := range map[string]func(){
			"Get":      func() { c.Get([]int{1}) },
			"Peek":     func() { c.Peek([]int{1}) },
			"Set":      func() { c.Set(map[int]int{}, 1) },
			"GetOrSet": func() { c.GetOrSet(func() {}, 1) },
			"Delete":   func() { c.Delete(struct{ s []int }{}) },
		} {
			assert.Panics(t, call, name)
		}
		assert.Equal(t, before, c.Stats())
		value, ok := c.Get("a")
		assert.True(t, ok)
		assert.Equal(t, 1, value)
	})
}

// Each cache hashes in its own way, so that keys which collide in one do not in
// another; shards and buckets are chosen by different bits.
func TestHashing(t *testing.T) {
	a, b := mustNew(t, Config[int, int]{Capacity: 1}), mustNew(t, Config[int, int]{Capacity: 1})
	same := 0
	for k := range 100 {
		if a.hash(k) == b.hash(k) {
			same++
		}
	}
	assert.Less(t, same, 3)
	c := mustNew(t, Config[int, int]{Capacity: 100_000, Shards: 256})
	low := map[uint64]bool{}
	for k := range 100_000 {
		if hash := c.hash(k); c.many.of(hash) == &c.many.shards[0] {
			low[hash%256] = true
		}
	}
	assert.Greater(t, len(low), 128, "keys of one shard spread over its buckets")
}

func TestKeyTypes(t *testing.T) {
	type key struct {
		name string
		id   int
		any  any
	}
	c := mustNew(t, Config[key, int]{Capacity: 10})
	c.Set(key{"a", 1, 2.5}, 1)
	c.Set(key{"a", 1, "2.5"}, 2)
	value, ok := c.Get(key{"a", 1, 2.5})
	assert.True(t, ok)
	assert.Equal(t, 1, value)
	pointers := mustNew(t, Config[*int, int]{Capacity: 10})
	a, b := new(int), new(int)
	pointers.Set(a, 1)
	assert.True(t, pointers.Contains(a))
	assert.False(t, pointers.Contains(b))
	empty := mustNew(t, Config[struct{}, int]{Capacity: 10})
	empty.Set(struct{}{}, 1)
	empty.Set(struct{}{}, 2)
	assert.Equal(t, 1, empty.Len())
}
