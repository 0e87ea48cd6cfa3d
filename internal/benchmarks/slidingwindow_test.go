package benchmarks

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slidingwindowMax is the maximum of the last values.
type slidingwindowMax[T int | float64] struct {
	name string
	make func(size int) func(T) T
	all  bool // runs on every input; the others only on random values
}

func slidingwindowMaxima[T int | float64]() []slidingwindowMax[T] {
	return []slidingwindowMax[T]{
		{"mainstay", newSlidingwindowMax[T], true},
		{"deque", newSlidingwindowDeque[T], true},
		{"heap", newSlidingwindowHeap[T], false},
	}
}

// slidingwindowInput is a stream of a power of two of values.
func slidingwindowInput[T int | float64](kind string) []T {
	const n = 1 << 14
	rng := rand.New(rand.NewPCG(1, 2))
	values, walk := make([]T, n), 0
	for i := range values {
		walk += rng.IntN(2001) - 1000
		switch kind {
		case "random":
			values[i] = T(rng.IntN(1 << 30))
		case "walk":
			values[i] = T(walk)
		case "asc":
			values[i] = T(i)
		case "desc":
			values[i] = T(n - i)
		}
	}
	return values
}

func benchSlidingwindowMax[T int | float64](b *testing.B, typ string) {
	b.Helper()
	const size = 1000
	for _, kind := range []string{"random", "walk", "asc", "desc"} {
		values := slidingwindowInput[T](kind)
		for _, impl := range slidingwindowMaxima[T]() {
			if kind != "random" && !impl.all {
				continue
			}
			push, reference := impl.make(size), newSlidingwindowMax[T](size)
			for i := range 2 * len(values) {
				v := values[i%len(values)]
				require.Equal(b, reference(v), push(v))
			}
			b.Run(fmt.Sprintf("impl=%s/type=%s/input=%s/size=%d", impl.name, typ, kind, size), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					push(values[i&(len(values)-1)])
					i++
				}
			})
		}
	}
}

// BenchmarkSlidingwindowMax pushes values through a window of a thousand.
func BenchmarkSlidingwindowMax(b *testing.B) {
	benchSlidingwindowMax[int](b, "int")
	benchSlidingwindowMax[float64](b, "float64")
}

// slidingwindowStat is an aggregate of three words.
type slidingwindowStat struct{ sum, count, max int64 }

func slidingwindowCombine(a, b slidingwindowStat) slidingwindowStat {
	return slidingwindowStat{a.sum + b.sum, a.count + b.count, max(a.max, b.max)}
}

// BenchmarkSlidingwindowFold keeps sum, count and maximum of the last thousand values.
func BenchmarkSlidingwindowFold(b *testing.B) {
	const size = 1000
	for _, impl := range []struct {
		name string
		make func(size int) func(slidingwindowStat) slidingwindowStat
	}{
		{"mainstay", newSlidingwindowFold},
		{"mainstay-worst", newSlidingwindowFoldWorst},
		{"recompute", newSlidingwindowRecompute},
	} {
		push := impl.make(size)
		for i := range int64(3 * size) {
			push(slidingwindowStat{i, 1, i})
		}
		v := slidingwindowStat{7, 1, 7}
		for range 2*size - 1 {
			push(v)
		}
		require.Equal(b, slidingwindowStat{7 * size, size, 7}, push(v))
		b.Run(fmt.Sprintf("impl=%s/size=%d", impl.name, size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				push(v)
			}
		})
	}
}

// slidingwindowCounter counts events over a second in ten buckets.
type slidingwindowCounter interface {
	Add()
	Sum() int64
}

func slidingwindowCounters() map[string]func() slidingwindowCounter {
	return map[string]func() slidingwindowCounter{
		"mainstay":    newSlidingwindowCounter,
		"event-time":  newSlidingwindowEvents,
		"gozero":      newSlidingwindowGoZero,
		"ratecounter": newSlidingwindowRatecounter,
		"mutex-ring":  newSlidingwindowMutexRing,
	}
}

// slidingwindowOrder puts mainstay first, which benchstat compares with.
var slidingwindowOrder = []string{"mainstay", "event-time", "gozero", "ratecounter", "mutex-ring"}

// BenchmarkSlidingwindowAdd counts events, now; event-time is mainstay with the time of the events.
func BenchmarkSlidingwindowAdd(b *testing.B) {
	for _, name := range slidingwindowOrder {
		c := slidingwindowCounters()[name]()
		b.Run("impl="+name+"/mode=serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Add()
			}
		})
		if name == "event-time" {
			continue // its clock is not safe for concurrent use
		}
		b.Run("impl="+name+"/mode=parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c.Add()
				}
			})
		})
		require.Positive(b, c.Sum())
	}
}

// BenchmarkSlidingwindowSum reads the sum of ten buckets.
func BenchmarkSlidingwindowSum(b *testing.B) {
	for _, name := range []string{"mainstay", "gozero", "mutex-ring"} {
		c := slidingwindowCounters()[name]()
		c.Add()
		b.Run("impl="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Sum()
			}
		})
	}
}

// slidingwindowTop counts keys and tells the one that came most often.
type slidingwindowTop interface {
	Add(key string)
	First() string
}

// BenchmarkSlidingwindowTopk adds keys of a zipf distribution over 100 000, and keys of which each comes once in 100 000.
func BenchmarkSlidingwindowTopk(b *testing.B) {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 99_999)
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("client-%06d", i)
	}
	for _, kind := range []string{"zipf", "distinct"} {
		keys := make([]string, 1<<16)
		for i := range keys {
			keys[i] = names[i]
			if kind == "zipf" {
				keys[i] = names[zipf.Uint64()]
			}
		}
		for _, impl := range []struct {
			name string
			make func() slidingwindowTop
		}{
			{"mainstay", newSlidingwindowTopk},
			{"mutex-map", newSlidingwindowExact},
			{"aegis", newSlidingwindowAegis},
		} {
			top := impl.make()
			for _, key := range keys {
				top.Add(key)
			}
			if kind == "zipf" {
				require.Equal(b, names[0], top.First())
			}
			b.Run(fmt.Sprintf("impl=%s/keys=%s", impl.name, kind), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					top.Add(keys[i&(len(keys)-1)])
					i++
				}
			})
		}
	}
}

// The counters count the same events.
func TestSlidingwindowPeersAgree(t *testing.T) {
	for name, newCounter := range slidingwindowCounters() {
		c := newCounter()
		start := time.Now()
		for range 100 {
			c.Add()
		}
		if got := c.Sum(); time.Since(start) < 500*time.Millisecond { // else some may have left
			require.Equal(t, int64(100), got, name)
		}
	}
}
