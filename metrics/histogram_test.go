package metrics

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

func collect[K comparable, V any](seq iter.Seq2[K, V]) map[K]V { return maps.Collect(seq) }

// A value that equals a bound counts in its bucket, the next float in the next; also bounds that lie close together, on a
// power of two, outside of the range of quantiles, or many in one octave.
func TestBoundsAreExact(t *testing.T) {
	dense := make([]float64, 40)
	for i := range dense {
		dense[i] = 1 + float64(i)/40
	}
	for name, bounds := range map[string][]float64{
		"default":         defaultBounds,
		"powers of two":   {0.25, 0.5, 1, 2, 4},
		"neighbours":      {1, math.Nextafter(1, 2), math.Nextafter(math.Nextafter(1, 2), 2), 1.0001},
		"outside":         {5e-324, 1e-300, 1e-10, 9.9e-10, 1e-9, 1.1e-9, 1e15, 1.1e15, 1e300, math.MaxFloat64},
		"many, an octave": dense,
	} {
		for _, tolerance := range []float64{0.001, 0.01, 0.1} {
			for i, bound := range bounds {
				h := must(NewHistogram(HistogramConfig{Bounds: bounds, RelativeError: tolerance}))
				h.Observe(bound)
				at := collect(h.Snapshot().Buckets())
				assert.Equal(t, uint64(1), at[bound], "%s: %v", name, bound)
				if i > 0 {
					assert.Equal(t, uint64(0), at[bounds[i-1]], "%s: %v is not below", name, bound)
				}
				h.Observe(math.Nextafter(bound, math.Inf(1)))
				if bound < math.MaxFloat64 {
					assert.Equal(t, uint64(1), collect(h.Snapshot().Buckets())[bound], "%s: after %v", name, bound)
				}
			}
		}
	}
}

func TestMinusZeroIsZero(t *testing.T) {
	h := must(NewHistogram(HistogramConfig{Bounds: []float64{5e-324, 1e-10}}))
	h.Observe(math.Copysign(0, -1))
	h.Observe(0)
	assert.Equal(t, map[float64]uint64{5e-324: 2, 1e-10: 2, math.Inf(1): 2}, collect(h.Snapshot().Buckets()))
	assert.Equal(t, "0", fmt.Sprint(h.Snapshot().Sum))
}

func TestBucketsAscendAndStop(t *testing.T) {
	var h Histogram
	for _, v := range []float64{0, math.Copysign(0, -1), 0.003, 0.7, 11, 1e18} {
		h.Observe(v)
	}
	var bounds []float64
	var counts []uint64
	for bound, n := range h.Snapshot().Buckets() {
		bounds, counts = append(bounds, bound), append(counts, n)
	}
	assert.Equal(t, append(slices.Clone(defaultBounds), math.Inf(1)), bounds)
	assert.Equal(t, []uint64{3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 6}, counts)
	for range h.Snapshot().Buckets() {
		break
	}
	assert.Equal(t, map[float64]uint64{math.Inf(1): 0}, collect(Snapshot{}.Buckets()))
}

// +Inf poisons the sum of a VictoriaMetrics histogram, NaN that of client_golang.
func TestObserveIgnoresWhatIsNoObservation(t *testing.T) {
	var h Histogram
	h.Observe(2)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, -5e-324} {
		h.Observe(v)
	}
	s := h.Snapshot()
	assert.Equal(t, uint64(1), s.Count)
	assert.Equal(t, Snapshot{Count: 1, Sum: 2, layout: s.layout, tally: s.tally}, s)
	assert.Equal(t, uint64(5), h.ignored())
	h.Observe(math.MaxFloat64)
	h.Observe(math.MaxFloat64)
	h.Observe(1)
	largestBits := math.Float64bits(math.MaxFloat64)
	assert.Equal(t, largestBits, math.Float64bits(h.Snapshot().Sum), "a sum beyond the largest float stays there")
}

