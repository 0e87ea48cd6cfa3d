package metricshttp

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Whatever a client accepts, it gets one of the two pages, and the type that it is.
func FuzzAccept(f *testing.F) {
	f.Add("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3")
	f.Add("application/openmetrics-text; q=\"0.1\", */*")
	registry := jobs(f)
	f.Fuzz(func(t *testing.T, accept string) {
		w := serve(registry, "GET", accept)
		want := map[string]string{textType: textPage, openMetricsType: openMetricsPage}
		assert.Equal(t, want[w.Header().Get("Content-Type")], w.Body.String())
	})
}
