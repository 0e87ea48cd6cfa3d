package tokenunits

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	const year = 365 * 24 * time.Hour
	tests := []struct {
		tokens int64
		per    time.Duration
		burst  int64
		want   string
	}{
		{1, time.Second, 1, ""},
		{0, time.Second, 1, "Rate must be at least 1 token, got 0 per 1s"},
		{-1, time.Second, 1, "Rate must be at least 1 token, got -1 per 1s"},
		{math.MinInt64, 1, 1, "Rate must be at least 1 token, got -9223372036854775808 per 1ns"},
		{1, 0, 1, "Rate must be per at least 1ns, got 1 per 0s"},
		{1, -1, 1, "Rate must be per at least 1ns, got 1 per -1ns"},
		{10, 1, 1, ""},
		{11, 1, 1, "Rate must be at most 10 tokens per nanosecond, got 11 per 1ns"},
		{20, 2, 1, ""},
		{21, 2, 1, "Rate must be at most 10 tokens per nanosecond, got 21 per 2ns"},
		{math.MaxInt64, math.MaxInt64 / 10, 1, "Rate must be at most 10 tokens per nanosecond, got 9223372036854775807 per 256204h46m43.68547758s"},
		{math.MaxInt64, math.MaxInt64/10 + 1, 1, ""},
		{1, time.Second, 0, "Burst must be at least 1, or 0 for Rate.Tokens, got 0"},
		{1, time.Second, -1, "Burst must be at least 1, or 0 for Rate.Tokens, got -1"},
		{1, time.Second, math.MinInt64, "Burst must be at least 1, or 0 for Rate.Tokens, got -9223372036854775808"},
		{1, time.Second, 315_360_000, ""},
		{1, time.Second, 315_360_001, "Burst must be at most what Rate fills in 10 years, got 315360001 at 1 per 1s"},
		{10, 1, 3_153_600_000_000_000_000, ""},
		{10, 1, 3_153_600_000_000_000_001, "Burst must be at most what Rate fills in 10 years, got 3153600000000000001 at 10 per 1ns"},
		{1, 10 * year, 1, ""},
		{1, 10*year + 1, 1, "Burst must be at most what Rate fills in 10 years, got 1 at 1 per 87600h0m0.000000001s"},
		{1, math.MaxInt64, math.MaxInt64, "Burst must be at most what Rate fills in 10 years, got 9223372036854775807 at 1 per 2562047h47m16.854775807s"},
	}
	for _, tt := range tests {
		err := Check(tt.tokens, tt.per, tt.burst)
		if tt.want == "" {
			require.NoError(t, err, "%+v", tt)
			continue
		}
		assert.EqualError(t, err, tt.want)
	}
}

// valid is Check in rational numbers.
func valid(tokens int64, per time.Duration, burst int64) bool {
	if tokens < 1 || per < 1 || burst < 1 {
		return false
	}
	rate := new(big.Rat).SetFrac64(tokens, int64(per))
	fill := new(big.Rat).Quo(new(big.Rat).SetInt64(burst), rate)
	return rate.Cmp(big.NewRat(10, 1)) <= 0 && fill.Cmp(new(big.Rat).SetInt64(int64(maxFill))) <= 0
}
