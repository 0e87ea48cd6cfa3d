package slidingwindow

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deque is the textbook answer: positions and values that can still become the maximum, largest first.
type deque[T int | float64] struct {
	size, pushed int
	at           []int // rings of size
	values       []T
	head, len    int
}

func newDeque[T int | float64](size int) *deque[T] {
	return &deque[T]{size: size, at: make([]int, size), values: make([]T, size)}
}

func (d *deque[T]) place(i int) int {
	if i += d.head; i >= d.size {
		i -= d.size
	}
	return i
}

func (d *deque[T]) Push(v T) T {
	if d.len > 0 && d.at[d.head] <= d.pushed-d.size {
		d.head = d.place(1)
		d.len--
	}
	for d.len > 0 && d.values[d.place(d.len-1)] <= v {
		d.len--
	}
	p := d.place(d.len)
	d.at[p], d.values[p] = d.pushed, v
	d.len++
	d.pushed++
	return d.values[d.head]
}

// lazyHeap is the other textbook answer: a heap whose top is dropped when it is seen to have left.
type lazyHeap[T int | float64] struct {
	size, pushed int
	items        []heapItem[T]
}

type heapItem[T any] struct {
	at int
	v  T
}

func (h *lazyHeap[T]) Len() int           { return len(h.items) }
func (h *lazyHeap[T]) Less(i, j int) bool { return h.items[i].v > h.items[j].v }
func (h *lazyHeap[T]) Swap(i, j int)      { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *lazyHeap[T]) Pop() any {
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return last
}

func (h *lazyHeap[T]) add(v T) T {
	heap.Push(pusher[T]{h}, heapItem[T]{h.pushed, v})
	h.pushed++
	for h.items[0].at < h.pushed-h.size {
		heap.Pop(pusher[T]{h})
	}
	return h.items[0].v
}

// pusher has the Push that package heap asks for.
type pusher[T int | float64] struct{ *lazyHeap[T] }

func (p pusher[T]) Push(x any) { p.items = append(p.items, x.(heapItem[T])) }

// inputs are streams of 1<<14 values.
func inputs[T int | float64](kind string) []T {
	const n = 1 << 14
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]T, n)
	walk := 0
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

func benchMax[T int | float64](b *testing.B, typ string) {
	b.Helper()
	for _, kind := range []string{"random", "walk", "asc", "desc"} {
		values := inputs[T](kind)
		for _, size := range []int{16, 1000, 65536} {
			x, d, h := newMax[T](b, size), newDeque[T](size), &lazyHeap[T]{size: size}
			for i := range 3 * len(values) {
				v := values[i%len(values)]
				want := x.Push(v)
				require.Equal(b, want, d.Push(v))
				if i < 2000 {
					require.Equal(b, want, newMaxOf(values, i, size))
				}
				if size == 1000 {
					require.Equal(b, want, h.add(v))
				}
			}
			pushes := map[string]func(T) T{"mainstay": x.Push, "deque": d.Push, "heap": h.add}
			for _, impl := range []string{"mainstay", "deque", "heap"} {
				if impl == "heap" && size != 1000 {
					continue
				}
				push := pushes[impl]
				b.Run(fmt.Sprintf("impl=%s/type=%s/input=%s/size=%d", impl, typ, kind, size), func(b *testing.B) {
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
}

// newMaxOf is the definition, for a stream of one pass.
func newMaxOf[T int | float64](values []T, i, size int) T {
	return slices.Max(values[max(0, i+1-size) : i+1])
}

func BenchmarkMax(b *testing.B) {
	benchMax[int](b, "int")
	benchMax[float64](b, "float64")
}

// stat is an aggregate of three words.
type stat struct{ sum, count, max int64 }

func combineStats(a, b stat) stat {
	return stat{a.sum + b.sum, a.count + b.count, max(a.max, b.max)}
}

// recompute is a ring that is folded anew at each push.
type recompute[T any] struct {
	buf     []T
	next    int
	combine func(a, b T) T
}

func (r *recompute[T]) Push(v T) T {
	r.buf[r.next] = v
	if r.next++; r.next == len(r.buf) {
		r.next = 0
	}
	all := r.buf[r.next]
	for _, v := range r.buf[r.next+1:] {
		all = r.combine(all, v)
	}
	for _, v := range r.buf[:r.next] {
		all = r.combine(all, v)
	}
	return all
}

func benchFold[T any](b *testing.B, typ string, v T, combine func(a, b T) T) {
	b.Helper()
	const size = 1000
	for _, impl := range []string{"mainstay", "mainstay-worst", "recompute"} {
		push := (&recompute[T]{buf: make([]T, size), combine: combine}).Push
		if impl != "recompute" {
			push = newFold(b, FoldConfig[T]{Size: size, Combine: combine, WorstCase: impl == "mainstay-worst"}).Push
		}
		var last T
		for range 3 * size {
			last = push(v)
		}
		b.Run(fmt.Sprintf("impl=%s/type=%s/size=%d", impl, typ, size), func(b *testing.B) {
			b.ReportAllocs()
			var got T
			for b.Loop() {
				got = push(v)
			}
			require.Equal(b, last, got)
		})
	}
}

func BenchmarkFold(b *testing.B) {
	benchFold(b, "max", int64(1), func(a, b int64) int64 { return max(a, b) })
	benchFold(b, "stat", stat{1, 1, 1}, combineStats)
}

// mutexRing is the baseline of the counters: a ring of buckets under a mutex.
type mutexRing struct {
	mu      sync.Mutex
	base    time.Time
	width   time.Duration
	buckets []int64
	numbers []int64
}

func newMutexRing(width time.Duration, buckets int) *mutexRing {
	return &mutexRing{base: time.Now(), width: width, buckets: make([]int64, buckets), numbers: make([]int64, buckets)}
}

func (m *mutexRing) Add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	number := int64(time.Since(m.base) / m.width)
	i := number % int64(len(m.buckets))
	if m.numbers[i] != number {
		m.numbers[i], m.buckets[i] = number, 0
	}
	m.buckets[i] += n
}

func (m *mutexRing) Sum() (sum int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	number := int64(time.Since(m.base) / m.width)
	for i, n := range m.buckets {
		if number-m.numbers[i] < int64(len(m.buckets)) {
			sum += n
		}
	}
	return sum
}

func bothModes(b *testing.B, name string, op func()) {
	b.Helper()
	b.Run(name+"/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			op()
		}
	})
	b.Run(name+"/mode=parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				op()
			}
		})
	})
}

