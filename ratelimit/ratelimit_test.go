package ratelimit

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

const year = 365 * 24 * time.Hour

var algorithms = []Algorithm{TokenBucket, SlidingWindow, SlidingLog, FixedWindow}

func mustNew[K comparable](tb testing.TB, cfg Config[K]) *Limiter[K] {
	tb.Helper()
	l, err := New(cfg)
	require.NoError(tb, err)
	return l
}

// limiter is one of string keys, of n tokens a second.
func limiter(tb testing.TB, a Algorithm, n int64) *Limiter[string] {
	tb.Helper()
	return mustNew(tb, Config[string]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerSecond(n)}})
}

// mustTake is Take without an error.
func mustTake[K comparable](tb testing.TB, l *Limiter[K], key K, n int64) Result {
	tb.Helper()
	r, err := l.Take(tb.Context(), key, n)
	require.NoError(tb, err)
	return r
}

func perSecond(n int64) Limit { return Limit{Rate: tokenbucket.PerSecond(n)} }

var badConfigs = []struct {
	name string
	cfg  Config[string]
	want string
}{
	{"zero", Config[string]{}, "Limit.Rate must be at least 1 token, got 0 per 0s"},
	{"unknown algorithm", Config[string]{Algorithm: 4, Limit: perSecond(1)}, "Algorithm must be one of the constants, got Algorithm(4)"},
	{"last algorithm", Config[string]{Algorithm: 255, Limit: perSecond(1)}, "Algorithm must be one of the constants, got Algorithm(255)"},
	{"no tokens", Config[string]{Limit: Limit{Rate: tokenbucket.PerSecond(0), Burst: 1}}, "Limit.Rate must be at least 1 token, got 0 per 1s"},
	{"negative tokens", Config[string]{Limit: perSecond(-1)}, "Limit.Rate must be at least 1 token, got -1 per 1s"},
	{"smallest tokens", Config[string]{Limit: perSecond(math.MinInt64)}, "Limit.Rate must be at least 1 token, got -9223372036854775808 per 1s"},
	{"largest tokens", Config[string]{Limit: perSecond(math.MaxInt64)}, "Limit.Rate must be at most 10 tokens per nanosecond, got 9223372036854775807 per 1s"},
	{"per zero", Config[string]{Limit: Limit{Rate: tokenbucket.Every(0)}}, "Limit.Rate must be per at least 1ns, got 1 per 0s"},
	{"per negative", Config[string]{Limit: Limit{Rate: tokenbucket.Every(-1)}}, "Limit.Rate must be per at least 1ns, got 1 per -1ns"},
	{"per of eleven years", Config[string]{Limit: Limit{Rate: tokenbucket.Rate{Tokens: 11e9, Per: 11 * year}, Burst: 1}}, "Limit.Rate must be per at most 10 years, got 11000000000 per 96360h0m0s"},
	{"negative burst", Config[string]{Limit: Limit{Rate: tokenbucket.PerSecond(1), Burst: -1}}, "Limit.Burst must be at least 1, or 0 for Rate.Tokens, got -1"},
	{"smallest burst", Config[string]{Limit: Limit{Rate: tokenbucket.PerSecond(1), Burst: math.MinInt64}}, "Limit.Burst must be at least 1, or 0 for Rate.Tokens, got -9223372036854775808"},
	{"largest burst", Config[string]{Limit: Limit{Rate: tokenbucket.PerSecond(1), Burst: math.MaxInt64}}, "Limit.Burst must be at most what Rate fills in 10 years, got 9223372036854775807 at 1 per 1s"},
	{"burst of a window", Config[string]{Algorithm: FixedWindow, Limit: Limit{Rate: tokenbucket.PerSecond(5), Burst: 5}}, "Limit.Burst must be 0 with a fixed window, got 5"},
	{"burst of a sliding window", Config[string]{Algorithm: SlidingWindow, Limit: Limit{Rate: tokenbucket.PerSecond(5), Burst: 1}}, "Limit.Burst must be 0 with a sliding window, got 1"},
	{"burst of a log", Config[string]{Algorithm: SlidingLog, Limit: Limit{Rate: tokenbucket.PerSecond(5), Burst: 1}}, "Limit.Burst must be 0 with a sliding log, got 1"},
	{"negative keys", Config[string]{Limit: perSecond(1), MaxKeys: -1}, "MaxKeys must be 1 to 67108864, or 0 for 65536, got -1"},
	{"smallest keys", Config[string]{Limit: perSecond(1), MaxKeys: math.MinInt}, ""},
	{"too many keys", Config[string]{Limit: perSecond(1), MaxKeys: 1<<26 + 1}, "MaxKeys must be 1 to 67108864, or 0 for 65536, got 67108865"},
	{"largest keys", Config[string]{Limit: perSecond(1), MaxKeys: math.MaxInt}, ""},
	{"too many stamps", Config[string]{Algorithm: SlidingLog, Limit: perSecond(1025), MaxKeys: 1 << 17}, "MaxKeys must be at most 134217728/Limit.Rate.Tokens with a sliding log, got 131072 keys of 1025 tokens"},
	{"too many stamps by default", Config[string]{Algorithm: SlidingLog, Limit: perSecond(2049)}, "MaxKeys must be at most 134217728/Limit.Rate.Tokens with a sliding log, got 65536 keys of 2049 tokens"},
}

