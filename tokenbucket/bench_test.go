package tokenbucket

import (
	"sync"
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

// The two levels between which benchmarks run: a bucket that cannot be emptied, and one that is never filled.
var (
	plenty = Config{Rate: PerSecond(8_000_000_000), Burst: 1 << 60}
	barren = Config{Rate: PerHour(1), Burst: 1}
)

func contenders(b *testing.B, cfg Config) map[string]allower {
	b.Helper()
	bucket, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	rate := float64(cfg.Rate.Tokens) / cfg.Rate.Per.Seconds()
	base := &whiteboard{rate: rate, burst: float64(cfg.Burst), tokens: float64(cfg.Burst), last: time.Now()}
	return map[string]allower{"mainstay": bucket, "mutex+float": base}
}

// compare runs op on each contender serially and in parallel; op returns whether the answer was right.
func compare(b *testing.B, cfg Config, op func(allower) bool) {
	b.Helper()
	for _, impl := range []string{"mainstay", "mutex+float"} {
		b.Run("impl="+impl+"/mode=serial", func(b *testing.B) {
			a := contenders(b, cfg)[impl]
			b.ReportAllocs()
			wrong := 0
			for b.Loop() {
				if !op(a) {
					wrong++
				}
			}
			if wrong > 0 {
				b.Fatalf("%d wrong answers", wrong)
			}
		})
		b.Run("impl="+impl+"/mode=parallel", func(b *testing.B) {
			a := contenders(b, cfg)[impl]
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				wrong := 0
				for pb.Next() {
					if !op(a) {
						wrong++
					}
				}
				if wrong > 0 {
					b.Errorf("%d wrong answers", wrong)
				}
			})
		})
	}
}

func BenchmarkAllow(b *testing.B) {
	b.Run("level=full", func(b *testing.B) { compare(b, plenty, func(a allower) bool { return a.Allow() }) })
	b.Run("level=empty", func(b *testing.B) {
		compare(b, barren, func(a allower) bool { return !a.AllowN(2) })
	})
}

func BenchmarkAllowN(b *testing.B) {
	b.Run("level=full", func(b *testing.B) { compare(b, plenty, func(a allower) bool { return a.AllowN(16) }) })
}

func BenchmarkAllowUpTo(b *testing.B) {
	b.Run("level=full", func(b *testing.B) { compare(b, plenty, func(a allower) bool { return a.AllowUpTo(16) == 16 }) })
}
