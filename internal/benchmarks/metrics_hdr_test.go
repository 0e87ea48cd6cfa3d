package benchmarks

import "github.com/HdrHistogram/hdrhistogram-go"

// metricsHDR counts integers: microseconds, up to an hour. It is not safe for concurrent use.
var metricsHDR = metricsImpl{
	name:       "hdrhistogram",
	serialOnly: true,
	observe: func(values []float64) metricsLoop {
		h := hdrhistogram.New(1, 3_600_000_000, 2)
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					if err := h.RecordValue(int64(values[i&(len(values)-1)] * 1e6)); err != nil {
						panic(err)
					}
				}
			},
			total: func() float64 { return float64(h.TotalCount()) },
		}
	},
	quantile: func(values []float64, q float64) float64 {
		h := hdrhistogram.New(1, 1e15, 2)
		for _, v := range values {
			if err := h.RecordValue(int64(v * 1e6)); err != nil {
				panic(err)
			}
		}
		return float64(h.ValueAtQuantile(100*q)) / 1e6
	},
}
