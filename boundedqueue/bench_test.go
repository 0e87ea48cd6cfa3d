package boundedqueue

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// condRing is the whiteboard baseline: a ring under a mutex with two condition variables.
type condRing struct {
	mu              sync.Mutex
	notFull, notNil sync.Cond
	buf             []int
	head, n         int
}

func newCondRing(capacity int) *condRing {
	r := &condRing{buf: make([]int, capacity)}
	r.notFull.L, r.notNil.L = &r.mu, &r.mu
	return r
}

func (r *condRing) put(v int) {
	r.mu.Lock()
	for r.n == len(r.buf) {
		r.notFull.Wait()
	}
	r.buf[(r.head+r.n)%len(r.buf)] = v
	r.n++
	r.mu.Unlock()
	r.notNil.Signal()
}

func (r *condRing) get() int {
	r.mu.Lock()
	for r.n == 0 {
		r.notNil.Wait()
	}
	v := r.buf[r.head]
	r.head = (r.head + 1) % len(r.buf)
	r.n--
	r.mu.Unlock()
	r.notFull.Signal()
	return v
}

// flow moves values through one queue. The loops are in the implementation, so that no call through an interface is
// measured.
type flow struct {
	produce func(n int)     // puts 1..n
	consume func(n int) int // gets n values and returns their sum
}

// flows are the implementations. Those that select have a context which can be cancelled.
var flows = []struct {
	name    string
	selects bool
	make    func(ctx context.Context, capacity int) flow
}{
	{"mainstay", false, mainstayFlow},
	{"chan", false, chanFlow},
	{"mutex+cond", false, condFlow},
	{"mainstay", true, mainstayFlow},
	{"select+done", true, selectFlow},
}

func mainstayFlow(ctx context.Context, capacity int) flow {
	q, err := New(Config[int]{Capacity: capacity})
	if err != nil {
		panic(err)
	}
	return flow{
		produce: func(n int) {
			for i := range n {
				if q.Put(ctx, i+1) != nil {
					panic("put")
				}
			}
		},
		consume: func(n int) (sum int) {
			for range n {
				v, err := q.Get(ctx)
				if err != nil {
					panic(err)
				}
				sum += v
			}
			return sum
		},
	}
}

func chanFlow(_ context.Context, capacity int) flow {
	c := make(chan int, capacity)
	return flow{
		produce: func(n int) {
			for i := range n {
				c <- i + 1
			}
		},
		consume: func(n int) (sum int) {
			for range n {
				sum += <-c
			}
			return sum
		},
	}
}

func selectFlow(ctx context.Context, capacity int) flow {
	c := make(chan int, capacity)
	return flow{
		produce: func(n int) {
			for i := range n {
				select {
				case c <- i + 1:
				case <-ctx.Done():
					panic("put")
				}
			}
		},
		consume: func(n int) (sum int) {
			for range n {
				select {
				case v := <-c:
					sum += v
				case <-ctx.Done():
					panic("get")
				}
			}
			return sum
		},
	}
}

func condFlow(_ context.Context, capacity int) flow {
	r := newCondRing(capacity)
	return flow{
		produce: func(n int) {
			for i := range n {
				r.put(i + 1)
			}
		},
		consume: func(n int) (sum int) {
			for range n {
				sum += r.get()
			}
			return sum
		},
	}
}

// share is the part of n that worker i of workers does.
func share(n, i, workers int) int { return n*(i+1)/workers - n*i/workers }

// transfer moves n values from so many producers to so many consumers and checks that all arrived.
func transfer(b *testing.B, f flow, n, producers, consumers int) {
	b.Helper()
	var sum, want atomic.Int64
	var group sync.WaitGroup
	for i := range producers {
		group.Go(func() {
			n := share(n, i, producers)
			f.produce(n)
			want.Add(int64(n) * int64(n+1) / 2)
		})
	}
	for i := range consumers {
		group.Go(func() { sum.Add(int64(f.consume(share(n, i, consumers)))) })
	}
	group.Wait()
	if sum.Load() != want.Load() {
		b.Fatalf("sum %d, want %d", sum.Load(), want.Load())
	}
}

