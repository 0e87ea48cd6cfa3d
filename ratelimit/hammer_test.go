package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// While time stands still a key gives out its quota, to whomever, and not one more.
func TestHammerGivesOutTheQuotaOnce(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			const keys, quota = 20, 100
			l := mustNew(t, Config[int]{Algorithm: a, Limit: perSecond(quota)})
			for range 3 { // windows
				var granted [keys]atomic.Int64
				hammer.Run(t, 8, 500, func(_ int, rng *rand.Rand) error {
					key, n := rng.IntN(keys), rng.Int64N(4)
					if l.AllowN(key, n) {
						granted[key].Add(n)
					}
					return nil
				})
				for key := range keys {
					left := mustTake(t, l, key, 0).Remaining
					assert.Equal(t, int64(quota), granted[key].Load()+left)
				}
				time.Sleep(2 * time.Second)
			}
		})
	}
}

// All methods at once, with fewer places than keys: whatever happens the bounds hold and the tables are whole.
func TestHammer(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			const maxKeys = 600
			l := mustNew(t, Config[int]{Algorithm: a, Limit: perSecond(10), MaxKeys: maxKeys})
			hammer.Run(t, 6, 400, func(_ int, rng *rand.Rand) error {
				key := rng.IntN(2000)
				switch rng.IntN(12) {
				case 0:
					l.Return(key, rng.Int64N(12))
				case 1:
					l.Delete(key)
				case 2:
					if err := l.SetLimit(perSecond(5 + rng.Int64N(20))); err != nil {
						return err
					}
				case 3:
					l.Prune()
				case 4:
					for range l.All() {
						l.Allow(key)
						break
					}
				case 5:
					time.Sleep(time.Duration(rng.IntN(int(200 * time.Millisecond))))
				case 6:
					if rng.IntN(20) == 0 {
						l.Clear()
					}
				default:
					r, err := l.Take(t.Context(), key, rng.Int64N(5))
					if err != nil || r.Remaining < 0 || r.Remaining > r.Limit || r.OK == (r.RetryAfter > 0 && r.Remaining > 0) && !r.OK {
						return fmt.Errorf("%+v, %w", r, err)
					}
				}
				if n := l.Len(); n > maxKeys {
					return fmt.Errorf("%d keys", n)
				}
				return nil
			})
			verify(t, l)
		})
	}
}

// Two SetLimits at once leave all shards with the same limit.
func TestConcurrentSetLimit(t *testing.T) {
	l := mustNew(t, Config[int]{Limit: Limit{Rate: tokenbucket.PerHour(1)}})
	for range 20 {
		hammer.Run(t, 4, 2, func(worker int, _ *rand.Rand) error {
			return l.SetLimit(Limit{Rate: tokenbucket.PerHour(int64(worker + 2))})
		})
		want := l.shards[0].limit
		for i := range l.shards {
			require.Equal(t, want, l.shards[i].limit)
		}
	}
}
