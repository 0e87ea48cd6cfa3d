package ttlcache

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With no call at all an entry is removed and reported, not before its time and at most an interval after it. Without
// Start, which is easily forgotten (jellydator/ttlcache).
func TestCleanupIsOnTime(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Millisecond, 7 * time.Millisecond, time.Second, time.Minute} {
		for _, keep := range []time.Duration{0, 3 * time.Second} {
			bubble(t, func(t *testing.T) {
				start := time.Now()
				left := map[int]time.Duration{}
				c := mustNew(t, Config[int, int]{
					Capacity: 1000, TTL: time.Hour, CleanupInterval: interval, StaleIfError: keep,
					OnEvict: func(k, _ int, r Reason) {
						assert.Equal(t, Expired, r)
						left[k] = time.Since(start)
					},
				})
				due := map[int]time.Duration{}
				for k := range 300 {
					ttl := time.Duration(k*k*k+1) * 997 * time.Microsecond
					c.SetTTL(k, k, ttl)
					due[k] = time.Since(start) + ttl + keep
					if k%10 == 0 {
						sleep(time.Duration(k) * time.Millisecond)
					}
				}
				sleep(10 * time.Hour)
				most := interval
				if most == 0 {
					most = time.Second
				}
				require.Len(t, left, 300)
				for k, at := range left {
					require.GreaterOrEqual(t, at, due[k])
					require.LessOrEqual(t, at, due[k]+most, "key %d, interval %v", k, interval)
				}
				assert.Equal(t, never, alarmAt(c))
				validate(t, c)
			})
		}
	}
}

// One entry is removed exactly at its time.
func TestSingleEntryLeavesAtItsDeadline(t *testing.T) {
	for _, ttl := range []time.Duration{1, time.Second, 100 * 365 * 24 * time.Hour} {
		bubble(t, func(t *testing.T) {
			start, at := time.Now(), time.Duration(0)
			c := mustNew(t, Config[int, int]{Capacity: 1, TTL: ttl, OnEvict: func(int, int, Reason) { at = time.Since(start) }})
			c.Set(1, 1)
			sleep(ttl)
			assert.Equal(t, ttl, at)
			assert.Zero(t, c.Stats().Inserts-c.Stats().Expirations)
		})
	}
}

// A deadline that moves earlier reaches the wheel and the timer (maypok86/otter#209: it did not).
func TestEarlierDeadlineIsHeard(t *testing.T) {
	for name, move := range map[string]func(c *Cache[int, int]){
		"Expire":      func(c *Cache[int, int]) { c.Expire(1, time.Second) },
		"SetTTL":      func(c *Cache[int, int]) { c.SetTTL(1, 1, time.Second) },
		"another key": func(c *Cache[int, int]) { c.Delete(1); c.SetTTL(2, 1, time.Second) },
	} {
		bubble(t, func(t *testing.T) {
			start := time.Now()
			var at time.Duration
			c := mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Hour, OnEvict: func(_, _ int, r Reason) {
				if r == Expired {
					at = time.Since(start)
				}
			}})
			c.Set(1, 1)
			c.SetTTL(3, 3, 2*time.Hour)
			move(c)
			sleep(time.Minute)
			assert.Equal(t, time.Second, at, name)
			validate(t, c)
			c.Clear()
		})
	}
}

// The timer rings at most once an interval, whatever expires.
func TestCleanupsKeepTheirDistance(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var rings []time.Time
		c := mustNew(t, Config[int, int]{Capacity: 10_000, TTL: time.Hour, CleanupInterval: time.Minute})
		ring := c.store.alarm.ring
		c.store.alarm.ring = func() {
			rings = append(rings, time.Now())
			ring()
		}
		for k := range 5000 {
			c.SetTTL(k, k, time.Duration(k+1)*time.Second)
			c.Get(k)
		}
		sleep(2 * time.Hour)
		for i := 1; i < len(rings); i++ {
			require.GreaterOrEqual(t, rings[i].Sub(rings[i-1]), time.Minute)
		}
		assert.Greater(t, len(rings), 50)
		assert.Zero(t, held(c))
	})
}