func TestNewRejects(t *testing.T) {
	for _, tt := range badConfigs {
		l, err := New(tt.cfg)
		assert.Nil(t, l, tt.name)
		require.ErrorIs(t, err, ErrConfig, tt.name)
		if tt.want != "" {
			require.EqualError(t, err, "ratelimit: invalid config: "+tt.want, tt.name)
		}
		assert.ErrorContains(t, err, "ratelimit: invalid config: ", tt.name)
	}
}

func TestNewAccepts(t *testing.T) {
	for _, cfg := range []Config[string]{
		{Limit: perSecond(1)},
		{Limit: Limit{Rate: tokenbucket.Rate{Tokens: 1, Per: 10 * year}}},
		{Limit: Limit{Rate: tokenbucket.Rate{Tokens: 10, Per: 1}, Burst: 3_153_600_000_000_000_000}},
		{Limit: perSecond(1), MaxKeys: 1},
		{Algorithm: SlidingLog, Limit: perSecond(1024), MaxKeys: 1 << 17},
		{Algorithm: SlidingLog, Limit: perSecond(2048)},
		{Algorithm: SlidingLog, Limit: perSecond(1 << 27), MaxKeys: 1},
		{Algorithm: SlidingWindow, Limit: Limit{Rate: tokenbucket.Rate{Tokens: 3_153_600_000_000_000_000, Per: 10 * year}}},
	} {
		l, err := New(cfg)
		require.NoError(t, err, "%+v", cfg)
		assert.True(t, l.Allow("a"), "%+v", cfg)
	}
}

func TestNewReservesNothing(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := mustNew(t, Config[string]{Limit: perSecond(1), MaxKeys: 1 << 26})
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	assert.True(t, l.Allow("a"))
}

func TestNilAndZeroLimiterPanic(t *testing.T) {
	for want, l := range map[string]*Limiter[string]{
		"ratelimit: nil Limiter":             nil,
		"ratelimit: Limiter not made by New": {},
	} {
		for name, call := range map[string]func(){
			"Allow":    func() { l.Allow("a") },
			"AllowN":   func() { l.AllowN("a", 0) },
			"Take":     func() { _, _ = l.Take(t.Context(), "a", 1) },
			"Return":   func() { l.Return("a", 1) },
			"Delete":   func() { l.Delete("a") },
			"Clear":    func() { l.Clear() },
			"Prune":    func() { l.Prune() },
			"SetLimit": func() { _ = l.SetLimit(perSecond(1)) },
			"Len":      func() { l.Len() },
			"All":      func() { l.All() },
			"Stats":    func() { l.Stats() },
		} {
			assert.PanicsWithValue(t, want, call, name)
		}
	}
}

