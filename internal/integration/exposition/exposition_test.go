// Package exposition lets third parties judge the pages that package metrics
// writes: the decoders of prometheus/common, the linter of client_golang, the
// promtool of a Prometheus server, and client_golang itself on the same
// observations.
package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mainstay-go/mainstay/internal/integration/process"
	"github.com/mainstay-go/mainstay/metrics"
	"github.com/mainstay-go/mainstay/metrics/metricshttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type route struct{ Method, Path string }

// text is anything that a client may send, and often what a format must escape.
func text(rng *rand.Rand) string {
	pieces := []string{"a", "GET", `"`, `\`, "\n", "\xff", "\xc3", " ", "{", "}", ",", "=", "#", "é", "\u2028", "\x00", "_other", "1"}
	var b strings.Builder
	for range rng.IntN(6) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

func number(rng *rand.Rand) float64 {
	values := []float64{0, 1, -1, 0.1, 1e6, 1e21, 1e-9, math.MaxFloat64, 5e-324, math.NaN(), math.Inf(1), math.Inf(-1), rng.ExpFloat64()}
	return values[rng.IntN(len(values))]
}

// registry is a random one, with metrics of every kind.
func registry(tb testing.TB, rng *rand.Rand) *metrics.Registry {
	tb.Helper()
	config := metrics.Config{Prefix: "fuzz_"}
	if rng.IntN(2) == 0 {
		config.Labels = map[string]string{"app": text(rng), "zone": text(rng)}
	}
	r, err := metrics.New(config)
	require.NoError(tb, err)
	vecConfig := metrics.VecConfig{MaxSeries: 1 + rng.IntN(20), MaxValues: 1 + rng.IntN(10)}
	counters, err1 := metrics.NewVec[route, metrics.Counter](vecConfig)
	gauges, err2 := metrics.NewVec[route, metrics.Gauge](vecConfig)
	vecConfig.Histogram = metrics.HistogramConfig{Bounds: []float64{1e-9, 0.5, 1, 1e6}}
	histograms, err3 := metrics.NewVec[route, metrics.Histogram](vecConfig)
	average, err4 := metrics.NewAverage(metrics.AverageConfig{})
	require.NoError(tb, errors.Join(err1, err2, err3, err4))
	var latency metrics.Histogram
	for range rng.IntN(40) {
		labels := route{text(rng), text(rng)}
		counters.With(labels).Add(rng.Uint64())
		gauges.With(labels).Set(number(rng))
		histograms.With(labels).Observe(number(rng))
		latency.Observe(number(rng))
		average.Observe(number(rng))
	}
	result := number(rng)
	f := func() float64 { return result }
	for name, m := range map[string]metrics.Metric{
		"requests_total": counters, "load_ratio": gauges, "size_bytes": histograms, "latency_seconds": &latency,
		"mean_seconds": average, "drops_total": metrics.CounterFunc(f), "queue_length": metrics.GaugeFunc(f),
	} {
		require.NoError(tb, r.Register(name, "Help: "+text(rng), m))
	}
	return r
}

// fetch gets a page over HTTP, as a scraper does.
func fetch(tb testing.TB, r *metrics.Registry, accept string) (*http.Header, []byte) {
	tb.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	metricshttp.Handler(r).ServeHTTP(w, request)
	header := w.Header()
	return &header, w.Body.Bytes()
}

// decode parses a page with the decoder of prometheus/common.
func decode(tb testing.TB, page []byte) map[string]*dto.MetricFamily {
	tb.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	require.NoError(tb, err, "%s", page)
	return families
}

// The decoder of Prometheus's own library reads what a random registry writes, and finds in it what was put in.
func TestTextDecoder(t *testing.T) {
	for seed := range uint64(100) {
		r := registry(t, rand.New(rand.NewPCG(seed, 1)))
		header, page := fetch(t, r, "")
		require.Equal(t, expfmt.TypeTextPlain, expfmt.ResponseFormat(*header).FormatType())
		for name, family := range decode(t, page) {
			for _, m := range family.GetMetric() {
				if h := m.GetHistogram(); h != nil {
					buckets := h.GetBucket()
					require.Equal(t, h.GetSampleCount(), buckets[len(buckets)-1].GetCumulativeCount(), name)
				}
			}
		}
	}
}

// What is asked for with the header that a Prometheus server sends is OpenMetrics, with the type that says so, and but for
// the differences of the formats the same page.
func TestOpenMetricsIsTheSamePage(t *testing.T) {
	const accept = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
		"text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	for seed := range uint64(100) {
		r := registry(t, rand.New(rand.NewPCG(seed, 2)))
		header, page := fetch(t, r, accept)
		require.Equal(t, expfmt.TypeOpenMetrics, expfmt.ResponseFormat(*header).FormatType())
		body, ok := strings.CutSuffix(string(page), "# EOF\n")
		require.True(t, ok)
		require.NotContains(t, body, "\n\n")
		_, plain := fetch(t, r, "text/plain")
		want, got := decode(t, plain), decode(t, []byte(asText(body)))
		require.Len(t, got, len(want))
	}
}

// asText gives the families of counters back their _total, and all of them a help text that needs no escapes.
func asText(page string) string {
	var out strings.Builder
	counters := map[string]bool{}
	for line := range strings.Lines(page) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[1] == "TYPE" && fields[3] == "counter" {
			counters[fields[2]] = true
		}
	}
	for line := range strings.Lines(page) {
		if fields := strings.SplitN(line, " ", 4); fields[0] == "#" && counters[fields[2]] {
			fields[2] += "_total"
			line = strings.Join(fields, " ")
		}
		if strings.HasPrefix(line, "# HELP ") { // escaped by other rules
			line = strings.Join(append(strings.SplitN(line, " ", 4)[:3], "h\n"), " ")
		}
		out.WriteString(line)
	}
	return out.String()
}

// readme is a registry as the documentation shows it.
func readme(tb testing.TB) *metrics.Registry {
	tb.Helper()
	r, err := metrics.New(metrics.Config{Prefix: "shop_"})
	require.NoError(tb, err)
	var requests metrics.Vec[route, metrics.Counter]
	requests.With(route{"GET", "/"}).Inc()
	var latency metrics.Histogram
	latency.Observe(0.2)
	require.NoError(tb, errors.Join(
		r.Register("requests_total", "Requests served.", &requests),
		r.Register("latency_seconds", "Time to serve a request.", &latency),
		r.Register("in_flight", "Requests being served.", new(metrics.Gauge)),
		r.Register("queue_length", "Jobs waiting.", metrics.GaugeFunc(func() float64 { return 3 })),
	))
	return r
}

func TestPromlintFindsNothing(t *testing.T) {
	_, page := fetch(t, readme(t), "")
	problems, err := promlint.New(bytes.NewReader(page)).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}

// promtool is the checker of a Prometheus server. Without it the test is skipped, or fails if REQUIRE_SERVERS=1.
func promtool(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		process.Missing(tb, "promtool", "prometheus")
	}
	return path
}

func TestPromtoolFindsNothing(t *testing.T) {
	tool := promtool(t)
	_, page := fetch(t, readme(t), "")
	check := exec.CommandContext(t.Context(), tool, "check", "metrics")
	check.Stdin = bytes.NewReader(page)
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Empty(t, string(out))
}

// Of random registries promtool may dislike the style of a name or help text, with status 3, but reads all of them.
func TestPromtoolReadsRandomPages(t *testing.T) {
	tool := promtool(t)
	for seed := range uint64(10) {
		_, page := fetch(t, registry(t, rand.New(rand.NewPCG(seed, 3))), "")
		check := exec.CommandContext(t.Context(), tool, "check", "metrics")
		check.Stdin = bytes.NewReader(page)
		out, err := check.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			require.Equal(t, 3, exit.ExitCode(), "%s\n%s", out, page)
			continue
		}
		require.NoError(t, err)
	}
}

// The same observations in client_golang give the same families, but for the order of their labels.
func TestSameAsClientGolang(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	ours, err := metrics.New(metrics.Config{})
	require.NoError(t, err)
	var counters metrics.Vec[route, metrics.Counter]
	var gauges metrics.Vec[route, metrics.Gauge]
	var histograms metrics.Vec[route, metrics.Histogram]
	require.NoError(t, errors.Join(
		ours.Register("requests_total", "Requests served.", &counters),
		ours.Register("load", `Load, "now".`+"\n", &gauges),
		ours.Register("latency_seconds", "Latency.", &histograms),
	))
	names := []string{"method", "path"}
	theirs := prometheus.NewRegistry()
	counterVec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests served."}, names)
	gaugeVec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "load", Help: `Load, "now".` + "\n"}, names)
	histogramVec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "latency_seconds", Help: "Latency."}, names)
	theirs.MustRegister(counterVec, gaugeVec, histogramVec)
	for range 2000 {
		labels := route{fmt.Sprint(rng.IntN(3)), strings.ToValidUTF8(text(rng), "?")}
		v := float64(rng.IntN(1<<12)) / (1 << 8) // sums of these are exact in any order
		counters.With(labels).Inc()
		gauges.With(labels).Set(v)
		histograms.With(labels).Observe(v)
		counterVec.WithLabelValues(labels.Method, labels.Path).Inc()
		gaugeVec.WithLabelValues(labels.Method, labels.Path).Set(v)
		histogramVec.WithLabelValues(labels.Method, labels.Path).Observe(v)
	}
	families, err := theirs.Gather()
	require.NoError(t, err)
	var page bytes.Buffer
	encoder := expfmt.NewEncoder(&page, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		require.NoError(t, encoder.Encode(family))
	}
	_, our := fetch(t, ours, "")
	assert.Equal(t, page.String(), string(our))
	_, err = io.Copy(io.Discard, &page)
	require.NoError(t, err)
}