// The timer exists only while something can expire.
func TestTimerStopsWhenNothingCanExpire(t *testing.T) {
	for name, empty := range map[string]func(c *Cache[int, int]){
		"Delete":            func(c *Cache[int, int]) { c.Delete(1) },
		"Clear":             func(c *Cache[int, int]) { c.Clear() },
		"Expire, NoExpiry":  func(c *Cache[int, int]) { c.Expire(1, NoExpiry) },
		"Expire, 0":         func(c *Cache[int, int]) { c.Expire(1, 0) },
		"SetTTL, NoExpiry":  func(c *Cache[int, int]) { c.SetTTL(1, 1, NoExpiry) },
		"SetTTL, 0":         func(c *Cache[int, int]) { c.SetTTL(1, 1, 0) },
		"evicted for good":  func(c *Cache[int, int]) { c.SetTTL(2, 2, NoExpiry) },
		"expired":           func(*Cache[int, int]) { sleep(2 * time.Hour) },
		"expired, overfull": func(c *Cache[int, int]) { sleep(time.Hour); c.SetTTL(2, 2, NoExpiry) },
	} {
		bubble(t, func(t *testing.T) {
			c := mustNew(t, Config[int, int]{Capacity: 1, TTL: time.Hour})
			assert.Nil(t, c.store.alarm.timer, "none before the first deadline")
			c.SetTTL(9, 9, NoExpiry)
			assert.Nil(t, c.store.alarm.timer)
			c.Delete(9)
			c.Set(1, 1)
			assert.NotNil(t, c.store.alarm.timer)
			empty(c)
			synctest.Wait()
			validate(t, c)
			assert.Equal(t, never, alarmAt(c), name)
			assert.False(t, c.store.alarm.timer.Stop(), "%s: the timer is not running", name)
		})
	}
}

// An insertion into a full cache takes the room of an expired entry before that of a live one.
func TestExpiredEntriesMakeRoomFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 4, TTL: NoExpiry, OnEvict: r.hook, CleanupInterval: time.Hour})
		c.Set(1, 1)
		c.SetTTL(2, 2, 2*time.Second)
		c.SetTTL(3, 3, time.Second)
		c.Set(4, 4)
		stopTimer(c)
		sleep(2 * time.Second)
		c.Set(5, 5)
		assert.Equal(t, []event{{3, 3, Expired}}, r.take())
		c.Set(6, 6)
		assert.Equal(t, []event{{2, 2, Expired}}, r.take())
		c.Set(7, 7)
		assert.Equal(t, []event{{1, 1, Evicted}}, r.take())
		assert.Equal(t, []int{4, 5, 6, 7}, keys(t, c))
		assert.LessOrEqual(t, held(c), c.Cap())
	})
}

// The search for an expired entry is bounded: beyond it the least recent leaves.
func TestSearchForRoomIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 3 * searchSteps
		c := mustNew(t, Config[int, int]{Capacity: n, TTL: time.Hour, CleanupInterval: 10 * time.Hour})
		c.SetTTL(-1, 0, 1)
		sleep(1)
		c.Len()
		for k := range n {
			c.SetTTL(k, k, time.Hour+time.Duration(k))
		}
		sleep(time.Hour - 1) // all are in slots that have begun
		c.Set(n, n)
		assert.Equal(t, uint64(1), c.Stats().Evictions)
		assert.Equal(t, n, c.Len())
		validate(t, c)
		c.Clear()
	})
}

// A sweep stops after its steps, goes on where it was, and loses nothing.
func TestSweepInParts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 10*sweepSteps + 7
		told, holds := 0, 0
		var c *Cache[int, int]
		c = mustNew(t, Config[int, int]{Capacity: n, TTL: time.Second, OnEvict: func(k, _ int, r Reason) {
			told++
			if held := held(c); told%sweepSteps == 1 {
				assert.Equal(t, max(n-(holds+1)*sweepSteps, 0), held, "a part of the entries under each hold")
				holds++
			}
		}})
		for k := range n {
			c.Set(k, k)
		}
		sleep(time.Second)
		assert.Equal(t, n, told)
		assert.Equal(t, 11, holds)
		validate(t, c)
	})
}

