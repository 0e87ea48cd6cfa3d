package lru

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

// ledger follows every value from the call that brought it to the hook that reported it.
type ledger struct {
	brought atomic.Int64
	left    []atomic.Int32 // by value
}

func newLedger(values int) *ledger { return &ledger{left: make([]atomic.Int32, values)} }

func (l *ledger) next() int { return int(l.brought.Add(1)) - 1 }

func (l *ledger) hook(_, value int, _ Reason) { l.left[value].Add(1) }

// settle checks that each value that was taken is held or was reported, exactly once.
func (l *ledger) settle(t *testing.T, c *Cache[int, int], untaken map[int]bool) {
	t.Helper()
	held := map[int]int32{}
	for _, value := range c.All() {
		held[value]++
	}
	for value := range int(l.brought.Load()) {
		want := int32(1)
		if untaken[value] {
			want = 0
		}
		require.Equal(t, want, l.left[value].Load()+held[value], "value %d", value)
	}
}

// Every value is held or reported exactly once, and the bound holds at every instant, whatever runs at the same time.
func TestHammer(t *testing.T) {
	const workers, rounds, capacity = 8, 2000, 64
	eachForm(t, func(t *testing.T, shards int) {
		book := newLedger(workers * rounds)
		c := mustNew(t, Config[int, int]{Capacity: capacity, Shards: shards, OnEvict: book.hook})
		var mu sync.Mutex
		untaken := map[int]bool{} // GetOrSet that found another value
		hammer.Run(t, workers, rounds, func(_ int, rng *rand.Rand) error {
			key := rng.IntN(3 * capacity)
			switch rng.IntN(12) {
			case 0, 1, 2:
				c.Get(key)
			case 3, 4, 5:
				c.Set(key, book.next())
			case 6, 7:
				value := book.next()
				if _, loaded := c.GetOrSet(key, value); loaded {
					mu.Lock()
					untaken[value] = true
					mu.Unlock()
				}
			case 8:
				c.Delete(key)
			case 9:
				c.DeleteOldest()
			case 10:
				if rng.IntN(50) == 0 {
					c.Clear()
				}
			default:
				return inspect(c, rng.IntN(9), key)
			}
			return nil
		})
		validate(t, c)
		book.settle(t, c, untaken)
	})
}

// inspect makes one of the calls that change nothing, and checks what it says.
func inspect(c *Cache[int, int], call, key int) error {
	bound := func(what string, n int) error {
		if n < 0 || n > c.Cap() {
			return fmt.Errorf("%s says %d of %d", what, n, c.Cap())
		}
		return nil
	}
	switch call {
	case 0:
		c.Peek(key)
	case 1:
		c.Contains(key)
	case 2:
		c.Oldest()
	case 3:
		return bound("All", len(maps.Collect(c.All())))
	case 4:
		return bound("Backward", len(maps.Collect(c.Backward())))
	case 5:
		return bound("Keys", len(slices.Collect(c.Keys())))
	case 6:
		return bound("Weight", int(c.Weight()))
	case 7:
		stats := c.Stats()
		return bound("Stats", int(stats.Inserts-stats.Evictions-stats.Deletes))
	default:
		return bound("Len", c.Len())
	}
	return nil
}

// The smallest capacities show whoever is one too many.
func TestHammerOfSmallCaches(t *testing.T) {
	for _, shards := range []int{0, 4, 256} {
		for capacity := 1; capacity <= 4; capacity++ {
			c := mustNew(t, Config[int, int]{Capacity: capacity, Shards: shards})
			hammer.Run(t, 4, 1000, func(worker int, rng *rand.Rand) error {
				if worker == 0 {
					return inspect(c, rng.IntN(9), rng.IntN(20))
				}
				c.Set(rng.IntN(20), worker)
				return nil
			})
			validate(t, c)
		}
	}
}

// Once Set has returned the value is there, until something evicts it
// (dgraph-io/ristretto#346: Set, then Get misses).
func TestSetThenGet(t *testing.T) {
	const workers = 4
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: workers, Shards: shards})
		hammer.Run(t, workers, 500, func(worker int, rng *rand.Rand) error {
			value := rng.Int()
			c.Set(worker, value)
			if got, ok := c.Get(worker); !ok || got != value {
				return fmt.Errorf("worker %d: %d, %v after Set of %d", worker, got, ok, value)
			}
			return nil
		})
	})
}