// The answers of a key through one second, to the nanosecond.
func TestTokenBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, Config[string]{Limit: Limit{Rate: tokenbucket.PerSecond(10), Burst: 5}})
		assert.Equal(t, Result{OK: true, Limit: 5, Remaining: 5, Window: 500 * time.Millisecond}, mustTake(t, l, "a", 0))
		assert.Equal(t, Result{OK: true, Limit: 5, Remaining: 1, Window: 500 * time.Millisecond, ResetAfter: 400 * time.Millisecond}, mustTake(t, l, "a", 4))
		refused := Result{Limit: 5, Remaining: 1, Window: 500 * time.Millisecond, RetryAfter: 100 * time.Millisecond, ResetAfter: 400 * time.Millisecond}
		assert.Equal(t, refused, mustTake(t, l, "a", 2))
		assert.Equal(t, refused, mustTake(t, l, "a", 2), "a refusal costs nothing")
		time.Sleep(100*time.Millisecond - 1)
		assert.False(t, l.AllowN("a", 2))
		time.Sleep(1)
		assert.True(t, l.AllowN("a", 2))
		time.Sleep(500 * time.Millisecond)
		assert.Zero(t, mustTake(t, l, "a", 0).ResetAfter)
		assert.Equal(t, 1, l.Prune(), "full is idle")
	})
}

func TestFixedWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, FixedWindow, 5)
		time.Sleep(700 * time.Millisecond) // the window is that of the key, not of the clock
		assert.Equal(t, Result{OK: true, Limit: 5, Remaining: 2, Window: time.Second, ResetAfter: time.Second}, mustTake(t, l, "a", 3))
		time.Sleep(time.Second - 1)
		assert.Equal(t, Result{Limit: 5, Remaining: 2, Window: time.Second, RetryAfter: 1, ResetAfter: 1}, mustTake(t, l, "a", 3))
		assert.True(t, l.AllowN("a", 2))
		time.Sleep(1)
		assert.True(t, l.AllowN("a", 5), "ten within a second: the price of one counter")
		assert.False(t, l.Allow("a"))
		l.Return("a", math.MaxInt64)
		assert.Equal(t, Result{OK: true, Limit: 5, Remaining: 5, Window: time.Second}, mustTake(t, l, "a", 0), "an empty window is none")
	})
}

// The example of the essay: 8 in the window before, 3 in this one.
func TestSlidingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, SlidingWindow, 10)
		require.True(t, l.AllowN("a", 8))
		time.Sleep(time.Second)
		require.True(t, l.AllowN("a", 2))
		assert.False(t, l.Allow("a"), "8 of the second before and 2 are 10")
		time.Sleep(125 * time.Millisecond) // the 8 weigh 7
		assert.Equal(t, Result{OK: true, Limit: 10, Remaining: 0, Window: time.Second, ResetAfter: 1875 * time.Millisecond}, mustTake(t, l, "a", 1))
		time.Sleep(1)
		assert.False(t, l.Allow("a"), "a little less than 7 counts as 7")
		time.Sleep(500*time.Millisecond - 1) // the 8 weigh 3
		assert.Equal(t, int64(4), mustTake(t, l, "a", 0).Remaining)
		assert.Equal(t, Result{Limit: 10, Remaining: 4, Window: time.Second, RetryAfter: 375 * time.Millisecond, ResetAfter: 1375 * time.Millisecond}, mustTake(t, l, "a", 7), "only once all of them are gone")
		assert.Equal(t, 375*time.Millisecond+time.Second-666_666_666, mustTake(t, l, "a", 8).RetryAfter, "and a third of the 3")
		time.Sleep(1375 * time.Millisecond)
		assert.Equal(t, 1, l.Prune())
	})
}

func TestSlidingLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, SlidingLog, 3)
		for range 3 {
			require.True(t, l.Allow("a"))
			time.Sleep(100 * time.Millisecond)
		}
		assert.Equal(t, Result{Limit: 3, Window: time.Second, RetryAfter: 700 * time.Millisecond, ResetAfter: 900 * time.Millisecond}, mustTake(t, l, "a", 1))
		assert.Equal(t, 800*time.Millisecond, mustTake(t, l, "a", 2).RetryAfter)
		time.Sleep(700*time.Millisecond - 1)
		assert.False(t, l.Allow("a"))
		time.Sleep(1)
		assert.True(t, l.Allow("a"))
		assert.False(t, l.Allow("a"))
		l.Return("a", 1)
		assert.True(t, l.Allow("a"), "the newest was given back")
	})
}

