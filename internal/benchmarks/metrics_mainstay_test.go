package benchmarks

import (
	"io"

	"github.com/mainstay-go/mainstay/metrics"
)

var metricsMainstay = metricsImpl{
	name: "mainstay",
	counter: func() metricsLoop {
		var c metrics.Counter
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Inc()
				}
			},
			total: func() float64 { return float64(c.Value()) },
		}
	},
	vec: func(sets []metricsLabels) metricsLoop {
		var v metrics.Vec[metricsLabels, metrics.Counter]
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					v.With(sets[i&(len(sets)-1)]).Inc()
				}
			},
			total: func() float64 {
				sum := 0.0
				for _, c := range v.All() {
					sum += float64(c.Value())
				}
				return sum
			},
		}
	},
	strings: metricsMainstayKeyed[string],
	ints:    metricsMainstayKeyed[int],
	observe: func(values []float64) metricsLoop {
		var h metrics.Histogram
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					h.Observe(values[i&(len(values)-1)])
				}
			},
			total: func() float64 { return float64(h.Snapshot().Count) },
		}
	},
	quantile: func(values []float64, q float64) float64 {
		var h metrics.Histogram
		for _, v := range values {
			h.Observe(v)
		}
		return h.Quantile(q)
	},
	page: func(sets []metricsLabels, values []float64) func(io.Writer) error {
		r, err := metrics.New(metrics.Config{})
		if err != nil {
			panic(err)
		}
		config := metrics.VecConfig{MaxSeries: len(sets)}
		if values == nil {
			v, _ := metrics.NewVec[metricsLabels, metrics.Counter](config)
			for _, set := range sets {
				v.With(set).Add(12345)
			}
			err = r.Register("requests_total", "Requests served.", v)
		} else {
			v, _ := metrics.NewVec[metricsLabels, metrics.Histogram](config)
			for _, set := range sets {
				for _, value := range values {
					v.With(set).Observe(value)
				}
			}
			err = r.Register("latency_seconds", "Latency.", v)
		}
		if err != nil {
			panic(err)
		}
		return r.WriteText
	},
}

func metricsMainstayKeyed[K comparable](keys []K) metricsLoop {
	var k metrics.Keyed[K]
	return metricsLoop{
		do: func(first, n int) {
			for i := first; i < first+n; i++ {
				k.Add(keys[i&(len(keys)-1)], 1)
			}
		},
		total: func() float64 {
			sum := 0.0
			for _, n := range k.All() {
				sum += float64(n)
			}
			return sum
		},
	}
}
