package benchmarks

import (
	"sync"
	"sync/atomic"
)

// metricsStd is what one writes with sync/atomic and sync.Map.
var metricsStd = metricsImpl{
	name: "sync",
	counter: func() metricsLoop {
		var c atomic.Uint64
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Add(1)
				}
			},
			total: func() float64 { return float64(c.Load()) },
		}
	},
	vec:     metricsStdKeyed[metricsLabels],
	strings: metricsStdKeyed[string],
	ints:    metricsStdKeyed[int],
}

func metricsStdKeyed[K comparable](keys []K) metricsLoop {
	var m sync.Map
	return metricsLoop{
		do: func(first, n int) {
			for i := first; i < first+n; i++ {
				key := keys[i&(len(keys)-1)]
				c, ok := m.Load(key)
				if !ok {
					c, _ = m.LoadOrStore(key, new(atomic.Uint64))
				}
				c.(*atomic.Uint64).Add(1)
			}
		},
		total: func() float64 {
			sum := 0.0
			for _, c := range m.Range {
				sum += float64(c.(*atomic.Uint64).Load())
			}
			return sum
		},
	}
}

// metricsMutex is what one writes with a mutex.
var metricsMutex = metricsImpl{
	name: "mutex+map",
	counter: func() metricsLoop {
		var mu sync.Mutex
		c := 0
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					mu.Lock()
					c++
					mu.Unlock()
				}
			},
			total: func() float64 { return float64(c) },
		}
	},
	vec:     metricsMutexKeyed[metricsLabels],
	strings: metricsMutexKeyed[string],
	ints:    metricsMutexKeyed[int],
}

func metricsMutexKeyed[K comparable](keys []K) metricsLoop {
	var mu sync.Mutex
	m := map[K]int{}
	return metricsLoop{
		do: func(first, n int) {
			for i := first; i < first+n; i++ {
				mu.Lock()
				m[keys[i&(len(keys)-1)]]++
				mu.Unlock()
			}
		},
		total: func() float64 {
			sum := 0.0
			for _, n := range m {
				sum += float64(n)
			}
			return sum
		},
	}
}