// distributions are the usual shapes of latencies and sizes.
func distributions() map[string]func(*rand.Rand) float64 {
	return map[string]func(*rand.Rand) float64{
		"constant":    func(*rand.Rand) float64 { return 0.0123 },
		"linear":      func(r *rand.Rand) float64 { return r.Float64() * 1000 },
		"normal":      func(r *rand.Rand) float64 { return math.Abs(100 + 10*r.NormFloat64()) },
		"lognormal":   func(r *rand.Rand) float64 { return 0.02 * math.Exp(r.NormFloat64()) },
		"exponential": func(r *rand.Rand) float64 { return r.ExpFloat64() },
		"Pareto":      func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/1.1) },
		"bimodal":     func(r *rand.Rand) float64 { return []float64{0.001, 3}[r.IntN(2)] * (1 + 0.1*r.Float64()) },
	}
}

// trueQuantile is the definition, on a sorted slice.
func trueQuantile(sorted []float64, q float64) float64 {
	rank := max(1, int(math.Ceil(q*float64(len(sorted)))))
	return sorted[rank-1]
}

// The Summary of client_golang with four objectives is off by up to 99.95 % (prometheus/client_java#2292 is the cause in
// another language); here the bound holds for every quantile.
func TestQuantileErrorIsBounded(t *testing.T) {
	for name, draw := range distributions() {
		for _, tolerance := range []float64{0.001, 0.01, 0.1} {
			rng := rand.New(rand.NewPCG(1, 2))
			h := must(NewHistogram(HistogramConfig{RelativeError: tolerance}))
			values := make([]float64, 5000)
			for i := range values {
				values[i] = draw(rng)
				h.Observe(values[i])
			}
			slices.Sort(values)
			s := h.Snapshot()
			for _, q := range []float64{0, 1e-9, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1} {
				want := trueQuantile(values, q)
				require.InEpsilon(t, want, s.Quantile(q), tolerance, "%s, q %v", name, q)
			}
		}
	}
}

// Slots are in order, do not overlap, and the answer of each lies in it: from this follow the bound of the error and that
// quantiles never fall.
func TestAnswersOfAllSlots(t *testing.T) {
	for _, cfg := range []HistogramConfig{
		{},
		{RelativeError: 0.001},
		{RelativeError: 0.1},
		{Bounds: []float64{1e-12, 1e-9, 1.5e-9, 1, 1.0001, 1.0002, 1.5, 9e14, 1e15, 2e15, 1e20}},
	} {
		l := must(cfg.layout())
		last, lastHi := 0.0, 0.0
		for slot := range l.slots {
			answer := l.answer(slot)
			require.GreaterOrEqual(t, answer, last)
			last = answer
			r := l.regionOf(max(answer, 0))
			lo, hi := l.edges(r, slot)
			if r == 0 || r == lastRegion || lo >= largest {
				continue
			}
			require.LessOrEqual(t, lastHi, lo)
			lastHi = hi
			if lo < hi {
				require.Equal(t, slot, l.slot(math.Min(hi, largest)), "the upper edge %v belongs to the slot", hi)
				for _, v := range []float64{math.Nextafter(lo, hi), hi} {
					if v >= smallest && v <= largest {
						require.InEpsilon(t, v, answer, l.tolerance)
					}
				}
			}
		}
	}
}

func TestQuantileEdges(t *testing.T) {
	var h Histogram
	for _, q := range []float64{0, 0.5, 1} {
		assert.True(t, math.IsNaN(h.Quantile(q)), "an empty histogram has none")
		assert.True(t, math.IsNaN(Snapshot{}.Quantile(q)))
	}
	assert.True(t, math.IsNaN(h.Snapshot().Mean()))
	h.Observe(5)
	for _, q := range []float64{math.NaN(), -0.1, 1.1, math.Inf(1), math.Inf(-1)} {
		assert.True(t, math.IsNaN(h.Quantile(q)), q)
	}
	assert.InDelta(t, 5, h.Snapshot().Mean(), 0)
	var small, large Histogram
	for _, v := range []float64{0, 5e-324, 9.999e-10} {
		small.Observe(v)
	}
	assert.Zero(t, small.Quantile(1))
	small.Observe(1e-9)
	assert.InEpsilon(t, 1e-9, small.Quantile(1), 0.01)
	large.Observe(1e15)
	assert.InEpsilon(t, 1e15, large.Quantile(0.5), 0.01)
	large.Observe(math.Nextafter(1e15, math.Inf(1)))
	large.Observe(math.MaxFloat64)
	assert.GreaterOrEqual(t, large.Quantile(1), 1e15)
	assert.Equal(t, uint64(3), large.Snapshot().Count)
}