func BenchmarkCounterAdd(b *testing.B) {
	c, m := newCounter(b, second), newMutexRing(100*time.Millisecond, 10)
	bothModes(b, "impl=mainstay", func() { c.Add(1) })
	bothModes(b, "impl=mutex", func() { m.Add(1) })
	require.Positive(b, c.Sum()+m.Sum())
}

func BenchmarkCounterAddAt(b *testing.B) {
	c := newCounter(b, CounterConfig{Window: time.Second, EventTime: true})
	at, n := time.Unix(1000, 0), 0
	b.Run("impl=mainstay/order=ascending", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			at = at.Add(time.Microsecond)
			c.AddAt(at, 1)
		}
	})
	b.Run("impl=mainstay/order=scattered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n++
			c.AddAt(at.Add(-time.Duration(n%8)*100*time.Millisecond), 1)
		}
	})
	require.Positive(b, c.Sum())
}

func BenchmarkCounterSum(b *testing.B) {
	for _, buckets := range []int{10, 60} {
		c, m := newCounter(b, CounterConfig{Window: time.Hour, Buckets: buckets}), newMutexRing(time.Hour, buckets)
		c.Add(1)
		m.Add(1)
		bothModes(b, fmt.Sprintf("impl=mainstay/buckets=%d", buckets), func() { c.Sum() })
		bothModes(b, fmt.Sprintf("impl=mutex/buckets=%d", buckets), func() { m.Sum() })
	}
}

func BenchmarkCountersAdd(b *testing.B) {
	c := newCounters(b, CountersConfig{Window: time.Second, Outcomes: 3})
	dst := make([]int64, 0, 3)
	bothModes(b, "impl=mainstay/op=Add", func() { c.Add(1, 1) })
	b.Run("impl=mainstay/op=Sums", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = c.Sums(dst[:0])
		}
	})
}

// exactTop is the baseline: an exact map for each bucket, under a mutex.
type exactTop struct {
	mu      sync.Mutex
	base    time.Time
	width   time.Duration
	maps    []map[int]int64
	numbers []int64
}

func newExactTop(width time.Duration, buckets int) *exactTop {
	return &exactTop{base: time.Now(), width: width, maps: make([]map[int]int64, buckets), numbers: make([]int64, buckets)}
}

func (e *exactTop) Add(key int, n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	number := int64(time.Since(e.base) / e.width)
	i := number % int64(len(e.maps))
	if e.maps[i] == nil || e.numbers[i] != number {
		e.numbers[i], e.maps[i] = number, map[int]int64{}
	}
	e.maps[i][key] += n
}

// BenchmarkTopKAdd adds keys of a zipf distribution over 100 000, and keys of which each comes once in 100 000.
func BenchmarkTopKAdd(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rng, 1.1, 1, 99_999)
	keys := make([]int, 1<<17)
	for i := range keys {
		keys[i] = int(zipf.Uint64())
	}
	for _, kind := range []string{"zipf", "distinct"} {
		k, e := newTopK[int](b, TopKConfig{Window: 10 * time.Second}), newExactTop(time.Second, 10)
		for impl, add := range map[string]func(int, int64){"mainstay": k.Add, "mutex+map": e.Add} {
			b.Run(fmt.Sprintf("impl=%s/keys=%s", impl, kind), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					key := i % 100_000
					if kind == "zipf" {
						key = keys[i&(len(keys)-1)]
					}
					add(key, 1)
					i++
				}
			})
		}
		require.Positive(b, k.Total())
	}
}
