package benchmarks

import (
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"
)

var metricsXsync = metricsImpl{
	name: "xsync",
	counter: func() metricsLoop {
		c := xsync.NewCounter()
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Inc()
				}
			},
			total: func() float64 { return float64(c.Value()) },
		}
	},
	strings: metricsXsyncKeyed[string],
	ints:    metricsXsyncKeyed[int],
}

func metricsXsyncKeyed[K comparable](keys []K) metricsLoop {
	m := xsync.NewMap[K, *atomic.Uint64]()
	return metricsLoop{
		do: func(first, n int) {
			for i := first; i < first+n; i++ {
				key := keys[i&(len(keys)-1)]
				c, ok := m.Load(key)
				if !ok {
					c, _ = m.LoadOrStore(key, new(atomic.Uint64))
				}
				c.Add(1)
			}
		},
		total: func() float64 {
			sum := 0.0
			for _, c := range m.All() {
				sum += float64(c.Load())
			}
			return sum
		},
	}
}
