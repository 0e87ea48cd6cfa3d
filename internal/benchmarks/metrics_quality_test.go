package benchmarks

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The peers that answer quantiles are compared on their errors too: ours must keep its promise of 1 %.
func TestMetricsQuantileError(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for name, draw := range map[string]func() float64{
		"constant":    func() float64 { return 0.0123 },
		"linear":      func() float64 { return 1 + rng.Float64()*1000 },
		"normal":      func() float64 { return math.Abs(100 + 10*rng.NormFloat64()) },
		"lognormal":   func() float64 { return 0.02 * math.Exp(rng.NormFloat64()) },
		"exponential": rng.ExpFloat64,
		"Pareto":      func() float64 { return math.Pow(1-rng.Float64(), -1/1.1) },
		"bimodal":     func() float64 { return []float64{0.001, 3}[rng.IntN(2)] * (1 + 0.1*rng.Float64()) },
	} {
		values := make([]float64, 20_000)
		for i := range values {
			values[i] = draw()
		}
		sorted := slices.Sorted(slices.Values(values))
		for _, impl := range metricsImpls() {
			if impl.quantile == nil {
				continue
			}
			worst := 0.0
			for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
				want := sorted[int(math.Ceil(q*float64(len(sorted))))-1]
				worst = max(worst, math.Abs(impl.quantile(values, q)-want)/want)
			}
			t.Logf("%-12s %-14s worst error p50 to p99.9: %.3f %%", name, impl.name, 100*worst)
			if impl.name == "mainstay" {
				assert.LessOrEqual(t, worst, 0.01, name)
			}
		}
	}
}

// The memory of a series with three labels.
func TestMetricsBytesPerSeries(t *testing.T) {
	const n = 10_000
	sets := metricsSets(n)
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for _, impl := range metricsImpls() {
		if impl.page == nil {
			continue
		}
		before := heap()
		write := impl.page(sets, nil)
		perSeries := (heap() - before) / n
		t.Logf("%-14s %.0f bytes a series", impl.name, perSeries)
		if impl.name == "mainstay" {
			assert.LessOrEqual(t, perSeries, 320.0)
		}
		var text strings.Builder
		require.NoError(t, write(&text))
	}
}
