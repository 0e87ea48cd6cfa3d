package metrics

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

func mean(a *Average) [2]float64 {
	m, n := a.Mean()
	return [2]float64{m, float64(n)}
}

// An observation counts until it is Window-g old for certain and from Window on not, to the nanosecond.
func TestAverageWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := must(NewAverage(AverageConfig{Window: 10 * time.Second, Buckets: 5}))
		assert.Equal(t, [2]float64{0, 0}, mean(a))
		time.Sleep(3 * time.Second) // in the bucket of [2s, 4s)
		a.Observe(10)
		time.Sleep(time.Second) // [4s, 6s)
		a.Observe(20)
		assert.Equal(t, [2]float64{15, 2}, mean(a))
		time.Sleep(8*time.Second - 1)
		assert.Equal(t, [2]float64{15, 2}, mean(a), "a nanosecond before the window leaves [2s, 4s)")
		time.Sleep(1)
		assert.Equal(t, [2]float64{20, 1}, mean(a))
		time.Sleep(2*time.Second - 1)
		assert.Equal(t, [2]float64{20, 1}, mean(a))
		time.Sleep(1)
		assert.Equal(t, [2]float64{0, 0}, mean(a))
	})
}

func TestAverageDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := must(NewAverage(AverageConfig{}))
		a.Observe(1)
		time.Sleep(time.Minute - 1)
		assert.Equal(t, [2]float64{1, 1}, mean(a))
		time.Sleep(1)
		assert.Equal(t, [2]float64{0, 0}, mean(a))
		longest := must(NewAverage(AverageConfig{Window: math.MaxInt64, Buckets: 1}))
		longest.Observe(4)
		time.Sleep(200 * 365 * 24 * time.Hour)
		assert.Equal(t, [2]float64{4, 1}, mean(longest))
	})
}

func TestAverageOfExtremes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := must(NewAverage(AverageConfig{Window: 10, Buckets: 2}))
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			a.Observe(v)
		}
		assert.Equal(t, [2]float64{0, 0}, mean(a))
		assert.Equal(t, uint64(3), a.ignored())
		a.Observe(math.MaxFloat64)
		a.Observe(math.MaxFloat64)
		time.Sleep(5)
		a.Observe(math.MaxFloat64)
		assert.Equal(t, [2]float64{math.MaxFloat64 / 3, 3}, mean(a), "a sum beyond the largest float stays there")
		time.Sleep(10)
		a.Observe(-math.MaxFloat64)
		a.Observe(-math.MaxFloat64)
		assert.Equal(t, [2]float64{-math.MaxFloat64 / 2, 2}, mean(a))
		time.Sleep(10)
		assert.Equal(t, [2]float64{0, 0}, mean(a), "and leaves with its bucket")
	})
}

// Made outside of the bubble in which it is used, an Average sees a clock that was set back by decades.
func TestClockSetBack(t *testing.T) {
	a := must(NewAverage(AverageConfig{}))
	s := must(NewSLO(SLOConfig{Objective: 0.9, Alerts: []BurnAlert{{"a", time.Hour, 0, 1}}}))
	a.Observe(1)
	s.Record(false)
	synctest.Test(t, func(t *testing.T) {
		require.Negative(t, time.Since(a.base))
		a.Observe(3)
		s.Record(false)
		assert.Equal(t, [2]float64{2, 2}, mean(a))
		assert.Equal(t, uint64(2), s.Budget().Bad)
		assert.Zero(t, s.Budget().Coverage)
		assert.True(t, s.Alerts()[0].Firing)
	})
}

// Idle for 200 years, and busy at the end of what a duration can measure.
func TestIdleForCenturies(t *testing.T) {
	const years = 365 * 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		a := must(NewAverage(AverageConfig{Window: 7, Buckets: 7}))
		big := must(NewAverage(AverageConfig{Window: math.MaxInt64 / 2, Buckets: 1}))
		s := must(NewSLO(SLOConfig{Objective: 0.999}))
		a.Observe(1)
		s.Record(false)
		for range 3 {
			time.Sleep(97 * years)
			assert.Equal(t, [2]float64{0, 0}, mean(a))
			assert.Equal(t, Budget{Remaining: 1, Coverage: 1}, s.Budget())
			a.Observe(5)
			s.Record(true)
			big.Observe(1)
			assert.Equal(t, [2]float64{5, 1}, mean(a))
			assert.Equal(t, uint64(1), s.Budget().Total)
		}
	})
}

// The ring is a slice of observations with their times.
func TestAverageModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			g := time.Duration(rapid.IntRange(1, 5).Draw(t, "width"))
			n := rapid.IntRange(1, 6).Draw(t, "buckets")
			a := must(NewAverage(AverageConfig{Window: g * time.Duration(n), Buckets: n}))
			type observation struct {
				bucket int64
				v      float64
			}
			var all []observation
			start := time.Now()
			t.Repeat(map[string]func(*rapid.T){
				"sleep": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 40).Draw(t, "d"))) },
				"observe": func(t *rapid.T) {
					v := float64(rapid.IntRange(-9, 9).Draw(t, "v"))
					a.Observe(v)
					all = append(all, observation{int64(time.Since(start) / g), v})
				},
				"": func(t *rapid.T) {
					sum, count := 0.0, uint64(0)
					for _, o := range all {
						if int64(time.Since(start)/g)-o.bucket < int64(n) {
							sum += o.v
							count++
						}
					}
					m, got := a.Mean()
					require.Equal(t, count, got)
					require.InDelta(t, sum, m*float64(count), 1e-9)
				},
			})
		})
	})
}

func TestHammerAverage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := must(NewAverage(AverageConfig{}))
		hammer.Run(t, 8, 2000, func(_ int, rng *rand.Rand) error {
			a.Observe(3)
			a.Mean()
			return nil
		})
		assert.Equal(t, [2]float64{3, 16_000}, mean(a))
	})
}
