package tokenbucket

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const year = 365 * 24 * time.Hour

func newBucket(tb testing.TB, rate Rate, burst int64) *Bucket {
	tb.Helper()
	b, err := New(Config{Rate: rate, Burst: burst})
	require.NoError(tb, err)
	return b
}

var badLimits = []struct {
	name  string
	rate  Rate
	burst int64
	want  string
}{
	{"zero rate", Rate{}, 0, "Rate must be at least 1 token, got 0 per 0s"},
	{"no tokens", PerSecond(0), 5, "Rate must be at least 1 token, got 0 per 1s"},
	{"negative tokens", PerSecond(-1), 5, "Rate must be at least 1 token, got -1 per 1s"},
	{"smallest tokens", PerHour(math.MinInt64), 5, "Rate must be at least 1 token, got -9223372036854775808 per 1h0m0s"},
	{"largest tokens", PerSecond(math.MaxInt64), 5, "Rate must be at most 10 tokens per nanosecond, got 9223372036854775807 per 1s"},
	{"per zero", Every(0), 5, "Rate must be per at least 1ns, got 1 per 0s"},
	{"per negative", Every(-1), 5, "Rate must be per at least 1ns, got 1 per -1ns"},
	{"per largest", Every(math.MaxInt64), 1, "Burst must be at most what Rate fills in 10 years, got 1 at 1 per 2562047h47m16.854775807s"},
	{"too fast", Rate{11, 1}, 1, "Rate must be at most 10 tokens per nanosecond, got 11 per 1ns"},
	{"negative burst", PerSecond(1), -1, "Burst must be at least 1, or 0 for Rate.Tokens, got -1"},
	{"smallest burst", PerSecond(1), math.MinInt64, "Burst must be at least 1, or 0 for Rate.Tokens, got -9223372036854775808"},
	{"largest burst", PerSecond(1), math.MaxInt64, "Burst must be at most what Rate fills in 10 years, got 9223372036854775807 at 1 per 1s"},
	{"burst just above ten years", PerSecond(1), 315_360_001, "Burst must be at most what Rate fills in 10 years, got 315360001 at 1 per 1s"},
	{"default burst above ten years", Rate{3, 11 * year}, 0, "Burst must be at most what Rate fills in 10 years, got 3 at 3 per 96360h0m0s"},
}

func TestNewRejectsInvalidConfig(t *testing.T) {
	for _, tt := range badLimits {
		b, err := New(Config{Rate: tt.rate, Burst: tt.burst})
		assert.Nil(t, b, tt.name)
		require.ErrorIs(t, err, ErrConfig, tt.name)
		require.EqualError(t, err, "tokenbucket: invalid config: "+tt.want, tt.name)
	}
}

func TestNewAcceptsTheEdges(t *testing.T) {
	for _, cfg := range []Config{
		{Rate: Rate{1, 1}},
		{Rate: Rate{10, 1}, Burst: 3_153_600_000_000_000_000},
		{Rate: Rate{math.MaxInt64, math.MaxInt64}, Burst: 1},
		{Rate: PerSecond(1), Burst: 315_360_000},
		{Rate: Every(10 * year)},
		{Rate: Every(1)},
	} {
		b, err := New(cfg)
		require.NoError(t, err, "%v", cfg)
		assert.Positive(t, b.Tokens(), "%v", cfg)
	}
}

func TestSetLimitRejectsInvalidConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(10), 7)
		require.True(t, b.AllowN(3))
		before := b.Stats()
		for _, tt := range badLimits {
			err := b.SetLimit(tt.rate, tt.burst)
			require.ErrorIs(t, err, ErrConfig, tt.name)
			require.EqualError(t, err, "tokenbucket: invalid config: "+tt.want, tt.name)
		}
		assert.Equal(t, before, b.Stats())
		require.NoError(t, b.SetLimit(PerSecond(20), 0))
		assert.Equal(t, Stats{Rate: PerSecond(20), Burst: 20, Tokens: 4}, b.Stats(), "burst 0 is Rate.Tokens")
	})
}

