package metrics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// must returns what a constructor made.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// textOf is the page in format 0.0.4.
func textOf(tb testing.TB, r *Registry) string {
	tb.Helper()
	var b strings.Builder
	require.NoError(tb, r.WriteText(&b))
	return b.String()
}

// openMetricsOf is the page in OpenMetrics.
func openMetricsOf(tb testing.TB, r *Registry) string {
	tb.Helper()
	var b strings.Builder
	require.NoError(tb, r.WriteOpenMetrics(&b))
	return b.String()
}

type route struct{ Method, Code string }