// The rank is exact: of 1..100 the quantile of p percent is p, but for the width of a step.
func TestQuantileRank(t *testing.T) {
	var h Histogram
	for i := range 4 {
		h.Observe(math.Pow(10, float64(i)))
	}
	for q, want := range map[float64]float64{0: 1, 0.25: 1, 0.2500001: 10, 0.5: 10, 0.51: 100, 0.75: 100, 0.76: 1000, 1: 1000} {
		assert.InEpsilon(t, want, h.Quantile(q), 0.01, "q %v", q)
	}
}

func TestMergeAndSub(t *testing.T) {
	var a, b Histogram
	for i := range 100 {
		a.Observe(float64(i))
		b.Observe(float64(i) / 100)
	}
	sa, sb := a.Snapshot(), b.Snapshot()
	ab, ba := must(sa.Merge(sb)), must(sb.Merge(sa))
	assert.Equal(t, ab, ba)
	assert.Equal(t, uint64(200), ab.Count)
	assert.InDelta(t, sa.Sum+sb.Sum, ab.Sum, 1e-9)
	assert.Equal(t, sa.tally, must(ab.Sub(sb)).tally)
	assert.Equal(t, sa, must(sa.Sub(Snapshot{})))
	assert.Equal(t, sa, must(sa.Merge(Snapshot{})))
	assert.Equal(t, sa, must(Snapshot{}.Merge(sa)))
	assert.Equal(t, Snapshot{}, must(Snapshot{}.Merge(Snapshot{})))
	empty := must(sa.Sub(sa))
	assert.Zero(t, empty.Count)
	assert.Zero(t, empty.Sum)
	assert.True(t, math.IsNaN(empty.Quantile(0.5)))
	self := must(sa.Merge(sa)) // deadlocks in VictoriaMetrics/metrics
	assert.Equal(t, 2*sa.Count, self.Count)
	a.Observe(7)
	minute := must(a.Snapshot().Sub(sa))
	assert.Equal(t, uint64(1), minute.Count)
	assert.InEpsilon(t, 7, minute.Quantile(0.5), 0.01)
	assert.InDelta(t, 7, minute.Sum, 0)
	require.NoError(t, second(sa.Sub(sa)))
	s := sa
	for range 70 {
		s = must(s.Merge(s))
	}
	assert.Equal(t, uint64(math.MaxUint64), s.Count, "a count of merges does not wrap")
	assert.Equal(t, s.Count, collect(s.Buckets())[math.Inf(1)], "nor does a bucket")
}

func TestMismatch(t *testing.T) {
	a := new(Histogram).Snapshot()
	bounds := must(NewHistogram(HistogramConfig{Bounds: []float64{1}})).Snapshot()
	tolerance := must(NewHistogram(HistogramConfig{RelativeError: 0.05})).Snapshot()
	same := must(NewHistogram(HistogramConfig{Bounds: slices.Clone(defaultBounds)}))
	same.Observe(1)
	for _, other := range []Snapshot{bounds, tolerance} {
		require.ErrorIs(t, second(a.Merge(other)), ErrMismatch, "an empty histogram fits its own kind only")
		require.ErrorIs(t, second(a.Sub(other)), ErrMismatch)
	}
	assert.Equal(t, uint64(1), must(a.Merge(same.Snapshot())).Count, "equal configs fit")
	require.ErrorIs(t, second(a.Sub(same.Snapshot())), ErrMismatch, "an earlier one that holds more")
	require.ErrorIs(t, second(Snapshot{}.Sub(same.Snapshot())), ErrMismatch)
	more := must(same.Snapshot().Merge(same.Snapshot()))
	require.ErrorIs(t, second(same.Snapshot().Sub(more)), ErrMismatch)
}