func TestRateConstructors(t *testing.T) {
	assert.Equal(t, Rate{Tokens: 5, Per: time.Second}, PerSecond(5))
	assert.Equal(t, Rate{Tokens: 5, Per: time.Minute}, PerMinute(5))
	assert.Equal(t, Rate{Tokens: 5, Per: time.Hour}, PerHour(5))
	assert.Equal(t, Rate{Tokens: 1, Per: 20 * time.Millisecond}, Every(20*time.Millisecond))
	assert.Equal(t, Rate{Tokens: -5, Per: time.Second}, PerSecond(-5), "constructors do not check")
	assert.NotEqual(t, PerMinute(60), PerSecond(1), "the same speed, but not the same numbers")
	assert.Equal(t, "100 per 1s", PerSecond(100).String())
	assert.Equal(t, "1 per 1.5s", Every(1500*time.Millisecond).String())
}

func TestNewBucketIsFull(t *testing.T) {
	b := newBucket(t, PerHour(5), 0)
	assert.Equal(t, Stats{Rate: PerHour(5), Burst: 5, Tokens: 5}, b.Stats())
	assert.True(t, b.AllowN(5))
	assert.False(t, b.Allow())
}

func TestLevelRisesContinuouslyUpToBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(10), 5)
		require.True(t, b.AllowN(5))
		time.Sleep(100*time.Millisecond - 1)
		assert.Zero(t, b.Tokens())
		assert.False(t, b.Allow())
		time.Sleep(time.Nanosecond)
		assert.Equal(t, int64(1), b.Tokens())
		assert.True(t, b.Allow())
		time.Sleep(250 * time.Millisecond) // two and a half
		assert.True(t, b.AllowN(2))
		time.Sleep(50 * time.Millisecond) // the half was not lost
		assert.True(t, b.Allow())
		time.Sleep(time.Hour)
		assert.Equal(t, int64(5), b.Tokens())
		assert.True(t, b.AllowN(5))
		assert.False(t, b.Allow())
	})
}

func TestAllowNTakesAllOrNothing(t *testing.T) {
	b := newBucket(t, PerHour(1), 10)
	assert.True(t, b.AllowN(7))
	assert.False(t, b.AllowN(4))
	assert.Equal(t, int64(3), b.Tokens())
	assert.True(t, b.AllowN(3))
	assert.False(t, b.AllowN(1))
}

func TestAllowNWithHostileNumbers(t *testing.T) {
	for _, cfg := range []Config{
		{Rate: PerHour(1), Burst: 10},
		{Rate: Rate{10, 1}, Burst: 3_153_600_000_000_000_000},
		{Rate: PerHour(13), Burst: 10},
	} {
		b, err := New(cfg)
		require.NoError(t, err)
		for _, n := range []int64{-1, -1000, math.MinInt64, cfg.Burst + 1, math.MaxInt64, math.MaxInt64/2 + 1} {
			assert.False(t, b.AllowN(n), "%d of %d", n, cfg.Burst)
			assert.Equal(t, cfg.Burst, b.Tokens(), "after AllowN(%d)", n)
		}
		assert.True(t, b.AllowN(0))
		assert.True(t, b.AllowN(cfg.Burst))
		assert.True(t, b.AllowN(0), "also when empty")
		assert.False(t, b.AllowN(math.MaxInt64))
	}
}

func TestAllowUpToTakesWhatIsThere(t *testing.T) {
	b := newBucket(t, PerHour(1), 10)
	for _, tt := range []struct{ n, want int64 }{{-1, 0}, {math.MinInt64, 0}, {0, 0}, {4, 4}, {math.MaxInt64, 6}, {1, 0}} {
		assert.Equal(t, tt.want, b.AllowUpTo(tt.n), "AllowUpTo(%d)", tt.n)
	}
	assert.Zero(t, b.Tokens())
}

func TestReturnIsCappedAtBurst(t *testing.T) {
	b := newBucket(t, PerHour(1), 10)
	b.Return(5)
	assert.Equal(t, int64(10), b.Tokens(), "a full bucket holds no more")
	require.True(t, b.AllowN(10))
	for _, tt := range []struct{ n, want int64 }{{0, 0}, {-3, 0}, {math.MinInt64, 0}, {4, 4}, {math.MaxInt64, 10}, {1, 10}} {
		b.Return(tt.n)
		assert.Equal(t, tt.want, b.Tokens(), "Return(%d)", tt.n)
	}
	assert.True(t, b.AllowN(10))
	assert.False(t, b.Allow())
}

// The fraction of a token in the bucket is not lost by a Return that does not fill it.
func TestReturnKeepsTheFraction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(1), 10)
		require.True(t, b.AllowN(10))
		time.Sleep(900 * time.Millisecond)
		b.Return(2)
		assert.False(t, b.AllowN(3))
		time.Sleep(100 * time.Millisecond)
		assert.True(t, b.AllowN(3))
	})
}

func TestRetryAfterIsTheExactInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []Rate{PerSecond(10), PerSecond(3), PerSecond(7), PerSecond(13), Every(time.Hour), {10, 3}, {9_999, 1000}} {
			b := newBucket(t, rate, 5)
			require.True(t, b.AllowN(5))
			for n := int64(1); n <= 5; n++ {
				wait, ok := b.RetryAfter(n)
				require.True(t, ok)
				if wait > 0 {
					time.Sleep(wait - 1)
					assert.False(t, b.AllowN(n), "%v: one nanosecond before %v", rate, wait)
					time.Sleep(time.Nanosecond)
				}
				again, ok := b.RetryAfter(n)
				assert.True(t, ok)
				assert.Zero(t, again)
				assert.True(t, b.AllowN(n), "%v: at %v", rate, wait)
			}
		}
	})
}

func TestRetryAfterWithHostileNumbers(t *testing.T) {
	b := newBucket(t, PerHour(1), 10)
	for _, tt := range []struct {
		n  int64
		ok bool
	}{{0, true}, {1, true}, {10, true}, {-1, false}, {11, false}, {math.MaxInt64, false}, {math.MinInt64, false}} {
		wait, ok := b.RetryAfter(tt.n)
		assert.Equal(t, tt.ok, ok, "RetryAfter(%d)", tt.n)
		assert.Zero(t, wait, "RetryAfter(%d)", tt.n)
	}
}

func TestExactRatesHaveNoRounding(t *testing.T) {
	tests := []struct {
		rate Rate
		n    int64
		want time.Duration
	}{
		{PerSecond(1), 1, time.Second},
		{PerSecond(2), 1, 500 * time.Millisecond},
		{PerSecond(3), 1, 333_333_334},
		{PerSecond(3), 2, 666_666_667},
		{PerSecond(3), 3, time.Second},
		{PerSecond(7), 1, 142_857_143},
		{PerSecond(7), 7, time.Second},
		{PerSecond(10), 1, 100 * time.Millisecond},
		{PerSecond(30), 1, 33_333_334},
		{PerSecond(1000), 1000, time.Second},
		{PerSecond(2500), 1, 400 * time.Microsecond},
		{PerSecond(1e6), 1, time.Microsecond},
		{PerSecond(1e9), 1, 1},
		{PerSecond(9e9), 9, 1},
		{PerMinute(100), 1, 600 * time.Millisecond},
		{PerHour(1), 1, time.Hour},
		{Every(1), 1, 1},
		{Every(123_456_789), 1, 123_456_789},
		{Every(10 * year), 1, 10 * year},
	}
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range tests {
			b := newBucket(t, tt.rate, tt.n)
			require.True(t, b.AllowN(tt.n))
			wait, ok := b.RetryAfter(tt.n)
			assert.True(t, ok)
			assert.Equal(t, tt.want, wait, "%d at %v", tt.n, tt.rate)
		}
	})
}

// Other rates are at most a nanosecond from the exact instant, here ceil(k*per/tokens), for each of many tokens.
func TestOtherRatesAreWithinANanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []Rate{PerSecond(11), PerSecond(13), PerSecond(97), PerMinute(97), PerHour(17), PerSecond(300_000_007)} {
			b := newBucket(t, rate, 1000)
			require.True(t, b.AllowN(1000))
			for k := int64(1); k <= 1000; k++ {
				wait, _ := b.RetryAfter(k)
				exact := (k*int64(rate.Per) + rate.Tokens - 1) / rate.Tokens
				assert.InDelta(t, exact, int64(wait), 1, "token %d at %v", k, rate)
			}
		}
	})
}

// A bucket that is emptied once a second, and asked again after 25 years, is where it was in the first second.
func TestNoDrift(t *testing.T) {
	for _, tokens := range []int64{3, 7, 13, 97, 300_000_007} {
		synctest.Test(t, func(t *testing.T) {
			b := newBucket(t, PerSecond(tokens), tokens)
			require.True(t, b.AllowN(tokens))
			for range 4_000 {
				time.Sleep(time.Second)
				require.Equal(t, tokens, b.AllowUpTo(math.MaxInt64))
				require.False(t, b.Allow())
			}
			time.Sleep(25 * year)
			require.True(t, b.AllowN(tokens))
			for range 4_000 {
				time.Sleep(time.Second)
				require.True(t, b.AllowN(tokens))
				require.False(t, b.Allow())
			}
		})
	}
}

func TestIdleForTenYearsHoldsExactlyBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []Rate{PerSecond(1), PerSecond(13), {10, 1}, Every(5 * year)} {
			b := newBucket(t, rate, 2)
			require.True(t, b.AllowN(2))
			time.Sleep(10 * year)
			assert.Equal(t, int64(2), b.AllowUpTo(100), "%v", rate)
		}
	})
}

// After 29 years the clock of a bucket stands still: what is in it can be taken, nothing is refilled, nothing panics.
func TestBeyondTheHorizonABucketOnlyRefusesMore(t *testing.T) {
	for _, rate := range []Rate{PerSecond(1), PerSecond(13), {10, 1}} {
		synctest.Test(t, func(t *testing.T) {
			b, empty := newBucket(t, rate, 5), newBucket(t, rate, 5)
			time.Sleep(29 * year)
			require.True(t, empty.AllowN(5))
			wait, ok := empty.RetryAfter(5)
			require.True(t, ok, "29 years are within the range")
			time.Sleep(wait)
			require.True(t, empty.AllowN(5))
			time.Sleep(11 * year)
			assert.Equal(t, int64(5), b.Tokens())
			assert.True(t, b.AllowN(5))
			time.Sleep(time.Hour)
			assert.False(t, b.Allow())
			_, ok = b.RetryAfter(1)
			assert.False(t, ok, "no wait would help")
			_, err := b.Reserve(1, time.Hour)
			require.ErrorIs(t, err, ErrWouldExceedDeadline)
			r, err := b.Reserve(1, math.MaxInt64)
			require.NoError(t, err)
			assert.Greater(t, r.Delay(), 100*year)
			r.Cancel()
			b.Return(1)
			assert.True(t, b.Allow(), "what is given back can be taken")
		})
	}
}

// A bucket made outside of the bubble in which it is used reads a clock 26 years before its start, as one with a base time
// in a package variable always does.
func TestBucketMadeOutsideOfTheBubble(t *testing.T) {
	b := newBucket(t, PerSecond(1), 2)
	synctest.Test(t, func(t *testing.T) {
		require.Negative(t, b.elapsed())
		assert.Equal(t, int64(2), b.Tokens())
		wait, ok := b.RetryAfter(2)
		assert.True(t, ok)
		assert.Zero(t, wait)
		assert.True(t, b.AllowN(2))
		time.Sleep(time.Hour)
		assert.False(t, b.Allow(), "the elapsed time counts as zero")
		wait, ok = b.RetryAfter(1)
		assert.True(t, ok)
		assert.Equal(t, time.Second-b.elapsed(), wait, "when the clock has caught up")
		r, err := b.Reserve(1, forever)
		require.NoError(t, err)
		assert.Equal(t, wait, r.Delay())
		require.NoError(t, b.Wait(t.Context()))
		assert.Equal(t, 2*time.Second, b.elapsed(), "exact after all those years")
	})
}

// stepBack makes the clock of b read d less than before.
func stepBack(b *Bucket, d time.Duration) { b.base = b.base.Add(d) }

func TestOlderClockReadingGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(1), 5)
		require.True(t, b.AllowN(5))
		time.Sleep(2 * time.Hour)
		require.True(t, b.AllowN(5))
		stepBack(b, time.Hour)
		for range 10 {
			assert.False(t, b.Allow())
			assert.Zero(t, b.Tokens())
			assert.Zero(t, b.AllowUpTo(1))
		}
		wait, ok := b.RetryAfter(1)
		assert.True(t, ok)
		assert.Equal(t, time.Hour+time.Second, wait)
		b.Return(2)
		assert.False(t, b.Allow(), "not even what is given back, until the clock has caught up")
		stepBack(b, -time.Hour)
		time.Sleep(time.Second)
		assert.True(t, b.AllowN(3))
		assert.False(t, b.Allow())
	})
}