// Entries that are only brought to a lower level of the wheel count as well: no hold of the lock takes more than its
// steps, however many entries a slot has.
func TestCascadeInParts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 4 * sweepSteps
		c := mustNew(t, Config[int, int]{Capacity: n, TTL: time.Hour})
		for k := range n {
			c.Set(k, k)
		}
		stopTimer(c)
		slot, start := c.store.wheel.earliest()
		sleep(time.Duration(instant(start) - c.store.now))
		assert.Equal(t, uint16(slot+1), c.store.wheel.table.At(1).Value.slot, "all in one slot, which has begun")
		c.store.enter(c.readClock())
		for part := 1; part <= 4; part++ {
			assert.False(t, c.store.sweep(nil), "part %d: the steps are used up", part)
			lower := 0
			for i := uint32(1); i <= n; i++ {
				if c.store.table.At(i).Value.slot != uint16(slot+1) {
					lower++
				}
			}
			assert.Equal(t, part*sweepSteps, lower)
		}
		assert.True(t, c.store.sweep(nil))
		assert.Equal(t, n, c.Len())
		c.Clear()
	})
}

// Len is exact at any moment, and what it removes is reported by it.
func TestLenReportsWhatItRemoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 9, TTL: time.Second, OnEvict: r.hook, CleanupInterval: time.Hour})
		c.Set(1, 10)
		c.SetTTL(2, 20, time.Hour)
		stopTimer(c)
		sleep(time.Second - 1)
		assert.Equal(t, 2, c.Len())
		assert.Empty(t, r.take())
		sleep(1)
		assert.Equal(t, 1, c.Len())
		assert.Equal(t, []event{{1, 10, Expired}}, r.take())
		c.Clear()
	})
}

// A hook that ends the timer's goroutine ends this cleanup, not the cleaning.
func TestGoexitInTheCleanup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		told := 0
		c := mustNew(t, Config[int, int]{Capacity: 10_000, TTL: time.Second, OnEvict: func(int, int, Reason) {
			told++
			runtime.Goexit()
		}})
		for k := range 2 * sweepSteps {
			c.Set(k, k)
		}
		sleep(10 * time.Second)
		assert.Equal(t, 2*sweepSteps, told)
		assert.Zero(t, held(c))
		validate(t, c)
	})
}

// A cache that is dropped is collected with its values, though its entries have years to live and nobody called Close
// (hashicorp/golang-lru#159: a goroutine for ever; jellydator/ttlcache#185).
func TestDroppedCachesAreCollected(t *testing.T) {
	const n = 1000
	refs := make([]weak.Pointer[Cache[int, *[64]byte]], n)
	values := make([]weak.Pointer[[64]byte], n)
	before := runtime.NumGoroutine()
	for i := range n {
		c := mustNew(t, Config[int, *[64]byte]{Capacity: 10, TTL: 100 * 365 * 24 * time.Hour})
		value := new([64]byte)
		c.Set(1, value)
		require.NotNil(t, c.store.alarm.timer)
		refs[i], values[i] = weak.Make(c), weak.Make(value)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "no goroutine at rest")
	runtime.GC()
	runtime.GC()
	for i := range n {
		require.Nil(t, refs[i].Value())
		require.Nil(t, values[i].Value())
	}
}

// The timer of a cache that is gone does nothing.
func TestTimerOfACollectedCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ring := func() func() {
			c := mustNew(t, Config[int, int]{Capacity: 1, TTL: time.Second})
			c.Set(1, 1)
			return c.store.alarm.ring
		}()
		runtime.GC()
		runtime.GC()
		assert.NotPanics(t, ring)
		sleep(time.Minute)
	})
}

