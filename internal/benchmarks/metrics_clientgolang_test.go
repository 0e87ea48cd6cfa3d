package benchmarks

import (
	"io"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

var metricsClientGolang = metricsImpl{
	name: "client_golang",
	counter: func() metricsLoop {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "requests_total"})
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Inc()
				}
			},
			total: func() float64 { return metricsClientGolangRead(c).GetCounter().GetValue() },
		}
	},
	vec: func(sets []metricsLabels) metricsLoop {
		v := metricsClientGolangCounters()
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					set := &sets[i&(len(sets)-1)]
					v.WithLabelValues(set.Method, set.Route, set.Code).Inc()
				}
			},
			total: func() float64 {
				sum := 0.0
				for _, set := range sets {
					sum += metricsClientGolangRead(v.WithLabelValues(set.Method, set.Route, set.Code)).GetCounter().GetValue()
				}
				return sum
			},
		}
	},
	observe: func(values []float64) metricsLoop {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "latency_seconds"})
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					h.Observe(values[i&(len(values)-1)])
				}
			},
			total: func() float64 { return float64(metricsClientGolangRead(h).GetHistogram().GetSampleCount()) },
		}
	},
	quantile: func(values []float64, q float64) float64 {
		s := prometheus.NewSummary(prometheus.SummaryOpts{
			Name: "s", Objectives: map[float64]float64{0.5: 0.05, 0.9: 0.01, 0.99: 0.001, 0.999: 0.0001},
		})
		for _, v := range values {
			s.Observe(v)
		}
		for _, answer := range metricsClientGolangRead(s).GetSummary().GetQuantile() {
			if answer.GetQuantile() == q {
				return answer.GetValue()
			}
		}
		return 0
	},
	page: func(sets []metricsLabels, values []float64) func(io.Writer) error {
		r := prometheus.NewRegistry()
		if values == nil {
			v := metricsClientGolangCounters()
			for _, set := range sets {
				v.WithLabelValues(set.Method, set.Route, set.Code).Add(12345)
			}
			r.MustRegister(v)
		} else {
			v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "latency_seconds", Help: "Latency."}, metricsNames)
			for _, set := range sets {
				for _, value := range values {
					v.WithLabelValues(set.Method, set.Route, set.Code).Observe(value)
				}
			}
			r.MustRegister(v)
		}
		return func(w io.Writer) error {
			families, err := r.Gather()
			if err != nil {
				return err
			}
			encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
			for _, family := range families {
				if err := encoder.Encode(family); err != nil {
					return err
				}
			}
			return nil
		}
	},
}

var metricsNames = []string{"method", "route", "code"}

func metricsClientGolangCounters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests served."}, metricsNames)
}

func metricsClientGolangRead(m prometheus.Metric) *dto.Metric {
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		panic(err)
	}
	return &out
}