func TestNilAndZeroPanic(t *testing.T) {
	calls := map[string]func(b *Bucket){
		"Allow":      func(b *Bucket) { b.Allow() },
		"AllowN":     func(b *Bucket) { b.AllowN(0) },
		"AllowUpTo":  func(b *Bucket) { b.AllowUpTo(0) },
		"Wait":       func(b *Bucket) { _ = b.Wait(t.Context()) },
		"WaitN":      func(b *Bucket) { _ = b.WaitN(t.Context(), -1) },
		"Reserve":    func(b *Bucket) { _, _ = b.Reserve(-1, 0) },
		"Return":     func(b *Bucket) { b.Return(0) },
		"Tokens":     func(b *Bucket) { b.Tokens() },
		"RetryAfter": func(b *Bucket) { b.RetryAfter(0) },
		"SetLimit":   func(b *Bucket) { _ = b.SetLimit(Rate{}, 0) },
		"Stats":      func(b *Bucket) { b.Stats() },
	}
	for name, call := range calls {
		assert.PanicsWithValue(t, "tokenbucket: nil Bucket", func() { call(nil) }, name)
		assert.PanicsWithValue(t, "tokenbucket: Bucket not made by New", func() { call(new(Bucket)) }, name)
	}
	for name, call := range map[string]func(r *Reservation){
		"Delay":  func(r *Reservation) { r.Delay() },
		"Cancel": func(r *Reservation) { r.Cancel() },
	} {
		assert.PanicsWithValue(t, "tokenbucket: Reservation not made by Reserve", func() { call(nil) }, name)
		assert.PanicsWithValue(t, "tokenbucket: Reservation not made by Reserve", func() { call(new(Reservation)) }, name)
	}
}

// go vet finds a copy of what has a Lock method: a Bucket has it from its mutex, a Reservation from noCopy.
func TestVetReportsCopies(t *testing.T) {
	_, mutex := reflect.TypeFor[Bucket]().FieldByName("mu")
	assert.True(t, mutex)
	mark, ok := reflect.TypeFor[Reservation]().FieldByName("_")
	require.True(t, ok)
	assert.Implements(t, (*sync.Locker)(nil), reflect.New(mark.Type).Interface())
}

func TestFastCallsDoNotAllocate(t *testing.T) {
	b := newBucket(t, PerSecond(1), 1000)
	ctx, failed := t.Context(), 0
	calls := map[string]func(){
		"Allow":      func() { b.Allow() },
		"AllowN":     func() { b.AllowN(2) },
		"AllowUpTo":  func() { b.AllowUpTo(2) },
		"Tokens":     func() { b.Tokens() },
		"RetryAfter": func() { b.RetryAfter(1) },
		"Return":     func() { b.Return(3) },
		"Stats":      func() { b.Stats() },
		"Wait":       func() { failed += toInt(b.Wait(ctx) != nil); b.Return(1) },
		"WaitN":      func() { failed += toInt(b.WaitN(ctx, 3) != nil); b.Return(3) },
	}
	for name, call := range calls {
		b.Return(1000)
		assert.Zero(t, testing.AllocsPerRun(100, call), name)
	}
	assert.Zero(t, failed)
}

// The same calls go through the mutex while somebody is queued.
func TestSlowCallsDoNotAllocate(t *testing.T) {
	b := newBucket(t, PerHour(1), 10)
	require.True(t, b.AllowN(10))
	r, err := b.Reserve(10, 100*time.Hour)
	require.NoError(t, err)
	calls := map[string]func(){
		"Allow":      func() { b.Allow() },
		"AllowUpTo":  func() { b.AllowUpTo(2) },
		"Tokens":     func() { b.Tokens() },
		"RetryAfter": func() { b.RetryAfter(1) },
		"Return":     func() { b.Return(0) },
		"Stats":      func() { b.Stats() },
		"Delay":      func() { r.Delay() },
	}
	for name, call := range calls {
		assert.Zero(t, testing.AllocsPerRun(100, call), name)
	}
	assert.Equal(t, 1, b.Stats().Waiting)
}

func TestReserveAllocatesAtMostTwice(t *testing.T) {
	b := newBucket(t, PerHour(1), 1000)
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		r, err := b.Reserve(1, 0)
		assert.NoError(t, err)
		r.Cancel()
	}), 2.0)
}