// Histograms of client_golang are inconsistent while they are scraped (its issue 275).
func TestCountAgreesWithBucketsAtEveryInstant(t *testing.T) {
	var h Histogram
	r := must(New(Config{}))
	require.NoError(t, r.Register("h", "h", &h))
	hammer.Run(t, 8, 600, func(worker int, rng *rand.Rand) error {
		if worker > 1 {
			for range 8 {
				h.Observe(rng.ExpFloat64())
			}
			return nil
		}
		s := h.Snapshot()
		if got := collect(s.Buckets())[math.Inf(1)]; got != s.Count {
			return fmt.Errorf("Count %d, bucket %d", s.Count, got)
		}
		page := parsePage(textOf(t, r))
		if page[`h_bucket{le="+Inf"}`] != page["h_count"] {
			return fmt.Errorf("count %s, bucket %s", page["h_count"], page[`h_bucket{le="+Inf"}`])
		}
		return nil
	})
	s := h.Snapshot()
	assert.Equal(t, uint64(6*600*8), s.Count)
}

// Once Observes have stopped, all agree.
func TestConcurrentObservesLoseNothing(t *testing.T) {
	var h Histogram
	hammer.Run(t, 8, 5000, func(_ int, rng *rand.Rand) error {
		h.Observe(float64(rng.IntN(1000)))
		h.Observe(1)
		return nil
	})
	s, again := h.Snapshot(), h.Snapshot()
	assert.Equal(t, uint64(80_000), s.Count)
	assert.Equal(t, again, s)
	want := 0.0
	for worker := range 8 {
		rng := rand.New(rand.NewPCG(uint64(worker), 0x9e3779b97f4a7c15))
		for range 5000 {
			want += float64(rng.IntN(1000)) + 1
		}
	}
	assert.InDelta(t, want, s.Sum, 0)
}

// A histogram is a sorted slice that forgets a little.
func TestHistogramModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		positive := rapid.Float64Range(1e-12, 1e17)
		cfg := HistogramConfig{RelativeError: rapid.SampledFrom([]float64{0, 0.001, 0.05, 0.1}).Draw(t, "error")}
		cfg.Bounds = rapid.SliceOfNDistinct(positive, 1, 30, rapid.ID).Draw(t, "bounds")
		slices.Sort(cfg.Bounds)
		h := must(NewHistogram(cfg))
		near := rapid.Custom(func(t *rapid.T) float64 {
			b := rapid.SampledFrom(cfg.Bounds).Draw(t, "bound")
			return rapid.SampledFrom([]float64{b, math.Nextafter(b, 0), math.Nextafter(b, 1e18)}).Draw(t, "near")
		})
		values := rapid.SliceOfN(rapid.OneOf(positive, near), 1, 100).Draw(t, "values")
		earlier, cut := Snapshot{}, rapid.IntRange(0, len(values)).Draw(t, "cut")
		for i, v := range values {
			if i == cut {
				earlier = h.Snapshot()
			}
			h.Observe(v)
		}
		if cut == len(values) {
			earlier = h.Snapshot()
		}
		checkSnapshot(t, h.Snapshot(), values, cfg)
		checkSnapshot(t, must(h.Snapshot().Sub(earlier)), values[cut:], cfg)
		checkSnapshot(t, must(must(h.Snapshot().Sub(earlier)).Merge(earlier)), values, cfg)
	})
}

func checkSnapshot(t *rapid.T, s Snapshot, values []float64, cfg HistogramConfig) {
	sorted := slices.Sorted(slices.Values(values))
	require.Equal(t, uint64(len(values)), s.Count)
	for bound, n := range s.Buckets() {
		below := 0
		for below < len(sorted) && sorted[below] <= bound {
			below++
		}
		require.Equal(t, uint64(below), n, "le %v", bound)
	}
	if len(sorted) == 0 {
		return
	}
	last := math.Inf(-1)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 1} {
		got, want := s.Quantile(q), trueQuantile(sorted, q)
		require.GreaterOrEqual(t, got, last)
		last = got
		switch {
		case want < smallest:
			require.Zero(t, got)
		case want > largest:
			require.GreaterOrEqual(t, got, largest)
		default:
			tolerance := cfg.RelativeError
			if tolerance == 0 {
				tolerance = defaultError
			}
			require.InEpsilon(t, want, got, tolerance, "q %v", q)
		}
	}
}
