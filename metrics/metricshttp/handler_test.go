package metricshttp

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// jobs is a registry with one counter.
func jobs(tb testing.TB) *metrics.Registry {
	tb.Helper()
	r, err := metrics.New(metrics.Config{})
	require.NoError(tb, err)
	require.NoError(tb, r.Register("jobs_total", "Jobs done.", new(metrics.Counter)))
	return r
}

func serve(registry *metrics.Registry, method string, accept ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/metrics", nil)
	r.Header["Accept"] = accept
	w := httptest.NewRecorder()
	Handler(registry).ServeHTTP(w, r)
	return w
}

const (
	textPage        = "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total 0\n"
	openMetricsPage = "# HELP jobs Jobs done.\n# TYPE jobs counter\njobs_total 0\n# EOF\n"
)

func TestNegotiation(t *testing.T) {
	const om = "application/openmetrics-text"
	prometheus := om + ";version=1.0.0;q=0.5," + om + ";version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	for name, c := range map[string]struct {
		accept []string
		want   string
	}{
		"no header":               {nil, textType},
		"empty":                   {[]string{""}, textType},
		"anything":                {[]string{"*/*"}, textType},
		"browser":                 {[]string{"text/html,application/xhtml+xml,*/*;q=0.8"}, textType},
		"Prometheus":              {[]string{prometheus}, openMetricsType},
		"two lines":               {[]string{"text/plain;q=0.5", om}, openMetricsType},
		"no version":              {[]string{om}, openMetricsType},
		"upper case":              {[]string{"Application/OpenMetrics-Text; Version=1.0.0"}, openMetricsType},
		"another version":         {[]string{om + ";version=0.0.1"}, textType},
		"a version to come":       {[]string{om + ";version=2.0.0"}, textType},
		"refused":                 {[]string{om + ";q=0"}, textType},
		"q that is no number":     {[]string{om + ";q=high"}, textType},
		"q that is NaN":           {[]string{om + ";q=NaN"}, textType},
		"q too large":             {[]string{om + ";q=2"}, textType},
		"negative q":              {[]string{om + ";q=-1"}, textType},
		"text is preferred":       {[]string{om + ";q=0.3,text/plain;q=0.4"}, textType},
		"equal":                   {[]string{om + ";q=0.4,text/plain;q=0.4"}, openMetricsType},
		"text with a bad q":       {[]string{om + ";q=0.1,text/plain;q=x"}, openMetricsType},
		"garbage":                 {[]string{";;;,,,=\x00\xff"}, textType},
		"garbage before the type": {[]string{"a/b/c;," + om}, openMetricsType},
	} {
		w := serve(jobs(t), http.MethodGet, c.accept...)
		assert.Equal(t, c.want, w.Header().Get("Content-Type"), name)
		assert.Equal(t, "Accept", w.Header().Get("Vary"), name)
		assert.Equal(t, http.StatusOK, w.Code)
		page := textPage
		if c.want == openMetricsType {
			page = openMetricsPage
		}
		assert.Equal(t, page, w.Body.String(), name)
	}
}

func TestMethods(t *testing.T) {
	w := serve(jobs(t), http.MethodHead, "application/openmetrics-text")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, openMetricsType, w.Header().Get("Content-Type"))
	assert.Empty(t, w.Body.String())
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"} {
		w := serve(jobs(t), method)
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, "Accept", w.Header().Get("Vary"), method)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		assert.NotContains(t, w.Body.String(), "jobs")
	}
}

func TestNilRegistry(t *testing.T) {
	assert.PanicsWithValue(t, "metricshttp: nil Registry", func() { Handler(nil) })
	assert.PanicsWithValue(t, "metrics: Registry not made by New", func() { serve(new(metrics.Registry), http.MethodGet) })
}

// gone is a client that went away.
type gone struct{ httptest.ResponseRecorder }

func (g *gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestClientThatVanishes(t *testing.T) {
	h := Handler(jobs(t))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	assert.NotPanics(t, func() { h.ServeHTTP(&gone{*httptest.NewRecorder()}, r) })
	assert.Equal(t, textPage, serve(jobs(t), http.MethodGet).Body.String())
}

// A function that panics has sent nothing, and the next request is served.
func TestPanicInAFunction(t *testing.T) {
	registry, fail := jobs(t), true
	require.NoError(t, registry.Register("temperature", "T.", metrics.GaugeFunc(func() float64 {
		if fail {
			panic("sensor lost")
		}
		return 20
	})))
	assert.PanicsWithValue(t, "sensor lost", func() { serve(registry, http.MethodGet) })
	fail = false
	assert.Contains(t, serve(registry, http.MethodGet).Body.String(), "temperature 20\n")
}

// A scraper that asks and never reads holds up neither metrics nor other scrapers, over a real connection whose buffers
// are full.
func TestScraperThatDoesNotRead(t *testing.T) {
	registry := jobs(t)
	var v metrics.Vec[struct{ ID int }, metrics.Counter]
	for i := range 2000 {
		v.With(struct{ ID int }{i}).Inc()
	}
	require.NoError(t, registry.Register("v_total", strings.Repeat("long ", 1<<20), &v))
	server := httptest.NewServer(Handler(registry))
	defer server.Close()
	var dialer net.Dialer
	stuck, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = stuck.Close() }()
	_, err = io.WriteString(stuck, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	_, err = stuck.Read(make([]byte, 1)) // the page has been made
	require.NoError(t, err)
	v.With(struct{ ID int }{0}).Inc()
	require.True(t, registry.Unregister("v_total"))
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	response, err := server.Client().Do(req)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, textPage, string(page))
}

func TestHammer(t *testing.T) {
	registry := jobs(t)
	var g metrics.Gauge
	hammer.Run(t, 8, 100, func(_ int, rng *rand.Rand) error {
		switch rng.IntN(4) {
		case 0:
			_ = registry.Register("g", "G.", &g)
		case 1:
			registry.Unregister("g")
		default:
			if w := serve(registry, http.MethodGet); !strings.Contains(w.Body.String(), "jobs_total 0\n") {
				return errors.New(w.Body.String())
			}
		}
		return nil
	})
}