// What no algorithm may do: charge for a look, a refusal or nonsense.
func TestChargesNothing(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := limiter(t, a, 5)
			done, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := l.Take(done, "a", 1)
			require.ErrorIs(t, err, context.Canceled)
			_, err = l.Take(done, "a", -1)
			require.ErrorIs(t, err, context.Canceled, "a done context comes first")
			for _, n := range []int64{-1, math.MinInt64} {
				r, err := l.Take(t.Context(), "a", n)
				require.ErrorIs(t, err, ErrNegative)
				assert.Equal(t, Result{}, r)
				assert.False(t, l.AllowN("a", n))
			}
			for _, n := range []int64{6, math.MaxInt64} {
				r, err := l.Take(t.Context(), "a", n)
				require.ErrorIs(t, err, ErrExceedsLimit)
				assert.Equal(t, Result{Limit: 5, Remaining: 5, Window: time.Second}, r, "no wait would help")
				require.EqualError(t, r.Err(), "ratelimit: limit exceeded")
				assert.False(t, l.AllowN("a", n))
			}
			assert.True(t, l.AllowN("a", 0))
			assert.Equal(t, int64(5), mustTake(t, l, "a", 0).Remaining)
			assert.Equal(t, Stats{Denied: 4}, l.Stats(), "no entry, and neither looks nor negative costs are counted")
			assert.True(t, l.AllowN("a", 5))
			for range 100 {
				assert.False(t, l.Allow("a"))
			}
			_, err = l.Take(t.Context(), "a", 6)
			require.ErrorIs(t, err, ErrExceedsLimit)
			assert.Equal(t, Stats{Keys: 1, Allowed: 1, Denied: 105}, l.Stats())
			time.Sleep(2 * time.Second)
			assert.True(t, l.AllowN("a", 5), "a flood of refused calls locks nobody out")
		})
	}
}

func TestErrorsOfTheContext(t *testing.T) {
	l := limiter(t, TokenBucket, 5)
	cause := errors.New("the server drains")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := l.Take(ctx, "a", 1)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	assert.Zero(t, l.Len())
}

func TestLimitError(t *testing.T) {
	require.NoError(t, Result{OK: true}.Err())
	err := Result{RetryAfter: 1500 * time.Millisecond}.Err()
	require.EqualError(t, err, "ratelimit: limit exceeded, retry after 1.5s")
	require.ErrorIs(t, err, ErrLimited)
	require.NotErrorIs(t, err, ErrExceedsLimit)
	limited, ok := errors.AsType[*LimitError](err)
	require.True(t, ok)
	assert.Equal(t, 1500*time.Millisecond, limited.Result.RetryAfter)
}

func TestStrings(t *testing.T) {
	assert.Equal(t, "token bucket, sliding window, sliding log, fixed window",
		TokenBucket.String()+", "+SlidingWindow.String()+", "+SlidingLog.String()+", "+FixedWindow.String())
	assert.Equal(t, "Algorithm(4)", Algorithm(4).String())
	assert.Equal(t, "local, remote, cached, fallback", Local.String()+", "+Remote.String()+", "+Cached.String()+", "+Fallback.String())
	assert.Equal(t, "Source(4)", Source(4).String())
}

// Counters as wide as a quota can be.
func TestHugeQuota(t *testing.T) {
	huge := Limit{Rate: tokenbucket.Rate{Tokens: 3_153_600_000_000_000_000, Per: 10 * year}}
	for _, a := range []Algorithm{TokenBucket, SlidingWindow, FixedWindow} {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[string]{Algorithm: a, Limit: huge})
			quota := huge.quota()
			assert.False(t, l.AllowN("a", quota+1))
			assert.False(t, l.AllowN("a", math.MaxInt64))
			assert.True(t, l.AllowN("a", quota-1))
			assert.False(t, l.AllowN("a", 2))
			assert.True(t, l.Allow("a"))
			r := mustTake(t, l, "a", quota)
			assert.Positive(t, r.RetryAfter)
			assert.Zero(t, r.Remaining)
			time.Sleep(r.RetryAfter - 1)
			assert.False(t, l.AllowN("a", quota))
			time.Sleep(1)
			assert.True(t, l.AllowN("a", quota))
			verify(t, l)
		})
	}
}

