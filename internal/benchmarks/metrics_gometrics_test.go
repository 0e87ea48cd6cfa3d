package benchmarks

import gometrics "github.com/rcrowley/go-metrics"

var metricsGoMetrics = metricsImpl{
	name: "go-metrics",
	counter: func() metricsLoop {
		c := gometrics.NewCounter()
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Inc(1)
				}
			},
			total: func() float64 { return float64(c.Count()) },
		}
	},
	observe: func(values []float64) metricsLoop { // of integers: microseconds
		h := gometrics.NewHistogram(gometrics.NewExpDecaySample(1028, 0.015))
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					h.Update(int64(values[i&(len(values)-1)] * 1e6))
				}
			},
			total: func() float64 { return float64(h.Count()) },
		}
	},
	quantile: func(values []float64, q float64) float64 {
		h := gometrics.NewHistogram(gometrics.NewExpDecaySample(1028, 0.015))
		for _, v := range values {
			h.Update(int64(v * 1e6))
		}
		return h.Percentile(q) / 1e6
	},
}