func benchTransfer(b *testing.B, capacity, producers, consumers int) {
	b.Helper()
	for _, impl := range flows {
		ctx, kind := context.Background(), "background"
		if impl.selects {
			ctx, kind = b.Context(), "cancellable"
		}
		name := fmt.Sprintf("impl=%s/ctx=%s/p=%d/c=%d/cap=%d", impl.name, kind, producers, consumers, capacity)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			transfer(b, impl.make(ctx, capacity), b.N, producers, consumers)
		})
	}
}

func BenchmarkProdCons(b *testing.B) {
	for _, workers := range []int{1, 4, 100} {
		for _, capacity := range []int{1, 16, 64, 1024} {
			benchTransfer(b, capacity, workers, workers)
		}
	}
}

func BenchmarkFanOut(b *testing.B) { benchTransfer(b, 64, 1, 16) }

func BenchmarkFanIn(b *testing.B) { benchTransfer(b, 64, 16, 1) }

// BenchmarkProdConsWork does a hundred steps of arithmetic for each value, on both sides.
func BenchmarkProdConsWork(b *testing.B) {
	const workers, capacity = 4, 64
	work := func(v int) int {
		for range 100 {
			v = v*1103515245 + 12345
		}
		return v
	}
	run := func(b *testing.B, put func(int), get func() int) {
		b.Helper()
		b.ReportAllocs()
		var in, out atomic.Int64
		var group sync.WaitGroup
		for i := range workers {
			n := share(b.N, i, workers)
			group.Go(func() {
				for i := range n {
					v := work(i)
					in.Add(int64(v))
					put(v)
				}
			})
			group.Go(func() {
				for range n {
					v := get()
					out.Add(int64(v))
					_ = work(v)
				}
			})
		}
		group.Wait()
		if in.Load() != out.Load() {
			b.Fatal("lost")
		}
	}
	b.Run("impl=mainstay", func(b *testing.B) {
		q, ctx := newQueue(b, Config[int]{Capacity: capacity}), b.Context()
		run(b, func(v int) { _ = q.Put(ctx, v) }, func() int { v, _ := q.Get(ctx); return v })
	})
	b.Run("impl=chan", func(b *testing.B) {
		c := make(chan int, capacity)
		run(b, func(v int) { c <- v }, func() int { return <-c })
	})
}

