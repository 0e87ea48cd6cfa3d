package ttlcache

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An entry is there a nanosecond before its deadline and gone at it, for every method, whether or not anything has been
// cleaned up. golang-lru's expirable and otter (maypok86/otter#234, #268) had it live at the exact deadline, expirable
// counts expired entries in Len, Contains and Keys, phuslu's Peek returns them, go-freelru revives them.
func TestEveryMethodExpiresAtTheDeadline(t *testing.T) {
	present := map[string]func(c *Cache[int, int]) bool{
		"Get":      func(c *Cache[int, int]) bool { v, ok := c.Get(1); return ok && v == 10 },
		"Peek":     func(c *Cache[int, int]) bool { v, ok := c.Peek(1); return ok && v == 10 },
		"Contains": func(c *Cache[int, int]) bool { return c.Contains(1) },
		"TTL":      func(c *Cache[int, int]) bool { left, ok := c.TTL(1); return ok && left == 1 },
		"Expire":   func(c *Cache[int, int]) bool { return c.Expire(1, time.Hour) },
		"Expire 0": func(c *Cache[int, int]) bool { return c.Expire(1, 0) },
		"Delete":   func(c *Cache[int, int]) bool { v, ok := c.Delete(1); return ok && v == 10 },
		"GetOrSet": func(c *Cache[int, int]) bool { _, ok := c.GetOrSet(1, 11); return ok },
		"Len":      func(c *Cache[int, int]) bool { return c.Len() == 1 },
		"All":      func(c *Cache[int, int]) bool { return len(slices.Collect(c.Values())) == 1 },
		"Keys":     func(c *Cache[int, int]) bool { return len(slices.Collect(c.Keys())) == 1 },
		"Backward": func(c *Cache[int, int]) bool {
			n := 0
			for range c.Backward() {
				n++
			}
			return n == 1
		},
		"GetOrLoad": func(c *Cache[int, int]) bool {
			v, err := c.GetOrLoad(context.Background(), 1, func(context.Context, int) (int, error) { return 11, nil })
			return err == nil && v == 10
		},
		"Set":   func(c *Cache[int, int]) bool { c.Set(1, 11); return c.Stats().Updates == 1 },
		"Clear": func(c *Cache[int, int]) bool { c.Clear(); return c.Stats().Deletes == 1 },
	}
	lives := []time.Duration{1, 2, 63, 64, 65, 99, time.Microsecond, time.Millisecond, time.Second, time.Hour, 1 << 55}
	for name, call := range present {
		for _, life := range lives {
			bubble(t, func(t *testing.T) {
				c := mustNew(t, Config[int, int]{Capacity: 4, TTL: life})
				c.Set(1, 10)
				sleep(life - 1)
				assert.True(t, call(c), "%s before the deadline, life %v", name, life)
				validate(t, c)
				c.Clear()

				late := mustNew(t, Config[int, int]{Capacity: 4, TTL: life, CleanupInterval: math.MaxInt64})
				late.Set(1, 10)
				stopTimer(late) // nothing is cleaned up
				sleep(life)
				assert.False(t, call(late), "%s at the deadline, life %v", name, life)
				late.Clear()
				validate(t, late)
			})
		}
	}
}

func TestNoExpiryAndOverflowMeanNever(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: NoExpiry, Jitter: 0.9})
		sleep(time.Hour)
		c.Set(1, 1)
		c.SetTTL(2, 2, math.MaxInt64-1) // maypok86/otter#204: the sum overflows
		c.SetTTL(3, 3, time.Second)
		c.Expire(3, NoExpiry)
		for k := 1; k <= 3; k++ {
			left, ok := c.TTL(k)
			assert.True(t, ok)
			assert.Equal(t, NoExpiry, left, "key %d", k)
		}
		assert.Equal(t, never, alarmAt(c), "no timer: nothing can expire")
		validate(t, c)
		sleep(200 * 365 * 24 * time.Hour)
		assert.Equal(t, []int{1, 2, 3}, keys(t, c))
	})
}

