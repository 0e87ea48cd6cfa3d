package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

// The point of not being an LRU: an attacker who has spent his quota floods us with new keys, and stays refused.
func TestFloodWinsNoFreshQuota(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[int]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(100)}, MaxKeys: 1000})
			const attackers = 20
			for key := range attackers {
				require.True(t, l.AllowN(-1-key, 100))
			}
			for key := range 30_000 {
				require.True(t, l.Allow(key))
				require.LessOrEqual(t, l.shards[0].table.len, 1000)
				if key%1000 == 0 {
					for attacker := range attackers {
						require.False(t, l.Allow(-1-attacker))
					}
				}
			}
			s := l.Stats()
			assert.Equal(t, 1000, s.Keys)
			assert.Equal(t, uint64(30_000+attackers-1000), s.EvictedActive)
			assert.Zero(t, s.EvictedIdle)
			verify(t, l)
		})
	}
}

// The least used of a sample goes, never the most used one of it.
func TestEvictsTheLeastUsed(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[int]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(100)}, MaxKeys: sample})
			for key := range sample {
				require.True(t, l.AllowN(key, int64(10+(key*5)%sample)))
			}
			for spent := range sample - 1 { // a sample is all there is
				require.True(t, l.AllowN(100+spent, 50))
				left := map[int64]bool{}
				for _, r := range l.All() {
					left[100-r.Remaining] = true
				}
				assert.False(t, left[int64(10+spent)], "%v: the one that used least of all, %d, should have left", a, 10+spent)
				assert.True(t, left[int64(11+spent)])
			}
		})
	}
}

// An idle key is as good as none: nobody is harmed while a sample, here all there is, holds one.
func TestIdleKeysGoFirst(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[int]{Algorithm: a, Limit: perSecond(10), MaxKeys: sample})
			for key := range sample - 1 {
				require.True(t, l.Allow(key))
			}
			time.Sleep(2 * time.Second)
			require.True(t, l.AllowN(-1, 10))
			for key := range sample - 1 {
				require.True(t, l.Allow(1000+key))
			}
			assert.Equal(t, Stats{Keys: sample, Allowed: 2*sample - 1, EvictedIdle: sample - 1}, l.Stats())
			require.True(t, l.Allow(2000))
			assert.Equal(t, uint64(1), l.Stats().EvictedActive)
			assert.False(t, l.Allow(-1))
		})
	}
}

// Wherever the one idle key of a sample stands, it goes.
func TestIdleKeyAnywhere(t *testing.T) {
	for range 50 { // as many tables, each with its own hash
		l := mustNew(t, Config[int]{Limit: Limit{Rate: tokenbucket.PerHour(10)}, MaxKeys: sample})
		for key := range sample {
			require.True(t, l.AllowN(key, 5))
		}
		l.Return(3, 5)
		require.True(t, l.Allow(sample))
		require.Equal(t, Stats{Keys: sample, Allowed: sample + 1, EvictedIdle: 1}, l.Stats())
		require.True(t, l.AllowN(3, 10))
	}
}

// Memory follows the load without a goroutine and without Prune: each new key drops two that are idle.
func TestNewKeysDropIdleOnes(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[int]{Algorithm: a, Limit: perSecond(10), MaxKeys: 1 << 16})
			for key := range 8_000 {
				require.True(t, l.Allow(key))
			}
			most := slots(l)
			time.Sleep(3 * time.Second)
			for key := range 8_000 {
				require.True(t, l.Allow(100_000+key))
				if key%20 == 0 { // a key is charged for two seconds at most: 400 at a time
					time.Sleep(100 * time.Millisecond)
				}
			}
			assert.Less(t, l.Len(), 2000)
			assert.Less(t, slots(l), most/2, "and the tables shrink")
			assert.Zero(t, l.Stats().EvictedActive)
			verify(t, l)
		})
	}
}

// slots is the size of all tables.
func slots[K comparable](l *Limiter[K]) (n int) {
	for i := range l.shards {
		n += len(l.shards[i].table.slots)
	}
	return n
}

func TestPruneKeepsWhatIsCharged(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[int]{Algorithm: a, Limit: perSecond(10)})
			for key := range 10_000 {
				require.True(t, l.Allow(key))
			}
			assert.Zero(t, l.Prune())
			time.Sleep(2 * time.Second)
			for key := range 100 {
				require.True(t, l.AllowN(key*7, 10))
			}
			assert.Equal(t, 9900, l.Prune())
			assert.Equal(t, uint64(9900), l.Stats().EvictedIdle)
			assert.Equal(t, 100, l.Len())
			for key := range 100 {
				require.False(t, l.Allow(key*7))
			}
			assert.Less(t, slots(l), 100*16+len(l.shards)*(fewest+1))
			verify(t, l)
		})
	}
}

func TestBoundsOfTheShards(t *testing.T) {
	for _, keys := range []int{1, 2, 63, 64, 127, 128, 1000, 1023, 1024, 65536, 100_000, 1 << 20} {
		l := mustNew(t, Config[int]{Limit: Limit{Rate: tokenbucket.PerHour(1)}, MaxKeys: keys})
		most := 0
		for i := range l.shards {
			most += l.shards[i].most
			assert.GreaterOrEqual(t, l.shards[i].most, min(keys, 64))
		}
		assert.Equal(t, keys, most)
		assert.Zero(t, len(l.shards)&(len(l.shards)-1))
		if keys <= 65536 {
			for key := range 3 * keys {
				require.True(t, l.Allow(key))
			}
			assert.LessOrEqual(t, l.Len(), keys)
			verify(t, l)
		}
	}
}
