package main

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

func TestParseRate(t *testing.T) {
	tests := []struct {
		text   string
		tokens int64
		per    time.Duration
	}{
		{"1/30s", 1, 30 * time.Second},
		{"10/1s", 10, time.Second},
		{"2/1m", 2, time.Minute},
		{"3/1h30m", 3, 90 * time.Minute},
		{"1000000000/1ns", 1e9, 1},
		{"1/1000h", 1, 1000 * time.Hour},
	}
	for _, tt := range tests {
		tokens, per, err := parseRate(tt.text)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.tokens, tokens)
		assert.Equal(t, tt.per, per)
	}
	for _, text := range []string{
		"", "1", "/", "1/", "/30s", "1/30", "0/1s", "-1/1s", "1/0s", "1/-1s", "1.5/1s", "NaN/1s", "1000000001/1s", "1/1001h", "1/1s/1s",
	} {
		_, _, err := parseRate(text)
		assert.Error(t, err, text)
	}
}

func TestParseSpeed(t *testing.T) {
	for text, want := range map[string]speed{"600": 600_000, "1": 1000, "0.5": 500, "0.001": 1, "1e6": 1e9, "1.1": 1100, "3600.125": 3_600_125} {
		got, err := parseSpeed(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "0", "-1", "NaN", "Inf", "-Inf", "1e7", "1000000.001", "0.0001", "0.0005", "fast", "1e999"} {
		_, err := parseSpeed(text)
		assert.Error(t, err, text)
	}
}

func TestSpeedWall(t *testing.T) {
	assert.Equal(t, time.Second, speed(3600*speedUnit).wall(time.Hour))
	assert.Equal(t, 2*time.Second, speed(speedUnit/2).wall(time.Second))
	assert.Equal(t, time.Duration(math.MaxInt64), speed(1).wall(math.MaxInt64), "no overflow")
}

// TestBucketIsExact: the wall rate is the trace rate times the speed, as a
// fraction.
func TestBucketIsExact(t *testing.T) {
	for _, p := range []policy{{1, 30 * time.Second, 30}, {10, time.Second, 5}, {7, time.Hour, 1}, {2, time.Minute, 9}} {
		for _, text := range []string{"0.001", "1", "600", "777.777", "3600", "1000000"} {
			s, err := parseSpeed(text)
			require.NoError(t, err)
			cfg, err := p.bucket(s)
			require.NoError(t, err)
			factor, ok := new(big.Rat).SetString(text)
			require.True(t, ok)
			want := new(big.Rat).Mul(big.NewRat(p.tokens, int64(p.per)), factor)
			assert.Zero(t, want.Cmp(big.NewRat(cfg.Rate.Tokens, int64(cfg.Rate.Per))), "%v at %s", p, text)
			assert.Equal(t, p.burst, cfg.Burst)
		}
	}
}

func TestBucketRefusesWhatCannotBe(t *testing.T) {
	_, err := policy{1, time.Second, math.MaxInt64}.bucket(speedUnit)
	require.ErrorContains(t, err, "-burst")
	_, err = policy{1e9, 1, 1}.bucket(1e6 * speedUnit)
	require.ErrorContains(t, err, "-rate")
	require.ErrorIs(t, err, tokenbucket.ErrConfig)
	_, err = policy{1, 1000 * time.Hour, 2000}.bucket(speedUnit) // full after two centuries
	require.ErrorIs(t, err, tokenbucket.ErrConfig)
}

func TestPolicyInWords(t *testing.T) {
	p := policy{10, time.Second, 5}
	assert.Equal(t, "10 per 1s, burst 5", p.String())
	assert.InDelta(t, 0.1, p.interval(), 0)
}

// ratBucket is the bucket of the textbook in rational numbers: the model of
// eventLimiter.
type ratBucket struct {
	level *big.Rat
	at    time.Duration
}

func (b *ratBucket) allow(p policy, at time.Duration) bool {
	burst := new(big.Rat).SetInt64(p.burst)
	if b.level == nil {
		b.level, b.at = burst, at
	}
	refill := new(big.Rat).Mul(big.NewRat(p.tokens, int64(p.per)), new(big.Rat).SetInt64(int64(at-b.at)))
	b.level, b.at = new(big.Rat).Add(b.level, refill), at
	if b.level.Cmp(burst) > 0 {
		b.level = burst
	}
	if b.level.Cmp(big.NewRat(1, 1)) < 0 {
		return false
	}
	b.level = new(big.Rat).Sub(b.level, big.NewRat(1, 1))
	return true
}

func TestEventLimiterEqualsRationalBucket(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		p := policy{1 + rng.Int64N(10), time.Duration(1 + rng.Int64N(int64(time.Minute))), 1 + rng.Int64N(20)}
		l := eventLimiter{p, map[string]*eventBucket{}}
		var model ratBucket
		at := time.Duration(0)
		for range 200 {
			at += time.Duration(rng.Int64N(2 * int64(p.per) / p.tokens))
			if rng.IntN(50) == 0 {
				at += 100 * 24 * time.Hour
			}
			require.Equal(t, model.allow(p, at), l.allow("c", at), "%v at %v", p, at)
		}
	}
}

func TestEventLimiterBoundaries(t *testing.T) {
	l := eventLimiter{policy{1, 30 * time.Second, 2}, map[string]*eventBucket{}}
	at := func(d time.Duration) bool { return l.allow("c", d) }
	assert.True(t, at(time.Hour), "full at first sight")
	assert.True(t, at(time.Hour))
	assert.False(t, at(time.Hour))
	assert.False(t, at(time.Hour+30*time.Second-1))
	assert.True(t, at(time.Hour+30*time.Second))
	assert.True(t, l.allow("other", time.Hour), "each client has a bucket of its own")
	assert.True(t, at(math.MaxInt64), "a pause of centuries does not overflow")
	assert.True(t, at(math.MaxInt64))
	assert.False(t, at(math.MaxInt64))
}
