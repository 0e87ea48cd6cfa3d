package benchmarks

import (
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// metricsLabels are the three labels of a request.
type metricsLabels struct{ Method, Route, Code string }

// metricsLoop does an operation n times, beginning with number first. Each adapter has its own loop, so that the calls are
// the direct ones of its users, not those of an interface of ours.
type metricsLoop struct {
	do    func(first, n int)
	total func() float64 // of all that was done; nil if it cannot be told
}

// metricsImpl is one implementation; what a peer cannot do is nil.
type metricsImpl struct {
	name    string
	counter func() metricsLoop
	vec     func(sets []metricsLabels) metricsLoop
	strings func(keys []string) metricsLoop
	ints    func(keys []int) metricsLoop
	observe func(values []float64) metricsLoop // total counts observations

	// quantile returns the q of the values, as the peer answers it.
	quantile func(values []float64, q float64) float64

	// page writes a counter for each of the label sets, or a histogram with the values.
	page func(sets []metricsLabels, values []float64) func(io.Writer) error

	serialOnly bool // is not safe for concurrent use
}

func metricsImpls() []metricsImpl {
	return []metricsImpl{
		metricsMainstay, metricsClientGolang, metricsVictoria, metricsOTel, metricsXsync, metricsHDR, metricsDDSketch,
		metricsGoMetrics, metricsStd, metricsMutex,
	}
}

// benchMetrics runs a loop on one goroutine, and on as many as there are processors, and checks the total.
func benchMetrics(b *testing.B, impl metricsImpl, row string, fresh func() metricsLoop) {
	b.Helper()
	for _, mode := range []string{"serial", "parallel"} {
		if mode == "parallel" && impl.serialOnly {
			continue
		}
		b.Run("impl="+impl.name+row+"/mode="+mode, func(b *testing.B) {
			loop := fresh()
			loop.do(0, 1024) // every label set and key exists
			b.ReportAllocs()
			b.ResetTimer()
			done := b.N
			if mode == "serial" {
				loop.do(0, b.N)
			} else {
				done = metricsParallel(b.N, loop.do)
			}
			b.StopTimer()
			if loop.total != nil {
				require.InDelta(b, done+1024, loop.total(), 0)
			}
		})
	}
}

// metricsParallel does n operations, and up to GOMAXPROCS-1 more.
func metricsParallel(n int, do func(first, n int)) int {
	workers := runtime.GOMAXPROCS(0)
	each := (n + workers - 1) / workers
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() { do(worker*each, each) })
	}
	wg.Wait()
	return each * workers
}

func metricsSets(n int) []metricsLabels {
	sets := make([]metricsLabels, n)
	for i := range sets {
		sets[i] = metricsLabels{"GET", "/v1/items/" + strconv.Itoa(i/4), strconv.Itoa(200 + i%4)}
	}
	return sets
}

func metricsLatencies() []float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 4096)
	for i := range values {
		values[i] = 0.02 * math.Exp(rng.NormFloat64())
	}
	return values
}

// BenchmarkMetricsCounterInc counts with one counter.
func BenchmarkMetricsCounterInc(b *testing.B) {
	for _, impl := range metricsImpls() {
		if impl.counter != nil {
			benchMetrics(b, impl, "", impl.counter)
		}
	}
}

// BenchmarkMetricsVecInc looks a counter up by three labels and adds to it.
func BenchmarkMetricsVecInc(b *testing.B) {
	for _, n := range []int{1, 1024} {
		sets := metricsSets(n)
		for _, impl := range metricsImpls() {
			if impl.vec != nil {
				benchMetrics(b, impl, "/sets="+strconv.Itoa(n), func() metricsLoop { return impl.vec(sets) })
			}
		}
	}
}

// BenchmarkMetricsKeyedAdd counts by 1024 keys.
func BenchmarkMetricsKeyedAdd(b *testing.B) {
	keys, ints := make([]string, 1024), make([]int, 1024)
	for i := range keys {
		keys[i], ints[i] = "/v1/items/"+strconv.Itoa(i), i
	}
	for _, impl := range metricsImpls() {
		if impl.strings != nil {
			benchMetrics(b, impl, "/keys=string", func() metricsLoop { return impl.strings(keys) })
		}
		if impl.ints != nil {
			benchMetrics(b, impl, "/keys=int", func() metricsLoop { return impl.ints(ints) })
		}
	}
}

// BenchmarkMetricsObserve records lognormal latencies.
func BenchmarkMetricsObserve(b *testing.B) {
	values := metricsLatencies()
	for _, impl := range metricsImpls() {
		if impl.observe != nil {
			benchMetrics(b, impl, "", func() metricsLoop { return impl.observe(values) })
		}
	}
}

// metricsPages are the pages that are compared: label sets, and observations for histograms.
var metricsPages = []struct {
	name       string
	sets       int
	histograms bool
}{
	{"counters=1000", 1000, false}, {"counters=10000", 10_000, false}, {"histograms=1000", 1000, true},
}

// BenchmarkMetricsWriteText writes a page in the Prometheus text format.
func BenchmarkMetricsWriteText(b *testing.B) {
	for _, page := range metricsPages {
		var values []float64
		if page.histograms {
			values = metricsLatencies()[:64]
		}
		for _, impl := range metricsImpls() {
			if impl.page == nil {
				continue
			}
			b.Run("impl="+impl.name+"/"+page.name, func(b *testing.B) {
				write := impl.page(metricsSets(page.sets), values)
				var text strings.Builder
				require.NoError(b, write(&text))
				require.GreaterOrEqual(b, strings.Count(text.String(), "\n"), page.sets)
				b.ReportAllocs()
				for b.Loop() {
					if err := write(io.Discard); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