// allocate returns the bytes that the heap grows by while fn runs.
func allocate(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestSizeOfABucket(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(Bucket{})+unsafe.Sizeof(limit{}), uintptr(512))
	assert.Equal(t, uintptr(cacheLine), unsafe.Sizeof(limit{}), "a limit fills a cache line")
	for _, cfg := range []Config{{Rate: PerSecond(1)}, {Rate: Rate{10, 1}, Burst: 3_153_600_000_000_000_000}} {
		bytes := allocate(func() {
			for range 1000 {
				_, _ = New(cfg)
			}
		})
		assert.LessOrEqual(t, bytes/1000, uint64(512), "whatever the burst")
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// raceDetector tells whether the build has it: it multiplies the memory of a test.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestAMillionBucketsLeaveNothing(t *testing.T) {
	million := uint64(1_000_000)
	if raceDetector() {
		million /= 10
	}
	before := heapInUse()
	func() {
		buckets := make([]*Bucket, million)
		for i := range buckets {
			buckets[i], _ = New(Config{Rate: PerSecond(1)})
			buckets[i].Allow()
		}
		assert.LessOrEqual(t, (heapInUse()-before)/million, uint64(512), "bytes per bucket")
		runtime.KeepAlive(buckets)
	}()
	assert.LessOrEqual(t, heapInUse(), before+before/10)
}

// The decisions of a bucket are those of GCRA, the generic cell rate algorithm, as a throttle like redis-cell runs it: a
// theoretical arrival time that may lie burst intervals ahead. The vectors are of a limit of five, one more every second.
func TestEquivalentToGCRA(t *testing.T) {
	tests := []struct {
		at        time.Duration
		n         int64
		ok        bool
		remaining int64
		retry     time.Duration
	}{
		{0, 6, false, 5, 0},
		{0, 1, true, 4, 0},
		{0, 1, true, 3, 0},
		{0, 1, true, 2, 0},
		{0, 1, true, 1, 0},
		{0, 1, true, 0, 0},
		{0, 1, false, 0, time.Second},
		{3000 * time.Millisecond, 1, true, 2, 0},
		{3100 * time.Millisecond, 1, true, 1, 0},
		{4000 * time.Millisecond, 1, true, 1, 0},
		{8000 * time.Millisecond, 1, true, 4, 0},
		{9500 * time.Millisecond, 1, true, 4, 0},
		{9500 * time.Millisecond, 0, true, 4, 0},
		{9500 * time.Millisecond, 2, true, 2, 0},
		{9500 * time.Millisecond, 5, false, 2, 3 * time.Second},
	}
	synctest.Test(t, func(t *testing.T) {
		b, start := newBucket(t, PerSecond(1), 5), time.Now()
		for i, tt := range tests {
			time.Sleep(tt.at - time.Since(start))
			assert.Equal(t, tt.ok, b.AllowN(tt.n), "row %d", i)
			assert.Equal(t, tt.remaining, b.Tokens(), "row %d", i)
			if !tt.ok && tt.n <= 5 {
				wait, _ := b.RetryAfter(tt.n)
				assert.Equal(t, tt.retry, wait, "row %d", i)
			}
		}
	})
}

// gcra keeps the theoretical arrival time in nanoseconds; it is exact for a whole number of them per token.
type gcra struct{ tat, interval, tolerance int64 }

func (g *gcra) allowN(now, n int64) bool {
	tat := max(g.tat, now) + n*g.interval
	if tat-g.tolerance > now {
		return false
	}
	g.tat = tat
	return true
}

func TestRandomRunsEqualGCRA(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		interval, burst := 1+rng.Int64N(1000), 1+rng.Int64N(9)
		synctest.Test(t, func(t *testing.T) {
			b, start := newBucket(t, Every(time.Duration(interval)), burst), time.Now()
			g := gcra{interval: interval, tolerance: burst * interval}
			for range 200 {
				time.Sleep(time.Duration(rng.Int64N(2 * interval)))
				n := 1 + rng.Int64N(burst)
				require.Equal(t, g.allowN(int64(time.Since(start)), n), b.AllowN(n))
			}
		})
	}
}

// ---- faults of other limiters, and the issues that describe them

// golang/go#65508, #71360 and #76037: a time read before the lock is stored backwards, and the difference is minted again.
// Here the clock of the caller is not asked, and an older reading leaves the state as it is; see also
// TestBoundHoldsInEveryWindow.
func TestRegressionTimeJumpsBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(100), 1)
		admitted := 0
		for i := range 1000 {
			stepBack(b, time.Duration(1-2*(i%2))*10*time.Millisecond)
			if b.Allow() {
				admitted++
			}
		}
		assert.LessOrEqual(t, admitted, 2, "one, and one for the ten milliseconds")
	})
}

