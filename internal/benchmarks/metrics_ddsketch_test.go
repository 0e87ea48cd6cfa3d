package benchmarks

import "github.com/DataDog/sketches-go/ddsketch"

// metricsDDSketch is not safe for concurrent use.
var metricsDDSketch = metricsImpl{
	name:       "ddsketch",
	serialOnly: true,
	observe: func(values []float64) metricsLoop {
		s := metricsDDSketchNew()
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					if err := s.Add(values[i&(len(values)-1)]); err != nil {
						panic(err)
					}
				}
			},
			total: s.GetCount,
		}
	},
	quantile: func(values []float64, q float64) float64 {
		s := metricsDDSketchNew()
		for _, v := range values {
			if err := s.Add(v); err != nil {
				panic(err)
			}
		}
		answer, err := s.GetValueAtQuantile(q)
		if err != nil {
			panic(err)
		}
		return answer
	},
}

func metricsDDSketchNew() *ddsketch.DDSketch {
	s, err := ddsketch.NewDefaultDDSketch(0.01)
	if err != nil {
		panic(err)
	}
	return s
}