// BenchmarkWide is a put and a get of a value of 64 bytes.
func BenchmarkWide(b *testing.B) {
	type wide [8]int
	b.Run("impl=mainstay", func(b *testing.B) {
		q, ctx := newQueue(b, Config[wide]{Capacity: 64}), context.Background()
		b.ReportAllocs()
		for b.Loop() {
			_ = q.Put(ctx, wide{7})
			if v, err := q.Get(ctx); v[0] != 7 || err != nil {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("impl=chan", func(b *testing.B) {
		c := make(chan wide, 64)
		b.ReportAllocs()
		for b.Loop() {
			c <- wide{7}
			if v := <-c; v[0] != 7 {
				b.Fatal(v)
			}
		}
	})
}

// BenchmarkUncontended is one put and one get by one goroutine.
func BenchmarkUncontended(b *testing.B) {
	const capacity = 64
	for _, impl := range flows {
		ctx, kind := context.Background(), "background"
		if impl.selects {
			ctx, kind = b.Context(), "cancellable"
		}
		b.Run("impl="+impl.name+"/ctx="+kind, func(b *testing.B) { benchUncontended(b, ctx, impl.name, capacity) })
	}
	b.Run("impl=mainstay/op=try", func(b *testing.B) {
		q := newQueue(b, Config[int]{Capacity: capacity})
		b.ReportAllocs()
		for b.Loop() {
			_ = q.TryPut(7)
			if v, err := q.TryGet(); v != 7 || err != nil {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("impl=chan/op=try", func(b *testing.B) {
		c := make(chan int, capacity)
		b.ReportAllocs()
		for b.Loop() {
			select {
			case c <- 7:
			default:
			}
			select {
			case v := <-c:
				if v != 7 {
					b.Fatal(v)
				}
			default:
				b.Fatal("empty")
			}
		}
	})
}

func benchUncontended(b *testing.B, ctx context.Context, impl string, capacity int) { //nolint:revive // b comes first here
	b.Helper()
	b.ReportAllocs()
	switch impl {
	case "mainstay":
		q := newQueue(b, Config[int]{Capacity: capacity})
		for b.Loop() {
			_ = q.Put(ctx, 7)
			if v, err := q.Get(ctx); v != 7 || err != nil {
				b.Fatal(v, err)
			}
		}
	case "chan":
		c := make(chan int, capacity)
		for b.Loop() {
			c <- 7
			if v := <-c; v != 7 {
				b.Fatal(v)
			}
		}
	case "select+done":
		c := make(chan int, capacity)
		for b.Loop() {
			select {
			case c <- 7:
			case <-ctx.Done():
			}
			select {
			case v := <-c:
				if v != 7 {
					b.Fatal(v)
				}
			case <-ctx.Done():
			}
		}
	default:
		r := newCondRing(capacity)
		for b.Loop() {
			r.put(7)
			if v := r.get(); v != 7 {
				b.Fatal(v)
			}
		}
	}
}

// BenchmarkBatch moves batches through a queue by one goroutine; the time is that of one value.
func BenchmarkBatch(b *testing.B) {
	const capacity = 1024
	for _, size := range []int{16, 64, 256} {
		b.Run(fmt.Sprintf("impl=mainstay/size=%d", size), func(b *testing.B) {
			q, ctx := newQueue(b, Config[int]{Capacity: capacity}), b.Context()
			in, out := make([]int, size), make([]int, size)
			b.ReportAllocs()
			for i := 0; i < b.N; i += size {
				n, _ := q.PutBatch(ctx, in)
				if m, err := q.GetBatch(ctx, out); n != size || m != size || err != nil {
					b.Fatal(n, m, err)
				}
			}
		})
		b.Run(fmt.Sprintf("impl=chan/size=%d", size), func(b *testing.B) {
			c := make(chan int, capacity)
			in, out := make([]int, size), make([]int, size)
			b.ReportAllocs()
			for i := 0; i < b.N; i += size {
				for _, v := range in {
					c <- v
				}
				for i := range out {
					out[i] = <-c
				}
			}
		})
	}
}

// BenchmarkPingPong sends one value back and forth through two queues of capacity one.
func BenchmarkPingPong(b *testing.B) {
	b.Run("impl=mainstay", func(b *testing.B) {
		ping, pong := newQueue(b, Config[int]{Capacity: 1}), newQueue(b, Config[int]{Capacity: 1})
		ctx := context.Background()
		b.ReportAllocs()
		go func() {
			for v := range ping.All(ctx) {
				_ = pong.Put(ctx, v)
			}
		}()
		for b.Loop() {
			_ = ping.Put(ctx, 7)
			if v, err := pong.Get(ctx); v != 7 || err != nil {
				b.Fatal(v, err)
			}
		}
		ping.Close()
	})
	b.Run("impl=chan", func(b *testing.B) {
		ping, pong := make(chan int, 1), make(chan int, 1)
		b.ReportAllocs()
		go func() {
			for v := range ping {
				pong <- v
			}
		}()
		for b.Loop() {
			ping <- 7
			if v := <-pong; v != 7 {
				b.Fatal(v)
			}
		}
		close(ping)
	})
}

// BenchmarkOverflow puts into a full queue and drops the oldest value.
func BenchmarkOverflow(b *testing.B) {
	const capacity = 64
	b.Run("impl=mainstay", func(b *testing.B) {
		dropped := 0
		q := newQueue(b, Config[int]{Capacity: capacity, Overflow: DropOldest, OnDrop: func(int) { dropped++ }})
		for range capacity {
			_ = q.TryPut(7)
		}
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			_ = q.TryPut(7)
			n++
		}
		if dropped != n {
			b.Fatal(dropped, n)
		}
	})
	b.Run("impl=chan", func(b *testing.B) {
		c := make(chan int, capacity)
		for range capacity {
			c <- 7
		}
		b.ReportAllocs()
		n, dropped := 0, 0
		for b.Loop() {
			for sent := false; !sent; {
				select {
				case c <- 7:
					sent = true
					continue
				default:
				}
				select {
				case <-c:
					dropped++
				default:
				}
			}
			n++
		}
		if dropped != n {
			b.Fatal(dropped, n)
		}
	})
}

// BenchmarkLatency sends a time stamp at a fixed rate from one goroutine to another and reports how long it was under way.
func BenchmarkLatency(b *testing.B) {
	const every = 20 * time.Microsecond
	run := func(b *testing.B, put func(time.Time), get func() time.Time) {
		b.Helper()
		delays := make([]time.Duration, 0, b.N)
		var group sync.WaitGroup
		group.Go(func() {
			for range b.N {
				delays = append(delays, time.Since(get()))
			}
		})
		next := time.Now()
		for range b.N {
			for next = next.Add(every); time.Until(next) > 0; {
			}
			put(time.Now())
		}
		group.Wait()
		slices.Sort(delays)
		for _, p := range []struct {
			name string
			at   float64
		}{{"p50-ns", 0.5}, {"p99-ns", 0.99}, {"p99.9-ns", 0.999}} {
			b.ReportMetric(float64(delays[int(p.at*float64(len(delays)-1))]), p.name)
		}
	}
	b.Run("impl=mainstay", func(b *testing.B) {
		q, ctx := newQueue(b, Config[time.Time]{Capacity: 64}), context.Background()
		run(b, func(t time.Time) { _ = q.Put(ctx, t) }, func() time.Time { v, _ := q.Get(ctx); return v })
	})
	b.Run("impl=chan", func(b *testing.B) {
		c := make(chan time.Time, 64)
		run(b, func(t time.Time) { c <- t }, func() time.Time { return <-c })
	})
}

// boxed is a priority queue of the standard library.
type boxed []entry[int]

func (h boxed) Len() int           { return len(h) }
func (h boxed) Less(i, j int) bool { return h[i].before(&h[j]) }
func (h boxed) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *boxed) Push(x any)        { *h = append(*h, x.(entry[int])) }
func (h *boxed) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// BenchmarkPriority takes the front of 300 values and puts another one.
func BenchmarkPriority(b *testing.B) {
	const held = 300
	rank := func(i int) int64 { return int64(i) * 7919 % 1009 }
	b.Run("impl=mainstay", func(b *testing.B) {
		q, ctx := newPriority(b, held), context.Background()
		for i := range held {
			_ = q.Put(ctx, rank(i), i)
		}
		b.ReportAllocs()
		i := held
		for b.Loop() {
			_, _ = q.Get(ctx)
			_ = q.Put(ctx, rank(i), i)
			i++
		}
	})
	b.Run("impl=mutex+heap", func(b *testing.B) {
		var mu sync.Mutex
		var h boxed
		for i := range held {
			heap.Push(&h, entry[int]{rank: rank(i), seq: uint64(i), v: i})
		}
		b.ReportAllocs()
		i := held
		for b.Loop() {
			mu.Lock()
			_ = heap.Pop(&h)
			mu.Unlock()
			mu.Lock()
			heap.Push(&h, entry[int]{rank: rank(i), seq: uint64(i), v: i})
			mu.Unlock()
			i++
		}
	})
}
