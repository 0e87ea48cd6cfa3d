package tokenunits

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exactUnits returns elapsed*tokens/per in units of a, without rounding.
func exactUnits(a Axis, tokens int64, per, elapsed time.Duration) *big.Rat {
	x := new(big.Rat).SetFrac64(tokens, int64(per))
	x.Mul(x, new(big.Rat).SetInt64(int64(elapsed)))
	return x.Mul(x, new(big.Rat).SetInt64(a.Token))
}

func floor(x *big.Rat) *big.Int { return new(big.Int).Div(x.Num(), x.Denom()) }

// lowest returns the numerator of tokens/per in lowest terms.
func lowest(tokens int64, per time.Duration) int64 {
	return new(big.Rat).SetFrac64(tokens, int64(per)).Num().Int64()
}

// verifyAxis compares every function of the axis with rational numbers at one instant.
func verifyAxis(t *testing.T, tokens int64, per time.Duration, burst int64, elapsed time.Duration) {
	t.Helper()
	a := NewAxis(tokens, per, burst)
	require.Positive(t, a.Token)
	full := new(big.Int).Mul(big.NewInt(a.Token), big.NewInt(burst))
	require.Zero(t, full.Cmp(big.NewInt(a.Full)), "Full")
	require.Less(t, full.Int64(), int64(math.MaxInt64/2))

	clamped := min(max(elapsed, 0), Horizon)
	exact := exactUnits(a, tokens, per, clamped)
	now := a.At(elapsed)
	require.GreaterOrEqual(t, now, int64(0))
	require.Less(t, now, int64(End))
	got := new(big.Rat).SetInt64(now)
	if lowest(tokens, per) <= maxPerNano {
		require.Zero(t, got.Cmp(exact), "%d of %v", now, exact)
	}
	require.GreaterOrEqual(t, big.NewInt(now).Cmp(floor(exact)), 0, "never below the exact whole unit")
	require.Negative(t, new(big.Rat).Sub(got, exact).Cmp(big.NewRat(1, 1)), "less than a unit above")
	verifyInverse(t, a, now)
	verifyInverse(t, a, now-a.Full)
	verifyInverse(t, a, now+1)
}

// verifyInverse asserts that When returns the first nanosecond at which pos is reached.
func verifyInverse(t *testing.T, a Axis, pos int64) {
	t.Helper()
	for _, used := range []int64{-a.Full, 0, pos} {
		if used > pos {
			continue
		}
		due, ok := a.When(used, uint64(pos)-uint64(used))
		if !ok {
			require.Less(t, a.At(Horizon), pos)
			continue
		}
		require.GreaterOrEqual(t, a.At(due), pos, "reached")
		require.True(t, due == 0 || a.At(due-1) < pos, "not before")
	}
}

var rates = []struct {
	tokens int64
	per    time.Duration
}{
	{1, 1},
	{9, 1},
	{10, 1},
	{10, 3},
	{11, 2},
	{19, 2},
	{99, 10},
	{1, time.Second},
	{3, time.Second},
	{7, time.Second},
	{10, time.Second},
	{11, time.Second},
	{13, time.Second},
	{100, time.Second},
	{2500, time.Second},
	{1e6, time.Second},
	{300_000_007, time.Second},
	{1e9, time.Second},
	{9_999_999_999, time.Second},
	{100, time.Minute},
	{97, time.Minute},
	{1, time.Hour},
	{17, 24 * time.Hour},
	{1, maxFill},
	{1e9, math.MaxInt64},
	{math.MaxInt64, math.MaxInt64},
	{math.MaxInt64, math.MaxInt64 - 1},
	{math.MaxInt64 - 1, math.MaxInt64},
	{math.MaxInt64, math.MaxInt64 / 9},
}

// bursts returns the smallest and the largest burst that a rate allows.
func bursts(tokens int64, per time.Duration) []int64 {
	largest := new(big.Int).Mul(big.NewInt(int64(maxFill)), big.NewInt(tokens))
	return []int64{1, largest.Div(largest, big.NewInt(int64(per))).Int64()}
}

func TestAxisEqualsRationalNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	instants := []time.Duration{
		math.MinInt64, -1, 0, 1, 2, time.Second - 1, time.Second, time.Hour, maxFill,
		Horizon - 1, Horizon, Horizon + 1, math.MaxInt64,
	}
	for _, r := range rates {
		for _, burst := range bursts(r.tokens, r.per) {
			require.NoError(t, Check(r.tokens, r.per, burst), "%v", r)
			for _, elapsed := range instants {
				verifyAxis(t, r.tokens, r.per, burst, elapsed)
			}
			for range 50 {
				verifyAxis(t, r.tokens, r.per, burst, time.Duration(rng.Int64N(Horizon)>>rng.IntN(60)))
			}
		}
	}
}

// A unit that was coarser would make the decisions of fast rates visibly early or late.
func TestUnitIsAtMostAFifthOfANanosecond(t *testing.T) {
	for _, r := range rates {
		a := NewAxis(r.tokens, r.per, 1)
		if a.Token > 1 && lowest(r.tokens, r.per) > maxPerNano {
			assert.Greater(t, a.At(1_000_000), int64(5_000_000), "%v", r)
			assert.LessOrEqual(t, a.At(1_000_000), int64(10_000_000), "%v", r)
		}
	}
}

