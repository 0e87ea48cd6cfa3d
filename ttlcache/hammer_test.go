package ttlcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

// Every value that was stored or refused is reported exactly once, and the bounds hold at every instant, whatever runs at
// the same time: all calls, the timer, loads that succeed, fail, crash and are given up.
func TestHammer(t *testing.T) {
	const workers, rounds, capacity = 8, 1500, 48
	for form := range 4 {
		bubble(t, func(t *testing.T) {
			var brought atomic.Int64
			left := make([]atomic.Int32, 2*workers*rounds)
			loaded := make([]atomic.Bool, len(left)) // brought by a loader: reported at most once
			untaken := make([]atomic.Bool, len(left))
			cfg := Config[int, int]{
				Capacity: capacity, TTL: 200 * time.Microsecond, CleanupInterval: time.Millisecond, Sliding: form&1 != 0, Jitter: 0.3,
				OnEvict: func(_, v int, _ Reason) { left[v].Add(1) },
			}
			if form&2 != 0 {
				cfg.StaleIfError, cfg.StaleWhileRevalidate, cfg.NegativeTTL = time.Millisecond, 300*time.Microsecond, time.Millisecond
			}
			c := mustNew(t, cfg)
			next := func() int { return int(brought.Add(1)) - 1 }
			hammer.Run(t, workers, rounds, func(_ int, rng *rand.Rand) error {
				key := rng.IntN(2 * capacity)
				switch rng.IntN(16) {
				case 0, 1, 2:
					c.Get(key)
				case 3:
					c.Set(key, next())
				case 4:
					c.SetTTL(key, next(), time.Duration(rng.IntN(1_000_000)-1000))
				case 5:
					v := next()
					if _, found := c.GetOrSet(key, v); found {
						untaken[v].Store(true)
					}
				case 6:
					c.Delete(key)
				case 7:
					c.Expire(key, time.Duration(rng.IntN(1_000_000)-1000))
				case 8:
					time.Sleep(time.Duration(rng.IntN(300_000)))
				case 9, 10, 11, 12:
					return hammerLoad(c, key, rng, func() int { v := next(); loaded[v].Store(true); return v })
				case 13:
					if n := c.Len(); n < 0 || n > capacity {
						return fmt.Errorf("Len is %d", n)
					}
				case 14:
					if rng.IntN(100) == 0 {
						c.Clear()
					}
				default:
					c.Peek(key)
					c.TTL(key)
					c.Stats()
					for range c.All() {
						break
					}
				}
				return nil
			})
			time.Sleep(100 * time.Microsecond) // the loads that were given up are under way
			synctest.Wait()
			validate(t, c)
			time.Sleep(time.Second)
			c.Clear()
			synctest.Wait()
			assert.Nil(t, flights(c))
			for v := range int(brought.Load()) {
				switch n := left[v].Load(); {
				case loaded[v].Load():
					require.LessOrEqual(t, n, int32(1))
				case untaken[v].Load():
					require.Zero(t, n)
				default:
					require.Equal(t, int32(1), n, "value %d", v)
				}
			}
			stats := c.Stats()
			require.Equal(t, stats.Inserts, stats.Evictions+stats.Expirations+stats.Deletes)
		})
	}
}

// hammerLoad makes one GetOrLoad of any kind.
func hammerLoad(c *Cache[int, int], key int, rng *rand.Rand, next func() int) error {
	kind, takes := rng.IntN(8), time.Duration(rng.IntN(50_000))
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+rng.IntN(60_000)))
	defer cancel()
	_, _ = c.GetOrLoad(ctx, key, func(ctx context.Context, _ int) (int, error) {
		time.Sleep(takes)
		switch kind {
		case 0:
			panic("loader")
		case 1:
			runtime.Goexit()
		case 2:
			return 0, ErrNotFound
		case 3:
			return 0, errOrigin
		case 4:
			select { // nobody ends a load in the background
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
			return 0, errOrigin
		}
		return next(), nil
	})
	return nil
}

// A load never starts after another has succeeded and before its value is visible.
func TestNoSecondLoadOfAValueThatIsThere(t *testing.T) {
	c := mustNew(t, Config[int, int]{Capacity: 1000, TTL: NoExpiry})
	var loads [300]atomic.Int32
	hammer.Run(t, 8, len(loads), func(_ int, rng *rand.Rand) error {
		key := rng.IntN(len(loads))
		_, err := c.GetOrLoad(context.Background(), key, func(_ context.Context, key int) (int, error) {
			return int(loads[key].Add(1)), nil
		})
		return err
	})
	for key := range loads {
		require.LessOrEqual(t, loads[key].Load(), int32(1), "key %d", key)
	}
}

// Deleting and loading at once: afterwards the cache has the value of the last load, or nothing.
func TestHammerDeleteBeatsLoad(t *testing.T) {
	c := mustNew(t, Config[int, int]{Capacity: 4, TTL: NoExpiry})
	var version atomic.Int64 // of the origin
	var mu sync.Mutex
	hammer.Run(t, 4, 2000, func(worker int, _ *rand.Rand) error {
		if worker == 0 { // the origin changes, then the cache is told
			mu.Lock()
			v := version.Add(1)
			mu.Unlock()
			c.Delete(1)
			got, err := c.GetOrLoad(context.Background(), 1, func(context.Context, int) (int, error) { return int(version.Load()), nil })
			if err != nil || got < int(v) {
				return fmt.Errorf("read %d, %w after the origin became %d", got, err, v)
			}
			return nil
		}
		_, err := c.GetOrLoad(context.Background(), 1, func(context.Context, int) (int, error) {
			v := version.Load()
			runtime.Gosched()
			return int(v), nil
		})
		return err
	})
}