// throttled v2.15.0 and clipperhouse/rate v0.5.0 multiply the quantity before they compare it: this one they admit.
func TestRegressionOverflowingQuantity(t *testing.T) {
	l := limiter(t, TokenBucket, 10)
	assert.False(t, l.AllowN("a", 18_446_744_074))
	assert.Equal(t, int64(10), mustTake(t, l, "a", 0).Remaining)
}

// A clock reading that is older than one that was used counts as that one: nothing is granted twice.
func TestOlderReadings(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := limiter(t, a, 5)
			time.Sleep(10 * time.Second)
			require.True(t, l.AllowN("a", 5))
			s, hash := l.shard("a")
			s.lock(int64(3 * time.Second)) // a goroutine that slept between the reading and the lock
			_, ok := s.charge(hash, "a", 1)
			s.mu.Unlock()
			assert.False(t, ok)
			assert.Equal(t, int64(10*time.Second), s.now)
		})
	}
}

// A limiter made outside of a bubble sees no time pass inside; one that was used in a later bubble stands still.
func TestUsedAcrossBubbles(t *testing.T) {
	for _, a := range algorithms {
		outside := limiter(t, a, 2)
		synctest.Test(t, func(t *testing.T) {
			assert.True(t, outside.AllowN("a", 2))
			time.Sleep(time.Hour)
			assert.False(t, outside.Allow("a"))
		})
	}
}

// 250 years without a call, and then the end of the clock.
func TestCenturies(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := limiter(t, a, 3)
			require.True(t, l.AllowN("a", 3))
			time.Sleep(25 * year)
			require.True(t, l.AllowN("a", 3))
			assert.False(t, l.Allow("a"))
			time.Sleep(225 * year)
			assert.LessOrEqual(t, mustTake(t, l, "a", 0).Remaining, int64(3))
			for range 4 {
				l.Allow("a")
			}
			assert.False(t, l.Allow("a"))
			assert.Positive(t, mustTake(t, l, "a", 1).RetryAfter)
			verify(t, l)
		})
	}
}

func TestSetLimitRejects(t *testing.T) {
	l := mustNew(t, Config[string]{Algorithm: SlidingLog, Limit: perSecond(5)})
	for _, bad := range []Limit{{}, perSecond(-1), {Rate: tokenbucket.PerSecond(5), Burst: 1}, perSecond(2049)} {
		require.ErrorIs(t, l.SetLimit(bad), ErrConfig)
	}
	assert.Equal(t, int64(5), mustTake(t, l, "a", 0).Limit)
}

// What was spent stays spent, for a key that is held as for one that would have been under the new limit from the start.
func TestSetLimitKeepsWhatWasSpent(t *testing.T) {
	for _, a := range algorithms {
		synctest.Test(t, func(t *testing.T) {
			l := mustNew(t, Config[string]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(10)}})
			require.True(t, l.AllowN("a", 6))
			require.NoError(t, l.SetLimit(Limit{Rate: tokenbucket.PerHour(20)}))
			assert.Equal(t, int64(14), mustTake(t, l, "a", 0).Remaining)
			require.NoError(t, l.SetLimit(Limit{Rate: tokenbucket.PerHour(7)}))
			assert.Equal(t, int64(1), mustTake(t, l, "a", 0).Remaining)
			require.NoError(t, l.SetLimit(Limit{Rate: tokenbucket.PerHour(4)}))
			r := mustTake(t, l, "a", 0)
			assert.Zero(t, r.Remaining)
			assert.Positive(t, r.RetryAfter)
			assert.Equal(t, int64(4), r.Limit)
			assert.Equal(t, int64(4), mustTake(t, l, "b", 0).Remaining, "a key that is not held has the new quota")
			verify(t, l)
		})
	}
}

