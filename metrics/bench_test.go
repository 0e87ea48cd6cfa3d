package metrics

import (
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// both runs op serially and in parallel.
func both(b *testing.B, impl string, op func(i int)) {
	b.Helper()
	b.Run("impl="+impl+"/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			op(i)
			i++
		}
	})
	b.Run("impl="+impl+"/mode=parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				op(i)
			}
		})
	})
}

func BenchmarkCounterInc(b *testing.B) {
	var c Counter
	both(b, "mainstay", func(int) { c.Inc() })
	var a atomic.Uint64
	both(b, "atomic", func(int) { a.Add(1) })
	var mu sync.Mutex
	var n uint64
	both(b, "mutex", func(int) {
		mu.Lock()
		n++
		mu.Unlock()
	})
}

type threeLabels struct{ Method, Route, Code string }

// labelSets are so many label sets, built anew so that no string is shared with the Vec.
func labelSets(n int) []threeLabels {
	sets := make([]threeLabels, n)
	for i := range sets {
		sets[i] = threeLabels{"GET", "/v1/items/" + strconv.Itoa(i/4), strconv.Itoa(200 + i%4)}
	}
	return sets
}

func BenchmarkVecInc(b *testing.B) {
	for _, n := range []int{1, 1024} {
		sets := labelSets(n)
		name := "/sets=" + strconv.Itoa(n)
		var v Vec[threeLabels, Counter]
		both(b, "mainstay"+name, func(i int) { v.With(sets[i&(n-1)]).Inc() })
		var mu sync.RWMutex
		counts := map[threeLabels]*atomic.Uint64{}
		for _, set := range sets {
			counts[set] = new(atomic.Uint64)
		}
		both(b, "rwmutex+map"+name, func(i int) {
			mu.RLock()
			c := counts[sets[i&(n-1)]]
			mu.RUnlock()
			c.Add(1)
		})
	}
}

func BenchmarkKeyedAdd(b *testing.B) {
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = "/v1/items/" + strconv.Itoa(i)
	}
	benchKeyed(b, "string", func(i int) string { return keys[i&1023] })
	benchKeyed(b, "int", func(i int) int { return i & 1023 })
}

func benchKeyed[K comparable](b *testing.B, name string, key func(i int) K) {
	b.Helper()
	var k Keyed[K]
	both(b, "mainstay/keys="+name, func(i int) { k.Inc(key(i)) })
	var m sync.Map
	both(b, "sync.Map/keys="+name, func(i int) {
		c, ok := m.Load(key(i))
		if !ok {
			c, _ = m.LoadOrStore(key(i), new(atomic.Uint64))
		}
		c.(*atomic.Uint64).Add(1)
	})
	var mu sync.Mutex
	counts := map[K]uint64{}
	both(b, "mutex+map/keys="+name, func(i int) {
		mu.Lock()
		counts[key(i)]++
		mu.Unlock()
	})
}

// latencies are lognormal around 20 ms.
func latencies() []float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 4096)
	for i := range values {
		values[i] = 0.02 * math.Exp(rng.NormFloat64())
	}
	return values
}

func BenchmarkObserve(b *testing.B) {
	values := latencies()
	var h Histogram
	both(b, "mainstay", func(i int) { h.Observe(values[i&4095]) })
	var mu sync.Mutex
	var sum float64
	counts := make([]uint64, len(defaultBounds)+1)
	both(b, "mutex+buckets", func(i int) {
		v, at := values[i&4095], 0
		for at < len(defaultBounds) && defaultBounds[at] < v {
			at++
		}
		mu.Lock()
		counts[at]++
		sum += v
		mu.Unlock()
	})
}

func BenchmarkSLORecord(b *testing.B) {
	s, err := NewSLO(SLOConfig{Objective: 0.999})
	if err != nil {
		b.Fatal(err)
	}
	both(b, "mainstay", func(int) { s.Record(true) })
}

func BenchmarkAverageObserve(b *testing.B) {
	a, err := NewAverage(AverageConfig{})
	if err != nil {
		b.Fatal(err)
	}
	both(b, "mainstay", func(int) { a.Observe(1) })
}

func BenchmarkWriteText(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		v, err := NewVec[threeLabels, Counter](VecConfig{MaxSeries: n})
		if err != nil {
			b.Fatal(err)
		}
		for _, set := range labelSets(n) {
			v.With(set).Add(12345)
		}
		benchWrite(b, "counters="+strconv.Itoa(n), v)
	}
	var h Vec[threeLabels, Histogram]
	for _, set := range labelSets(1000) {
		for _, v := range latencies()[:64] {
			h.With(set).Observe(v)
		}
	}
	benchWrite(b, "histograms=1000", &h)
}

func benchWrite(b *testing.B, name string, m Metric) {
	b.Helper()
	r, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	if r.Register("requests", "Requests.", m) != nil && r.Register("requests_total", "Requests.", m) != nil {
		b.Fatal("not registered")
	}
	b.Run("impl=mainstay/"+name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := r.WriteText(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}