// The reason for rounding up: with truncation one token every second would be a nanosecond late, and any rate that is
// rounded would be.
func TestWholeTokensAreDueOnTime(t *testing.T) {
	for _, tokens := range []int64{1, 11, 13, 17, 23, 101, 1009, 300_000_007} {
		a := NewAxis(tokens, time.Second, tokens)
		for k := int64(1); k < 1e9; k = k*7 + 1 {
			if k > math.MaxInt64/a.Token/tokens {
				break
			}
			due, ok := a.When(0, uint64(k*tokens*a.Token))
			require.True(t, ok)
			require.Equal(t, time.Duration(k)*time.Second, due, "%d per second, second %d", tokens, k)
		}
	}
}

func TestBeyondTheHorizonNothingIsProduced(t *testing.T) {
	for _, r := range rates {
		a := NewAxis(r.tokens, r.per, 1)
		last := a.At(Horizon)
		assert.Equal(t, last, a.At(math.MaxInt64), "%v", r)
		_, ok := a.When(last, 1)
		assert.False(t, ok, "%v", r)
		due, ok := a.When(last, 0)
		assert.True(t, ok, "%v", r)
		assert.LessOrEqual(t, due, time.Duration(Horizon), "%v", r)
		_, ok = a.When(-a.Full, math.MaxUint64)
		assert.False(t, ok, "%v", r)
		_, ok = a.When(last, math.MaxUint64)
		assert.False(t, ok, "%v", r)
	}
	assert.Equal(t, 29, int(time.Duration(Horizon)/(365*24*time.Hour)), "years")
}

func TestTakeGiveAndLevel(t *testing.T) {
	a := NewAxis(1, 10, 5) // a token every 10 ns, a unit each nanosecond
	require.Equal(t, Axis{nano: 1 << fraction, Token: 10, Full: 50}, a)
	tests := []struct {
		name           string
		used, now      int64
		need           int64
		next           int64
		ok             bool
		given, level   int64
		givenFullAfter int64
	}{
		{"full at the start", -50, 0, 50, 0, true, -50, 50, -50},
		{"overflown", -50, 1000, 10, 960, true, 950, 50, 950},
		{"exactly enough", 70, 80, 10, 80, true, 60, 10, 30},
		{"one unit short", 71, 80, 10, 0, false, 61, 9, 30},
		{"empty", 80, 80, 1, 0, false, 79, 0, 30},
		{"clock older than the state", 90, 80, 1, 0, false, 89, 0, 40},
		{"frozen", End, 80, 1, 0, false, End - 1, 0, End - 50},
		{"last instant", a.At(Horizon) - 7, a.At(Horizon), 7, a.At(Horizon), true, a.At(Horizon) - 14, 7, a.At(Horizon) - 50},
	}
	for _, tt := range tests {
		next, ok := a.Take(tt.used, tt.now, tt.need)
		assert.Equal(t, tt.ok, ok, tt.name)
		assert.Equal(t, tt.next, next, tt.name)
		assert.Equal(t, tt.level, a.Level(tt.used, tt.now), tt.name)
		assert.Equal(t, tt.given, a.Give(tt.used, tt.now, min(tt.need, a.Full)), tt.name)
		assert.Equal(t, tt.givenFullAfter, a.Give(tt.used, tt.now, a.Full), tt.name)
	}
}

// The differences of a bucket that was never touched do not fit into 63 bits at the horizon.
func TestTakeAfterTheLongestIdleTime(t *testing.T) {
	for _, r := range rates {
		for _, burst := range bursts(r.tokens, r.per) {
			a := NewAxis(r.tokens, r.per, burst)
			now := a.At(Horizon)
			assert.Equal(t, a.Full, a.Level(-a.Full, now))
			next, ok := a.Take(-a.Full, now, a.Full)
			assert.True(t, ok)
			assert.Equal(t, now, next)
			_, ok = a.Take(next, now, 1)
			assert.False(t, ok)
			assert.Equal(t, now-a.Full, a.Give(now, now, a.Full))
		}
	}
}

func verifyConvert(t *testing.T, a, from Axis, level int64) {
	t.Helper()
	exact := new(big.Int).Mul(big.NewInt(level), big.NewInt(a.Token))
	down, rest := exact.QuoRem(exact, big.NewInt(from.Token), new(big.Int))
	capped := func(x *big.Int) int64 {
		if x.IsInt64() {
			return min(a.Full, x.Int64())
		}
		return a.Full
	}
	require.Equal(t, capped(down), a.Convert(&from, level))
	up := new(big.Int).Add(down, big.NewInt(int64(rest.Sign())))
	require.Equal(t, capped(up), a.ConvertUp(&from, level))
}

func TestConvertEqualsRationalNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, from := range rates {
		for _, to := range rates {
			for _, burst := range bursts(to.tokens, to.per) {
				a, b := NewAxis(to.tokens, to.per, burst), NewAxis(from.tokens, from.per, bursts(from.tokens, from.per)[1])
				for _, level := range []int64{0, 1, b.Token - 1, b.Token, b.Full, rng.Int64N(b.Full + 1)} {
					verifyConvert(t, a, b, min(level, b.Full))
				}
			}
		}
	}
}

func TestFunctionsDoNotAllocate(t *testing.T) {
	a := NewAxis(7, time.Second, 7)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		now := a.At(time.Hour)
		next, _ := a.Take(0, now, a.Token)
		_, _ = a.When(a.Give(next, now, 1), 5)
		_ = a.Convert(&a, a.Level(next, now))
	}))
}