// A fraction that the new unit cannot express is rounded up: changing the limit to and fro gives nobody a token.
func TestSetLimitMintsNothing(t *testing.T) {
	limits := []Limit{{Rate: tokenbucket.PerSecond(3), Burst: 10}, {Rate: tokenbucket.PerSecond(7), Burst: 10}, {Rate: tokenbucket.PerSecond(300_000_007), Burst: 10}}
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, Config[string]{Limit: limits[0]})
		require.True(t, l.AllowN("a", 10))
		time.Sleep(time.Second/3 - 1) // a hair less than a token
		for i := range 1000 {
			require.NoError(t, l.SetLimit(limits[i%len(limits)]))
			require.False(t, l.Allow("a"), i)
		}
	})
}

func TestDeleteAndClear(t *testing.T) {
	for _, a := range algorithms {
		l := mustNew(t, Config[int]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(2)}})
		for i := range 1000 {
			require.True(t, l.AllowN(i, 2))
		}
		assert.True(t, l.Delete(7))
		assert.False(t, l.Delete(7))
		assert.True(t, l.Allow(7), "a key that is not held has its whole quota")
		assert.Equal(t, 1000, l.Len())
		l.Clear()
		assert.Zero(t, l.Len())
		assert.True(t, l.AllowN(8, 2))
		assert.Equal(t, Stats{Keys: 1, Allowed: 1002}, l.Stats(), "the counters stay, and nothing was evicted")
		verify(t, l)
	}
}

func TestReturnOfNothing(t *testing.T) {
	for _, a := range algorithms {
		l := mustNew(t, Config[string]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(5)}})
		l.Return("a", 5)
		assert.Zero(t, l.Len(), "no entry")
		require.True(t, l.AllowN("a", 3))
		l.Return("a", 0)
		l.Return("a", math.MinInt64)
		assert.Equal(t, int64(2), mustTake(t, l, "a", 0).Remaining)
		l.Return("a", 1)
		assert.Equal(t, int64(3), mustTake(t, l, "a", 0).Remaining)
		l.Return("a", math.MaxInt64)
		assert.Equal(t, int64(5), mustTake(t, l, "a", 0).Remaining, "never more than the quota")
	}
}

func TestAll(t *testing.T) {
	for _, a := range algorithms {
		l := mustNew(t, Config[int]{Algorithm: a, Limit: Limit{Rate: tokenbucket.PerHour(5)}, MaxKeys: 4096})
		for i := range 3000 {
			require.True(t, l.AllowN(i, int64(i%5+1)))
		}
		seen := map[int]int64{}
		for key, r := range l.All() {
			seen[key] = r.Remaining
			l.Delete(key) // the body may do anything
			l.Allow(-1)
			l.Len()
		}
		assert.GreaterOrEqual(t, len(seen), 3000-int(l.Stats().EvictedActive))
		for key, remaining := range seen {
			if key >= 0 {
				assert.Equal(t, int64(4-key%5), remaining)
			}
		}
		for range l.All() {
			break
		}
	}
}

type unhashable struct{ any }

func TestHostileKeys(t *testing.T) {
	for _, a := range algorithms {
		floats := mustNew(t, Config[float64]{Algorithm: a, Limit: perSecond(1), MaxKeys: 100})
		for range 1000 {
			require.True(t, floats.Allow(math.NaN()), "each is a new key")
		}
		assert.LessOrEqual(t, floats.Len(), 100)
		assert.False(t, floats.Delete(math.NaN()))
		verify(t, floats)

		anything := mustNew(t, Config[any]{Algorithm: a, Limit: perSecond(1)})
		assert.Panics(t, func() { anything.Allow([]int{1}) })
		assert.Panics(t, func() { anything.Allow(unhashable{[]int{1}}) })
		assert.True(t, anything.Allow(1))
		assert.True(t, anything.Allow("1"))
		assert.False(t, anything.Allow("1"))
		assert.True(t, anything.Allow(netip.MustParseAddr("::1")))
		assert.True(t, anything.Allow(nil))
	}
}