func TestHammerWithResize(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		c := mustNew(t, Config[int, int]{Capacity: 10, Shards: shards})
		hammer.Run(t, 4, 1000, func(worker int, rng *rand.Rand) error {
			if worker == 0 {
				_, err := c.Resize(1 + rng.IntN(100))
				return err
			}
			c.Set(rng.IntN(200), worker)
			c.Stats()
			c.Cap()
			return nil
		})
		validate(t, c)
		assert.LessOrEqual(t, c.Len(), c.Cap())
	})
}

func TestHammerWithWeights(t *testing.T) {
	const maxWeight = 100
	book := newLedger(8 * 2000)
	c := mustNew(t, Config[int, int]{
		Capacity: 50, MaxWeight: maxWeight, OnEvict: book.hook,
		Weigh: func(_, value int) int64 { return int64(value%30) - 1 }, // one in thirty is refused
	})
	hammer.Run(t, 8, 2000, func(worker int, rng *rand.Rand) error {
		c.Set(rng.IntN(100), book.next())
		if w := c.Weight(); w < 0 || w > maxWeight {
			return fmt.Errorf("worker %d: weight %d", worker, w)
		}
		return nil
	})
	validate(t, c)
	book.settle(t, c, nil)
}

// Hooks that fail in many goroutines at once leave nothing locked and lose nothing.
func TestHammerWithFailingHooks(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		var told atomic.Int64
		c := mustNew(t, Config[int, int]{Capacity: 8, Shards: shards, OnEvict: func(key, _ int, _ Reason) {
			told.Add(1)
			switch key % 3 {
			case 0:
				panic("hook")
			case 1:
				runtime.Goexit()
			}
		}})
		hammer.Run(t, 4, 300, func(_ int, rng *rand.Rand) error {
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { _ = recover() }()
				c.Set(rng.IntN(50), 0)
			})
			wg.Wait()
			return nil
		})
		validate(t, c)
		stats := c.Stats()
		assert.Equal(t, int64(stats.Evictions+stats.Updates), told.Load())
	})
}

// In thousands of short races, exactly one of two GetOrSet of a key stores.
func TestLitmusGetOrSet(t *testing.T) {
	for _, shards := range []int{0, 8} {
		store := func(value int) func(*Cache[int, int]) int {
			return func(c *Cache[int, int]) int {
				if actual, loaded := c.GetOrSet(1, value); loaded {
					return -actual // what the other stored
				}
				return value
			}
		}
		seen := litmus.Run(5000, func() *Cache[int, int] {
			return mustNew(t, Config[int, int]{Capacity: 2, Shards: shards})
		}, store(1), store(2))
		for outcome, n := range seen {
			legal := outcome == litmus.Outcome{A: 1, B: -1} || outcome == litmus.Outcome{A: -2, B: 2}
			assert.True(t, legal, "shards %d: %v seen %d times", shards, outcome, n)
		}
	}
}

// Two insertions into a cache of one: whoever comes second evicts the other, and one is left.
func TestLitmusCapacityOne(t *testing.T) {
	for _, shards := range []int{0, 8} {
		insert := func(key int) func(*Cache[int, int]) int {
			return func(c *Cache[int, int]) int {
				c.Set(key, key)
				return c.Len()
			}
		}
		seen := litmus.Run(5000, func() *Cache[int, int] {
			return mustNew(t, Config[int, int]{Capacity: 1, Shards: shards})
		}, insert(1), insert(2))
		assert.Equal(t, map[litmus.Outcome]int{{A: 1, B: 1}: 5000}, seen)
	}
}

// The form with many shards works in a bubble though its locks were made outside.
func TestUsedAcrossBubbles(t *testing.T) {
	for _, shards := range []int{0, 8} {
		c := mustNew(t, Config[int, int]{Capacity: 4, Shards: shards})
		c.Set(1, 1)
		for range 2 {
			synctest.Test(t, func(t *testing.T) {
				assert.True(t, c.Contains(1))
				c.Set(1, 2)
			})
		}
	}
}
