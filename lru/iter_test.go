package lru

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIterationOrder(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 5, Shards: shards})
		for k := range 5 {
			c.Set(k, 10*k)
		}
		c.Get(1)
		assert.Equal(t, []int{0, 2, 3, 4, 1}, slices.Collect(c.Keys()))
		assert.Equal(t, []int{0, 20, 30, 40, 10}, slices.Collect(c.Values()))
		forward, backward := []int{}, []int{}
		for k, v := range c.All() {
			forward = append(forward, k, v)
		}
		assert.Equal(t, []int{0, 0, 2, 20, 3, 30, 4, 40, 1, 10}, forward)
		for k, v := range c.Backward() {
			backward = append(backward, k, v)
		}
		assert.Equal(t, []int{1, 10, 4, 40, 3, 30, 2, 20, 0, 0}, backward)
	})
}

func TestIterationOfEmptyCache(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 5, Shards: shards})
		for range c.All() {
			t.Fatal("an entry out of nothing")
		}
		for range c.Backward() {
			t.Fatal("an entry out of nothing")
		}
	})
}

// A peer's Range stopped when the body deleted the current item: 1 of 10 was visited. Here the body may do anything.
func TestIterationBodyMayChangeTheCache(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 10, Shards: shards})
		for k := range 10 {
			c.Set(k, k)
		}
		visited := []int{}
		for k, v := range c.All() {
			assert.Equal(t, k, v)
			visited = append(visited, k)
			c.Delete(k)
			c.Delete(9 - k)
			c.Set(100+k, k)
		}
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, visited, "the pairs of the snapshot")
		validate(t, c)
	})
}

func TestIterationBreakAndReuse(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 5, Shards: shards})
		for k := range 5 {
			c.Set(k, k)
		}
		all, back, ks, vs := c.All(), c.Backward(), c.Keys(), c.Values()
		for k := range all {
			assert.Equal(t, 0, k)
			break
		}
		for k := range back {
			assert.Equal(t, 4, k)
			break
		}
		for k := range ks {
			assert.Equal(t, 0, k)
			break
		}
		for v := range vs {
			assert.Equal(t, 0, v)
			break
		}
		c.Set(9, 9)
		assert.Equal(t, []int{1, 2, 3, 4, 9}, slices.Collect(ks), "a second range sees the new state")
		assert.Len(t, slices.Collect(vs), 5)
	})
}
