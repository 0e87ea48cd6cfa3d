package metrics

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
)

// shop is a registry with one metric of each kind.
func shop(tb testing.TB) *Registry {
	tb.Helper()
	r := must(New(Config{Prefix: "shop_", Labels: map[string]string{"zone": "b", "app": `x"y`}}))
	var requests Vec[route, Counter]
	requests.With(route{"POST", "200"}).Add(3)
	requests.With(route{"GET", "500"}).Inc()
	requests.With(route{"GET", "200"}).Add(7)
	latency := must(NewHistogram(HistogramConfig{Bounds: []float64{0.005, 1, 1e6}}))
	for _, v := range []float64{0.005, 0.5, 2, 3e6} {
		latency.Observe(v)
	}
	var inFlight Gauge
	inFlight.Set(2.5)
	average := must(NewAverage(AverageConfig{}))
	for name, m := range map[string]Metric{
		"requests_total": &requests, "latency_seconds": latency, "in_flight": &inFlight, "load": average,
		"restarts_total": CounterFunc(func() float64 { return 1e7 }),
		"queue_length":   GaugeFunc(func() float64 { return math.Inf(-1) }),
	} {
		require.NoError(tb, r.Register(name, "Help of "+name+`: a "\`+"\nb.", m))
	}
	return r
}

func TestWriteText(t *testing.T) {
	assert.Equal(t, `# HELP shop_in_flight Help of in_flight: a "\\\nb.
# TYPE shop_in_flight gauge
shop_in_flight{app="x\"y",zone="b"} 2.5
# HELP shop_latency_seconds Help of latency_seconds: a "\\\nb.
# TYPE shop_latency_seconds histogram
shop_latency_seconds_bucket{app="x\"y",zone="b",le="0.005"} 1
shop_latency_seconds_bucket{app="x\"y",zone="b",le="1"} 2
shop_latency_seconds_bucket{app="x\"y",zone="b",le="1e+06"} 3
shop_latency_seconds_bucket{app="x\"y",zone="b",le="+Inf"} 4
shop_latency_seconds_sum{app="x\"y",zone="b"} 3.000002505e+06
shop_latency_seconds_count{app="x\"y",zone="b"} 4
# HELP shop_load Help of load: a "\\\nb.
# TYPE shop_load gauge
shop_load{app="x\"y",zone="b"} NaN
# HELP shop_queue_length Help of queue_length: a "\\\nb.
# TYPE shop_queue_length gauge
shop_queue_length{app="x\"y",zone="b"} -Inf
# HELP shop_requests_total Help of requests_total: a "\\\nb.
# TYPE shop_requests_total counter
shop_requests_total{app="x\"y",zone="b",method="GET",code="200"} 7
shop_requests_total{app="x\"y",zone="b",method="GET",code="500"} 1
shop_requests_total{app="x\"y",zone="b",method="POST",code="200"} 3
# HELP shop_restarts_total Help of restarts_total: a "\\\nb.
# TYPE shop_restarts_total counter
shop_restarts_total{app="x\"y",zone="b"} 1e+07
`, textOf(t, shop(t)))
}

func TestWriteOpenMetrics(t *testing.T) {
	want := textOf(t, shop(t))
	for old, changed := range map[string]string{
		`a "\\`: `a \"\\`, `le="1"`: `le="1.0"`,
		"HELP shop_requests_total": "HELP shop_requests", "TYPE shop_requests_total": "TYPE shop_requests",
		"HELP shop_restarts_total": "HELP shop_restarts", "TYPE shop_restarts_total": "TYPE shop_restarts",
	} {
		want = strings.ReplaceAll(want, old, changed)
	}
	assert.Equal(t, want+"# EOF\n", openMetricsOf(t, shop(t)))
}

func TestEmptyRegistry(t *testing.T) {
	r := must(New(Config{}))
	assert.Empty(t, textOf(t, r))
	assert.Equal(t, "# EOF\n", openMetricsOf(t, r))
	require.NoError(t, r.Register("v", "a Vec without series", new(Vec[route, Gauge])))
	require.NoError(t, r.Register("f_total", "f", CounterFunc(func() float64 { return -1 })))
	assert.NotContains(t, textOf(t, r), "# HELP v", "a family without samples is left out")
	assert.NotContains(t, textOf(t, r), "# HELP f_total")
}

func TestRegisterRejects(t *testing.T) {
	r := must(New(Config{Prefix: "p_", Labels: map[string]string{"method": "x"}}))
	bare := must(New(Config{}))
	var nilGauge *Gauge
	var nilFunc GaugeFunc
	type wrapper struct{ Gauge }
	type pointer struct{ *Gauge }
	for want, err := range map[string]error{
		`name must match [a-zA-Z_][a-zA-Z0-9_]*, got "p_a b"`: r.Register("a b", "h", new(Gauge)),
		`name must match [a-zA-Z_][a-zA-Z0-9_]*, got "p_"`:    r.Register("", "h", new(Gauge)),
		`got ""`:      bare.Register("", "h", new(Gauge)),
		`got "9a"`:    bare.Register("9a", "h", new(Gauge)),
		`got "a:b"`:   bare.Register("a:b", "h", new(Gauge)),
		`got "a\xff"`: bare.Register("a\xff", "h", new(Gauge)),
		`name of a counter must end in _total, after something, got "p_a"`:           r.Register("a", "h", new(Counter)),
		`name of a counter must end in _total, after something, got "_total"`:        bare.Register("_total", "h", new(Counter)),
		`name must end in _total only for counters, got "p_a_total" for a gauge`:     r.Register("a_total", "h", new(Gauge)),
		`name must end in _total only for counters, got "p_a_total" for a histogram`: r.Register("a_total", "h", new(Histogram)),
		`help of "p_a" must not be empty`:                                            r.Register("a", "", new(Gauge)),
		`metric must not be nil (registering "a")`:                                   r.Register("a", "h", nil),
		"got a nil *metrics.Gauge":                                                   r.Register("a", "h", nilGauge),
		"got a nil function":                                                         r.Register("a", "h", nilFunc),
		"a nil *metrics.wrapper":                                                     r.Register("a", "h", (*wrapper)(nil)),
		`a nil *metrics.Gauge (registering "b")`:                                     r.Register("b", "h", pointer{}),
		"got a zero Average":                                                         r.Register("a", "h", new(Average)),
		`Labels of Config and p_a must be distinct, got "method" twice`:              r.Register("a", "h", new(Vec[route, Gauge])),
		"Labels must have 1 names":                                                   r.Register("a", "h", new(Vec[string, Gauge])),
		"L must be a string":                                                         r.Register("a", "h", new(Vec[float64, Gauge])),
	} {
		require.ErrorIs(t, err, ErrConfig, want)
		assert.Contains(t, err.Error(), want)
	}
	for _, ending := range reserved {
		require.ErrorIs(t, bare.Register("a"+ending, "h", new(Gauge)), ErrConfig)
	}
	assert.Empty(t, textOf(t, r), "a failed Register changes nothing")
	assert.Empty(t, textOf(t, bare))
}

func TestConflicts(t *testing.T) {
	r := must(New(Config{}))
	require.NoError(t, r.Register("jobs", "h", new(Gauge)))
	require.NoError(t, r.Register("runs_total", "h", new(Counter)))
	for name, m := range map[string]Metric{
		"jobs": new(Histogram), "jobs_total": new(Counter), "runs": new(Gauge), "runs_total": new(Counter),
		"metrics_ignored_total": new(Counter), "metrics_overflow_total": new(Counter), "metrics_ignored": new(Gauge),
	} {
		require.ErrorIs(t, r.Register(name, "h", m), ErrConflict, name)
	}
	assert.False(t, r.Unregister("jobs_total"), "that is another name")
	assert.False(t, r.Unregister("metrics_ignored_total"))
	assert.False(t, r.Unregister("nobody"))
	assert.True(t, r.Unregister("jobs"))
	assert.False(t, r.Unregister("jobs"))
	require.NoError(t, r.Register("jobs_total", "h", new(Counter)))
	assert.Contains(t, textOf(t, r), "jobs_total 0\n")
}

// One metric under two names, in two registries, and embedded in a type of the user's.
func TestOneMetricManyNames(t *testing.T) {
	type server struct{ Counter }
	s := new(server)
	s.Inc()
	a, b := must(New(Config{Prefix: "a_"})), must(New(Config{Labels: map[string]string{"x": "y"}}))
	require.NoError(t, a.Register("one_total", "h", s))
	require.NoError(t, a.Register("two_total", "h", &s.Counter))
	require.NoError(t, b.Register("one_total", "h", &s.Counter))
	s.Inc()
	assert.Equal(t, map[string]string{"a_one_total": "2", "a_two_total": "2"}, parsePage(textOf(t, a)))
	assert.Equal(t, map[string]string{`one_total{x="y"}`: "2"}, parsePage(textOf(t, b)))
}

func TestSelfMetrics(t *testing.T) {
	r := must(New(Config{Prefix: "p_", Labels: map[string]string{"zone": "b"}}))
	v := must(NewVec[string, Gauge](VecConfig{Labels: []string{"name"}, MaxSeries: 1}))
	v.With("a").Set(math.NaN())
	v.With("b").Set(1)
	v.With("c").Set(math.NaN())
	bad := math.NaN()
	require.NoError(t, r.Register("v", "h", v))
	require.NoError(t, r.Register("f_total", "h", CounterFunc(func() float64 { return bad })))
	require.NoError(t, r.Register("nothing", "h", new(Gauge)))
	page := textOf(t, r)
	assert.Contains(t, page, `# TYPE metrics_ignored_total counter
metrics_ignored_total{zone="b",metric="p_f_total"} 1
metrics_ignored_total{zone="b",metric="p_v"} 2
`)
	assert.Contains(t, page, `metrics_overflow_total{zone="b",metric="p_v"} 2`)
	assert.NotContains(t, page, "p_nothing\"")
	bad = 3
	page = textOf(t, r)
	assert.Contains(t, page, `metric="p_f_total"} 1`)
	assert.Contains(t, page, `p_f_total{zone="b"} 3`)
	assert.Equal(t, 2, strings.Count(openMetricsOf(t, r), "# TYPE metrics_"))
}

func TestCounterFuncResults(t *testing.T) {
	results := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 0.5, math.MaxFloat64}
	r := must(New(Config{}))
	calls := 0
	require.NoError(t, r.Register("f_total", "h", CounterFunc(func() float64 {
		calls++
		return results[calls-1]
	})))
	for i, v := range results {
		page := parsePage(textOf(t, r))
		assert.Equal(t, i+1, calls, "once in each write-out")
		if i < 4 {
			assert.NotContains(t, page, "f_total")
			continue
		}
		assert.Equal(t, strings.TrimSpace(fmt.Sprintf("%g", v)), page["f_total"])
		assert.Equal(t, "4", page[`metrics_ignored_total{metric="f_total"}`])
	}
}

// A function may use the registry, also to change it.
func TestFuncsMayUseTheRegistry(t *testing.T) {
	r := must(New(Config{}))
	var inner strings.Builder
	require.NoError(t, r.Register("f", "h", GaugeFunc(func() float64 {
		if r.Unregister("f") {
			_ = r.WriteText(&inner)
			_ = r.Register("g", "h", new(Gauge))
		}
		return 7
	})))
	assert.Equal(t, map[string]string{"f": "7"}, parsePage(textOf(t, r)))
	assert.Empty(t, inner.String())
	assert.Equal(t, map[string]string{"g": "0"}, parsePage(textOf(t, r)))
}

// A function that panics or exits leaves the registry whole, and nothing is written.
func TestFuncsMayPanicAndExit(t *testing.T) {
	r := must(New(Config{}))
	fail := func() {}
	require.NoError(t, r.Register("a", "h", new(Gauge)))
	require.NoError(t, r.Register("f", "h", GaugeFunc(func() float64 { fail(); return 1 })))
	good := textOf(t, r)
	var b strings.Builder
	fail = func() { panic("no reading") }
	assert.PanicsWithValue(t, "no reading", func() { _ = r.WriteText(&b) })
	ended := make(chan struct{})
	t.Run("exits", func(t *testing.T) {
		fail = t.SkipNow // runtime.Goexit
		defer close(ended)
		_ = r.WriteOpenMetrics(&b)
	})
	<-ended
	assert.Empty(t, b.String())
	fail = func() {}
	assert.Equal(t, good, textOf(t, r))
	assert.True(t, r.Unregister("f"))
}

// writer is an io.Writer that answers as it is told.
type writer struct {
	n     int
	err   error
	calls int
}

func (w *writer) Write(p []byte) (int, error) {
	w.calls++
	if w.n < 0 {
		return len(p), w.err
	}
	return w.n, w.err
}

func TestWriteErrors(t *testing.T) {
	r := shop(t)
	broken := errors.New("connection reset")
	w := &writer{n: 3, err: broken}
	require.ErrorIs(t, r.WriteText(w), broken)
	require.ErrorIs(t, r.WriteText(&writer{n: 3}), io.ErrShortWrite)
	require.NoError(t, r.WriteOpenMetrics(&writer{n: -1}))
	assert.Equal(t, 1, w.calls, "one Write for the page")
}

// While somebody reads slowly, everything else goes on: the writer calls back into the registry and a second page is
// written meanwhile.
type slowWriter struct {
	r     *Registry
	inner strings.Builder
}

func (w *slowWriter) Write(p []byte) (int, error) {
	before := string(p)
	w.r.Unregister("load")
	if err := w.r.WriteText(&w.inner); err != nil {
		return 0, err
	}
	if before != string(p) {
		return 0, errors.New("the page changed under the reader")
	}
	return len(p), nil
}

func TestNoLockDuringWrite(t *testing.T) {
	w := &slowWriter{r: shop(t)}
	require.NoError(t, w.r.WriteText(w))
	assert.NotContains(t, w.inner.String(), "shop_load")
	assert.Contains(t, w.inner.String(), "shop_in_flight")
}

// A label set or help text that is not UTF-8, at every place where text enters.
func TestInvalidUTF8IsRepairedEverywhere(t *testing.T) {
	r := must(New(Config{Labels: map[string]string{"app": "a\xff\xfeb"}}))
	v := must(NewVec[string, Counter](VecConfig{Labels: []string{"path"}}))
	v.With("c\xc3").Inc()
	require.NoError(t, r.Register("v_total", "h\xffelp", v))
	want := "# HELP v_total h\uFFFDelp\n# TYPE v_total counter\nv_total{app=\"a\uFFFDb\",path=\"c\uFFFD\"} 1\n"
	assert.Equal(t, want, textOf(t, r))
}

func TestHammerRegistry(t *testing.T) {
	r := must(New(Config{}))
	var c Counter
	hammer.Run(t, 8, 150, func(worker int, rng *rand.Rand) error {
		name := fmt.Sprintf("c%d_total", rng.IntN(10))
		switch rng.IntN(4) {
		case 0:
			if err := r.Register(name, "h", &c); err != nil && !errors.Is(err, ErrConflict) {
				return err
			}
		case 1:
			r.Unregister(name)
		case 2:
			c.Inc()
		default:
			var b strings.Builder
			if err := r.WriteOpenMetrics(&b); err != nil {
				return err
			}
			_, err := parseStrictly(b.String(), true)
			return err
		}
		return nil
	})
}

// Vec, Histogram and all the rest at once, with scrapes that a strict parser reads.
func TestHammerEverything(t *testing.T) {
	r := shop(t)
	v := must(NewVec[route, Histogram](VecConfig{MaxSeries: 6, MaxValues: 4}))
	a := must(NewAverage(AverageConfig{Window: time.Second, Buckets: 10}))
	require.NoError(t, r.Register("v", "h", v))
	require.NoError(t, r.Register("a", "h", a))
	var observed sync.Map
	hammer.Run(t, 8, 120, func(worker int, rng *rand.Rand) error {
		labels := route{fmt.Sprint(rng.IntN(8)), fmt.Sprint(rng.IntN(3))}
		switch rng.IntN(8) {
		case 0:
			v.Delete(labels)
		case 1:
			var b strings.Builder
			if err := r.WriteText(&b); err != nil {
				return err
			}
			_, err := parseStrictly(b.String(), false)
			return err
		case 2:
			if n := v.Len(); n > 6 {
				return fmt.Errorf("%d series", n)
			}
			v.Stats()
			a.Mean()
		default:
			h := v.With(labels)
			h.Observe(rng.ExpFloat64())
			observed.Store(h, true)
			a.Observe(1)
		}
		return nil
	})
	_, n := a.Mean()
	assert.Positive(t, n)
}