// jellydator/ttlcache: Set(k, v, -5s) never expires. expirable and theine take 0 for "for ever".
func TestNonPositiveTTLIsRefused(t *testing.T) {
	for _, ttl := range []time.Duration{0, -1, -5 * time.Second, math.MinInt64} {
		bubble(t, func(t *testing.T) {
			var r recorder
			c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Hour, OnEvict: r.hook})
			assert.False(t, c.SetTTL(1, 10, ttl))
			assert.Equal(t, []event{{1, 10, Rejected}}, r.take())
			c.Set(1, 11)
			assert.False(t, c.SetTTL(1, 12, ttl))
			assert.Equal(t, []event{{1, 11, Deleted}, {1, 12, Rejected}}, r.take())
			assert.Empty(t, keys(t, c))
			c.Set(1, 13)
			assert.True(t, c.Expire(1, ttl))
			assert.Equal(t, []event{{1, 13, Expired}}, r.take())
			assert.False(t, c.Expire(1, ttl))
			assert.Empty(t, keys(t, c))
			assert.Equal(t, Stats{Inserts: 2, Rejected: 2, Deletes: 1, Expirations: 1}, c.Stats())
		})
	}
}

// A Set starts a new life; neither a longer nor a shorter one leaves a trace.
func TestSetStartsANewLife(t *testing.T) {
	for _, first := range []time.Duration{time.Second, 5 * time.Second, time.Hour, NoExpiry} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{Capacity: 4, TTL: 5 * time.Second, Sliding: true})
			c.SetTTL(1, 10, first)
			sleep(time.Second - 1)
			c.Set(1, 11)
			left, _ := c.TTL(1)
			assert.Equal(t, 5*time.Second, left)
			sleep(5*time.Second - 1)
			assert.True(t, c.Contains(1))
			sleep(1)
			assert.False(t, c.Contains(1))
		})
	}
}

func TestSliding(t *testing.T) {
	for name, hit := range map[string]func(c *Cache[int, int]){
		"Get":      func(c *Cache[int, int]) { c.Get(1) },
		"GetOrSet": func(c *Cache[int, int]) { c.GetOrSet(1, 0) },
		"GetOrLoad": func(c *Cache[int, int]) {
			_, _ = c.GetOrLoad(context.Background(), 1, func(context.Context, int) (int, error) { return 0, nil })
		},
	} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Hour, Sliding: true})
			c.SetTTL(1, 10, 10*time.Second)
			for range 20 {
				sleep(10*time.Second - 1)
				hit(c)
				left, _ := c.TTL(1)
				require.Equal(t, 10*time.Second, left, "%s restarts the entry's own life", name)
			}
			c.Expire(1, 3*time.Second)
			sleep(2 * time.Second)
			hit(c)
			left, _ := c.TTL(1)
			require.Equal(t, 3*time.Second, left, "the life that Expire gave")
			validate(t, c)
			sleep(3 * time.Second)
			hit(c) // a stale or expired entry is never extended
			value, _ := c.Peek(1)
			require.Zero(t, value, "a new value at most")

			fixed := mustNew(t, Config[int, int]{Capacity: 4, TTL: 10 * time.Second})
			fixed.Set(1, 10)
			sleep(9 * time.Second)
			hit(fixed)
			left, _ = fixed.TTL(1)
			require.Equal(t, time.Second, left, "%s does not slide unless asked (jellydator/ttlcache#19)", name)
			sleep(time.Hour)
		})
	}
}

// A sliding life may become so long that it never ends.
func TestSlidingIntoEternity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: NoExpiry - 1, Sliding: true})
		c.Set(1, 1)
		left, _ := c.TTL(1)
		assert.Equal(t, NoExpiry-1, left)
		sleep(time.Second)
		c.Get(1)
		left, _ = c.TTL(1)
		assert.Equal(t, NoExpiry, left)
		sleep(290 * 365 * 24 * time.Hour)
		assert.Equal(t, 1, c.Len())
		assert.Equal(t, never, alarmAt(c))
		validate(t, c)
		c.Clear()
	})
}

// A sliding entry is rescheduled once in a life, however often it is hit, and leaves on time.
func TestSlidingEntryLeavesOnTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gone := time.Time{}
		c := mustNew(t, Config[int, int]{
			Capacity: 4, TTL: 10 * time.Second, Sliding: true,
			OnEvict: func(int, int, Reason) { gone = time.Now() },
		})
		c.Set(1, 1)
		for range 100 {
			sleep(777 * time.Millisecond)
			c.Get(1)
		}
		last := time.Now()
		sleep(time.Minute)
		late := gone.Sub(last) - 10*time.Second
		assert.GreaterOrEqual(t, late, time.Duration(0))
		assert.LessOrEqual(t, late, time.Second)
	})
}

