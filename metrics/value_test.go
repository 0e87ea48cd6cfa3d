package metrics

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

// client_golang counts in a float and loses units above 2^53 (its pull request 1464).
func TestCounterIsExactAndWraps(t *testing.T) {
	var c Counter
	c.Add(1 << 53)
	c.Inc()
	c.Inc()
	assert.Equal(t, uint64(1<<53+2), c.Value())
	c.Add(math.MaxUint64 - c.Value())
	assert.Equal(t, uint64(math.MaxUint64), c.Value())
	r := must(New(Config{}))
	require.NoError(t, r.Register("c_total", "c", &c))
	assert.Contains(t, textOf(t, r), "c_total 18446744073709551615\n")
	c.Add(3)
	assert.Equal(t, uint64(2), c.Value())
}

func TestCounterLosesNothing(t *testing.T) {
	const workers, rounds = 8, 20_000
	var c Counter
	hammer.Run(t, workers, rounds, func(_ int, rng *rand.Rand) error {
		before := c.Value()
		if rng.IntN(2) == 0 {
			c.Inc()
			c.Add(63)
		} else {
			c.Add(64)
		}
		if after := c.Value(); after < before+64 {
			return errors.New("an Add that happened before is missing")
		}
		return nil
	})
	assert.Equal(t, uint64(64*workers*rounds), c.Value())
}

// One NaN makes a client_golang gauge or counter NaN for ever.
func TestGaugeIgnoresWhatIsNotFinite(t *testing.T) {
	var g Gauge
	g.Set(1.5)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		g.Set(v)
		g.Add(v)
	}
	assert.InDelta(t, 1.5, g.Value(), 0)
	assert.Equal(t, uint64(6), g.ignored())
	g.Set(math.MaxFloat64)
	g.Add(math.MaxFloat64)
	assert.InDelta(t, math.MaxFloat64, g.Value(), 0)
	assert.Equal(t, uint64(7), g.ignored())
	g.Add(-math.MaxFloat64)
	g.Inc()
	g.Inc()
	g.Dec()
	assert.InDelta(t, 1, g.Value(), 0)
}

func TestGaugeLosesNothing(t *testing.T) {
	var g Gauge
	hammer.Run(t, 8, 5000, func(_ int, rng *rand.Rand) error {
		d := float64(rng.IntN(100))
		g.Add(d)
		g.Inc()
		g.Add(-d)
		return nil
	})
	assert.InDelta(t, 40_000, g.Value(), 0)
}