// A negative n must not refill: with x/time/rate v0.16.0 AllowN(now, -1000) did.
func TestRegressionNegativeN(t *testing.T) {
	b := newBucket(t, PerHour(1), 1)
	require.True(t, b.Allow())
	assert.False(t, b.AllowN(-1000))
	assert.Zero(t, b.AllowUpTo(-1000))
	b.Return(-1000)
	_, err := b.Reserve(-1000, time.Hour)
	require.ErrorIs(t, err, ErrNegative)
	require.ErrorIs(t, b.WaitN(t.Context(), -1000), ErrNegative)
	assert.False(t, b.Allow())
}

// golang/go#23575: a limiter with a burst of zero refuses everything. Here zero is a default that never is zero.
func TestRegressionBurstZero(t *testing.T) {
	b := newBucket(t, PerSecond(5), 0)
	assert.Equal(t, int64(5), b.Stats().Burst)
	require.NoError(t, b.SetLimit(PerSecond(2), 0))
	assert.Equal(t, int64(2), b.Stats().Burst)
}

// go.uber.org/ratelimit computes time.Second/rate: no limit above 1e9, a division by zero at 0.
func TestRegressionExtremeRates(t *testing.T) {
	_, err := New(Config{Rate: PerSecond(0)})
	require.ErrorIs(t, err, ErrConfig)
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(3_000_000_000), 10)
		require.True(t, b.AllowN(10))
		assert.False(t, b.Allow(), "limited above a token per nanosecond")
		time.Sleep(time.Nanosecond)
		assert.Equal(t, int64(3), b.AllowUpTo(10))
	})
}

// uber-go/ratelimit#106 and #119: after an idle time the slack admitted everything for a while.
func TestRegressionNoLimitAfterIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, PerSecond(10), 10)
		time.Sleep(time.Hour)
		admitted := 0
		for range 1000 {
			if b.Allow() {
				admitted++
			}
			time.Sleep(time.Millisecond)
		}
		assert.Equal(t, 10+9, admitted)
	})
}

// throttled v2.15.0 and clipperhouse/rate v0.5.0 multiply n by the interval first: 18,446,744,074 at one per second wraps
// around to less than a second and is admitted.
func TestRegressionOverflowOfN(t *testing.T) {
	b := newBucket(t, PerSecond(1), 1)
	assert.False(t, b.AllowN(18_446_744_074))
	assert.Zero(t, b.Stats().Waiting)
	_, err := b.Reserve(18_446_744_074, math.MaxInt64)
	require.ErrorIs(t, err, ErrExceedsBurst)
	assert.Equal(t, int64(1), b.Tokens())
}

// juju/ratelimit approximates a rate to one percent and panics when it cannot.
func TestRegressionRateIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for tokens := int64(1); tokens < 2000; tokens += 7 {
			b := newBucket(t, PerSecond(tokens), tokens)
			require.True(t, b.AllowN(tokens))
			wait, _ := b.RetryAfter(tokens)
			require.Equal(t, time.Second, wait, "%d per second", tokens)
		}
	})
}

// golang/go#54541 and golang/time#15: errors that no caller could match.
func TestRegressionErrorsCanBeMatched(t *testing.T) {
	all := []error{ErrConfig, ErrNegative, ErrExceedsBurst, ErrWouldExceedDeadline}
	for i, err := range all {
		for j, other := range all {
			assert.Equal(t, i == j, errors.Is(fmt.Errorf("wrapped: %w", err), other))
		}
	}
	b := newBucket(t, PerHour(1), 3)
	require.EqualError(t, b.WaitN(t.Context(), 4), "tokenbucket: more tokens asked for than the bucket holds: 4 of 3")
	require.EqualError(t, b.WaitN(t.Context(), -4), "tokenbucket: negative number of tokens: -4")
}

func TestSaturatingArithmetic(t *testing.T) {
	assert.Equal(t, forever, saturatingAdd(1, forever))
	assert.Equal(t, forever, saturatingAdd(0, forever))
	assert.Equal(t, time.Duration(3), saturatingAdd(-1, 4))
	assert.Equal(t, time.Duration(5), saturatingAdd(5, 0))
	assert.Equal(t, forever, saturatingSub(0, math.MinInt64))
	assert.Equal(t, forever, saturatingSub(forever, -1))
	assert.Equal(t, time.Duration(-1), saturatingSub(0, 1))
	assert.Equal(t, time.Duration(5), saturatingSub(4, -1))
}