func TestExpire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Minute})
		c.Set(1, 1)
		c.Set(2, 2)
		before := c.Stats()
		assert.False(t, c.Expire(3, time.Hour), "absent")
		assert.True(t, c.Expire(1, time.Second), "earlier")
		assert.True(t, c.Expire(2, time.Hour), "later")
		assert.Equal(t, before, c.Stats())
		assert.Equal(t, []int{1, 2}, keys(t, c), "no promotion")
		sleep(time.Second)
		assert.False(t, c.Expire(1, time.Hour), "an expired entry is not revived (maypok86/otter#249)")
		assert.False(t, c.Contains(1))
		sleep(time.Hour - time.Second - 1)
		assert.True(t, c.Contains(2))
		sleep(1)
		assert.False(t, c.Contains(2))
	})
}

func TestJitterOnlyShortens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const ttl, jitter = 1000 * time.Second, 0.25
		c := mustNew(t, Config[int, int]{Capacity: 5000, TTL: ttl, Jitter: jitter})
		least, most, sum := ttl, time.Duration(0), time.Duration(0)
		for k := range 4000 {
			switch k % 3 {
			case 0:
				c.Set(k, k)
			case 1:
				c.GetOrSet(k, k)
			default:
				_, err := c.GetOrLoad(t.Context(), k, func(context.Context, int) (int, error) { return k, nil })
				require.NoError(t, err)
			}
			left, ok := c.TTL(k)
			require.True(t, ok)
			least, most, sum = min(least, left), max(most, left), sum+left
		}
		assert.LessOrEqual(t, most, ttl)
		assert.Greater(t, least, 750*time.Second)
		assert.Less(t, least, 755*time.Second, "the whole range is used")
		assert.Greater(t, most, 995*time.Second)
		assert.InDelta(t, 875, (sum / 4000).Seconds(), 5, "uniformly")
		c.SetTTL(1, 1, ttl)
		left, _ := c.TTL(1)
		assert.Equal(t, ttl, left, "SetTTL is exact")
		c.Expire(1, ttl-1)
		left, _ = c.TTL(1)
		assert.Equal(t, ttl-1, left, "and so is Expire")
	})
}

func TestJitteredLifeIsPositive(t *testing.T) {
	for _, ttl := range []time.Duration{1, 2, 3, math.MaxInt64 - 1} {
		for range 1000 {
			life := jittered(ttl, 0.9999999)
			require.Positive(t, life)
			require.LessOrEqual(t, life, ttl)
		}
	}
	assert.Equal(t, NoExpiry, jittered(NoExpiry, 0.5))
}

// A cache made outside a bubble reads times decades before it was made.
func TestMadeOutsideOfTheBubble(t *testing.T) {
	c := mustNew(t, Config[int, int]{Capacity: 4, TTL: NoExpiry})
	c.Set(1, 1)
	bubble(t, func(t *testing.T) {
		assert.True(t, c.Contains(1))
		c.SetTTL(2, 2, time.Hour)
		left, _ := c.TTL(2)
		assert.Equal(t, time.Hour, left)
		sleep(time.Hour - 1)
		assert.True(t, c.Contains(2))
		sleep(1)
		assert.False(t, c.Contains(2))
		synctest.Wait()
		assert.Equal(t, 1, held(c), "and it was removed by the timer")
		c.Clear()
	})
}

// Calls that read the clock before others, and get the lock after them, do not
// go back in time.
func TestOlderClockReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: time.Second})
		c.Set(1, 1)
		stopTimer(c) // no other goroutine
		s := &c.store
		s.enter(int64(time.Second)) // somebody has seen it expired
		s.enter(int64(time.Second) - 1)
		assert.Zero(t, s.find(c.hash(1), 1))
		s.enter(unread)
		assert.Equal(t, int64(time.Second), s.now)
		sleep(2 * time.Second)
		c.SetTTL(1, 1, time.Hour)
		s.now = unread
		s.enter(unread)
		assert.Equal(t, int64(2*time.Second), s.now, "a call that saw nothing expiring reads the clock after all")
		c.Clear()
	})
}
