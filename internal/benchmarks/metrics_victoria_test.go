package benchmarks

import (
	"fmt"
	"io"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

var metricsVictoria = metricsImpl{
	name: "victoria",
	counter: func() metricsLoop {
		c := metrics.NewSet().NewCounter("requests_total")
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Inc()
				}
			},
			total: func() float64 { return float64(c.Get()) },
		}
	},
	vec: func(sets []metricsLabels) metricsLoop { // its documentation: the name is formatted at each call
		s := metrics.NewSet()
		return metricsLoop{do: func(first, n int) {
			for i := first; i < first+n; i++ {
				s.GetOrCreateCounter(metricsVictoriaName("requests_total", sets[i&(len(sets)-1)])).Inc()
			}
		}}
	},
	observe: func(values []float64) metricsLoop {
		h := metrics.NewSet().NewHistogram("latency_seconds")
		return metricsLoop{do: func(first, n int) {
			for i := first; i < first+n; i++ {
				h.Update(values[i&(len(values)-1)])
			}
		}}
	},
	// The histograms of a page have buckets of their own, vmrange, of which only those that were hit are written.
	page: func(sets []metricsLabels, values []float64) func(io.Writer) error {
		s := metrics.NewSet()
		for _, set := range sets {
			if values == nil {
				s.NewCounter(metricsVictoriaName("requests_total", set)).Add(12345)
				continue
			}
			h := s.NewHistogram(metricsVictoriaName("latency_seconds", set))
			for _, v := range values {
				h.Update(v)
			}
		}
		return func(w io.Writer) error {
			s.WritePrometheus(w)
			return nil
		}
	},
}

func metricsVictoriaName(name string, set metricsLabels) string {
	if strings.ContainsAny(set.Route, "\"\\\n") {
		panic("needs escaping")
	}
	return fmt.Sprintf(`%s{method="%s",route="%s",code="%s"}`, name, set.Method, set.Route, set.Code)
}