// Only the monotonic clock is read: time.Now stands in New alone, and no test of the sources finds another.
func TestOnlyTheMonotonicClockIsRead(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	count := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		count += strings.Count(string(text), "time.Now()")
		for _, wall := range []string{".UnixNano", ".Unix()", "time.Until", "AddCleanup", "NewTicker", "SetFinalizer"} {
			assert.NotContains(t, string(text), wall, file)
		}
	}
	assert.Equal(t, 1, count)
}

// A clock that stands still, or that a bubble sets back, stalls nothing.
func TestClockStandsStill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := mustNew(t, Config[int, int]{Capacity: 100, TTL: 1})
		c.store.now = math.MaxInt64 / 2 // as if a later time had been read
		for k := range 300 {
			c.Set(k, k)
			validate(t, c)
		}
		assert.Equal(t, 100, c.Len())
		c.Clear()
	})
}

// The hook of every call runs without the lock and may call everything (hashicorp/golang-lru#230: expirable deadlocks;
// jellydator/ttlcache's GetOrSetFunc as well).
func TestHookOfEveryCallMayUseTheCache(t *testing.T) {
	notFound := func(context.Context, int) (int, error) { return 0, ErrNotFound }
	for name, call := range map[string]func(c *Cache[int, int]){
		"Set, replaced":     func(c *Cache[int, int]) { c.Set(1, 2) },
		"Set, evicted":      func(c *Cache[int, int]) { c.Set(9, 9) },
		"SetTTL, refused":   func(c *Cache[int, int]) { c.SetTTL(9, 9, 0) },
		"GetOrSet, evicted": func(c *Cache[int, int]) { c.GetOrSet(9, 9) },
		"Delete":            func(c *Cache[int, int]) { c.Delete(1) },
		"Expire":            func(c *Cache[int, int]) { c.Expire(1, 0) },
		"Clear":             func(c *Cache[int, int]) { c.Clear() },
		"Resize":            func(c *Cache[int, int]) { _, _ = c.Resize(1) },
		"Len":               func(c *Cache[int, int]) { stopTimer(c); sleep(time.Hour); c.Len() },
		"cleanup":           func(*Cache[int, int]) { sleep(time.Hour) },
		"load": func(c *Cache[int, int]) {
			_, _ = c.GetOrLoad(context.Background(), 9, func(context.Context, int) (int, error) { return 9, nil })
		},
		"load, not found": func(c *Cache[int, int]) {
			stopTimer(c)
			sleep(time.Hour)
			_, _ = c.GetOrLoad(context.Background(), 1, notFound)
		},
	} {
		bubble(t, func(t *testing.T) {
			var c *Cache[int, int]
			var told atomic.Int32 // by the timer and by loaders too
			c = mustNew(t, Config[int, int]{Capacity: 2, TTL: time.Hour, OnEvict: func(k, v int, _ Reason) {
				if told.Add(1) > 1 {
					return // what its own doing brings
				}
				c.Get(1)
				c.GetOrSet(100, 1)
				c.Set(k, v)
				c.SetTTL(k, v, time.Minute)
				c.Expire(k, time.Minute)
				c.TTL(k)
				c.Delete(2)
				c.Len()
				c.Weight()
				c.Stats()
				for range c.All() {
					c.Set(200, 2)
				}
				_, err := c.Resize(2)
				require.NoError(t, err)
				_, err = c.GetOrLoad(t.Context(), 300, func(context.Context, int) (int, error) { return 1, nil })
				require.NoError(t, err)
				c.Clear()
			}})
			c.Set(1, 1)
			c.Set(2, 2)
			call(c)
			synctest.Wait()
			assert.Positive(t, told.Load(), name)
			validate(t, c)
			c.Clear()
		})
	}
}

