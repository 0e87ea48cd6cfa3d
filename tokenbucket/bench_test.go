package tokenbucket

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// whiteboard is the baseline: the bucket that one writes in an interview, a mutex around a float and a time.
type whiteboard struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	last        time.Time
}

func (w *whiteboard) Allow() bool { return w.AllowN(1) }

func (w *whiteboard) AllowN(n int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.tokens = min(w.burst, w.tokens+now.Sub(w.last).Seconds()*w.rate)
	w.last = now
	if w.tokens < float64(n) {
		return false
	}
	w.tokens -= float64(n)
	return true
}

func (w *whiteboard) AllowUpTo(n int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.tokens = min(w.burst, w.tokens+now.Sub(w.last).Seconds()*w.rate)
	w.last = now
	k := min(n, int64(w.tokens))
	w.tokens -= float64(k)
	return k
}

type allower interface {
	Allow() bool
	AllowN(n int64) bool
	AllowUpTo(n int64) int64
}

// The two levels between which benchmarks run: a bucket that cannot be emptied, and one that is not filled for years.
var (
	plenty = Config{Rate: PerSecond(8_000_000_000), Burst: 1 << 60}
	barren = Config{Rate: Every(year), Burst: 1}
)

func contender(b *testing.B, impl string, cfg Config) allower {
	b.Helper()
	if impl == "mainstay" {
		return newBucket(b, cfg.Rate, cfg.Burst)
	}
	rate := float64(cfg.Rate.Tokens) / cfg.Rate.Per.Seconds()
	return &whiteboard{rate: rate, burst: float64(cfg.Burst), tokens: float64(cfg.Burst), last: time.Now()}
}

// compare runs op on each contender serially and in parallel; op returns whether the answer was right.
func compare(b *testing.B, cfg Config, op func(allower) bool) {
	b.Helper()
	for _, impl := range []string{"mainstay", "mutex+float"} {
		a := contender(b, impl, cfg)
		if cfg == barren {
			a.Allow()
		}
		b.Run("impl="+impl+"/mode=serial", func(b *testing.B) {
			b.ReportAllocs()
			wrong := 0
			for b.Loop() {
				wrong += toInt(!op(a))
			}
			if wrong > 0 {
				b.Fatalf("%d wrong answers", wrong)
			}
		})
		b.Run("impl="+impl+"/mode=parallel", func(b *testing.B) { parallel(b, func() bool { return op(a) }) })
	}
}

func parallel(b *testing.B, op func() bool) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		wrong := 0
		for pb.Next() {
			wrong += toInt(!op())
		}
		if wrong > 0 {
			b.Errorf("%d wrong answers", wrong)
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	b.Run("level=full", func(b *testing.B) { compare(b, plenty, allower.Allow) })
	b.Run("level=empty", func(b *testing.B) { compare(b, barren, func(a allower) bool { return !a.Allow() }) })
}

func BenchmarkAllowN(b *testing.B) {
	compare(b, plenty, func(a allower) bool { return a.AllowN(16) })
}

func BenchmarkAllowUpTo(b *testing.B) {
	compare(b, plenty, func(a allower) bool { return a.AllowUpTo(16) == 16 })
}

// BenchmarkClock is the floor: the reading of the clock that each decision makes.
func BenchmarkClock(b *testing.B) {
	bucket := newBucket(b, PerSecond(1), 1)
	for b.Loop() {
		_ = bucket.elapsed()
	}
}

func BenchmarkWait(b *testing.B) {
	bucket, ctx := newBucket(b, plenty.Rate, plenty.Burst), b.Context()
	b.Run("impl=mainstay/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := bucket.Wait(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("impl=mainstay/mode=parallel", func(b *testing.B) { parallel(b, func() bool { return bucket.Wait(ctx) == nil }) })
}

// BenchmarkRefuseInQueue asks a bucket that somebody waits for: the slow path, through the mutex.
func BenchmarkRefuseInQueue(b *testing.B) {
	bucket := newBucket(b, barren.Rate, barren.Burst)
	bucket.Allow()
	if _, err := bucket.Reserve(1, forever); err != nil {
		b.Fatal(err)
	}
	b.Run("impl=mainstay/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if bucket.Allow() {
				b.Fatal("passed the queue")
			}
		}
	})
	b.Run("impl=mainstay/mode=parallel", func(b *testing.B) { parallel(b, func() bool { return !bucket.Allow() }) })
}

// BenchmarkNeighbours is why a limit fills a cache line: two levels, each written by one goroutine, in lines of their own
// as in a limit, or in the same line.
func BenchmarkNeighbours(b *testing.B) {
	bench := func(b *testing.B, levels [2]*atomic.Int64) {
		b.Helper()
		var next atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			level := levels[next.Add(1)%2]
			for pb.Next() {
				level.CompareAndSwap(level.Load(), level.Load()+1)
			}
		})
	}
	b.Run("line=own", func(b *testing.B) {
		limits := make([]limit, 2)
		bench(b, [2]*atomic.Int64{&limits[0].level, &limits[1].level})
	})
	b.Run("line=shared", func(b *testing.B) {
		levels := make([]atomic.Int64, 2)
		bench(b, [2]*atomic.Int64{&levels[0], &levels[1]})
	})
}

// BenchmarkQueue forms a queue and drains it by one Return, or by cancelling its context.
func BenchmarkQueue(b *testing.B) {
	const waiters = 1000
	for _, end := range []string{"return", "cancel"} {
		b.Run("impl=mainstay/end="+end, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				drainQueue(b, end, waiters)
			}
		})
	}
}

func drainQueue(b *testing.B, end string, waiters int) {
	b.Helper()
	bucket := newBucket(b, Every(time.Hour), int64(waiters))
	bucket.AllowN(int64(waiters))
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var granted atomic.Int64
	var group sync.WaitGroup
	for range waiters {
		group.Go(func() { granted.Add(int64(toInt(bucket.Wait(ctx) == nil))) })
	}
	for bucket.Stats().Waiting < waiters {
		runtime.Gosched()
	}
	want := int64(waiters)
	if end == "cancel" {
		want = 0
		cancel()
	}
	bucket.Return(want)
	group.Wait()
	if granted.Load() != want {
		b.Fatalf("%d granted, want %d", granted.Load(), want)
	}
}