// A hook that fails leaves the state whole, and the other departures are reported.
func TestHookPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		fail := map[int]bool{0: true, 2: true}
		c := mustNew(t, Config[int, int]{Capacity: 6, TTL: time.Hour, OnEvict: func(k, v int, reason Reason) {
			r.hook(k, v, reason)
			if fail[k] {
				panic(k)
			}
		}})
		for k := range 6 {
			c.Set(k, k)
		}
		assert.PanicsWithValue(t, 2, c.Clear, "the last panic reaches the caller")
		require.Len(t, r.take(), 6)
		for name, call := range map[string]func(){
			"Set": func() { c.Set(0, 2) }, "Delete": func() { c.Delete(0) }, "Expire": func() { c.Expire(0, 0) },
			"SetTTL": func() { c.SetTTL(0, 1, -1) }, "Resize": func() { c.Set(9, 9); _, _ = c.Resize(1) },
		} {
			c.Set(0, 1)
			assert.PanicsWithValue(t, 0, call, name)
			validate(t, c)
			c.Expire(0, NoExpiry)
			fail[0] = false
			c.Clear()
			fail[0] = true
			_, err := c.Resize(6)
			require.NoError(t, err)
		}
	})
}

func TestHookGoexit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		told, returned := 0, false
		c := mustNew(t, Config[int, int]{Capacity: 8, TTL: time.Hour, OnEvict: func(int, int, Reason) {
			told++
			runtime.Goexit()
		}})
		for k := range 8 {
			c.Set(k, k)
		}
		go func() {
			c.Clear()
			returned = true
		}()
		synctest.Wait()
		assert.False(t, returned)
		assert.Equal(t, 8, told)
		validate(t, c)
	})
}

// jellydator/ttlcache reports nothing on overwrite (#202), and DeleteAll leaves the cost (#221).
func TestReasons(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r recorder
		c := mustNew(t, Config[int, int]{
			Capacity: 2, TTL: time.Second, OnEvict: r.hook, CleanupInterval: time.Hour, StaleIfError: time.Minute,
			MaxWeight: 10, Weigh: func(int, int) int64 { return 1 },
		})
		c.Set(1, 10)
		c.Set(1, 10)
		assert.Equal(t, []event{{1, 10, Replaced}}, r.take(), "an equal value too")
		c.Set(2, 20)
		c.Set(3, 30)
		assert.Equal(t, []event{{1, 10, Evicted}}, r.take())
		c.Delete(2)
		assert.Equal(t, []event{{2, 20, Deleted}}, r.take())
		sleep(time.Second) // 3 is stale
		c.Set(3, 31)
		assert.Equal(t, []event{{3, 30, Expired}}, r.take(), "not Replaced")
		c.Set(4, 40)
		sleep(time.Second)
		c.Set(5, 50)
		assert.Equal(t, []event{{3, 31, Expired}}, r.take(), "not Evicted")
		c.Delete(4)
		assert.Equal(t, []event{{4, 40, Expired}}, r.take(), "not Deleted")
		c.Set(6, 60)
		c.SetTTL(6, 61, 0)
		assert.Equal(t, []event{{6, 60, Deleted}, {6, 61, Rejected}}, r.take())
		sleep(time.Second)
		c.Clear()
		assert.Equal(t, []event{{5, 50, Expired}}, r.take())
		assert.Zero(t, c.Weight())
		assert.Equal(t, Stats{Inserts: 7, Updates: 1, Evictions: 1, Deletes: 2, Expirations: 4, Rejected: 1}, c.Stats())
	})
}

// The table renumbers its entries when it shrinks; the wheel follows.
func TestShrinkRebuildsTheWheel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n, rest = 3000, 100
		c := mustNew(t, Config[int, int]{Capacity: n, TTL: time.Hour})
		for k := range n {
			c.SetTTL(k, k, time.Duration(k+1)*time.Second)
		}
		for k := range n - rest {
			c.Delete(n - 1 - k)
			if k%100 == 0 {
				validate(t, c)
			}
		}
		validate(t, c)
		for left := rest; left > 0; left-- {
			require.Equal(t, left, c.Len())
			sleep(time.Second)
		}
		assert.Zero(t, c.Len())
	})
}
