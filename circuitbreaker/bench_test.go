package circuitbreaker

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"
)

// textbook is the breaker of the interview: a mutex, a count, and a time. It has no half-open state: when its time is
// over everybody passes at once.
type textbook struct {
	mu        sync.Mutex
	failures  int
	openUntil time.Time
}

func (b *textbook) Do(_ context.Context, fn func(context.Context) error) error {
	b.mu.Lock()
	if !b.openUntil.IsZero() && time.Now().Before(b.openUntil) {
		b.mu.Unlock()
		return ErrOpen
	}
	b.mu.Unlock()
	err := fn(context.Background())
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.failures = 0
		return nil
	}
	if b.failures++; b.failures >= 5 {
		b.failures, b.openUntil = 0, time.Now().Add(time.Hour)
	}
	return err
}

// doer is what is measured.
type doer interface {
	Do(ctx context.Context, fn func(context.Context) error) error
}

// run measures Do serially and in parallel.
func run(b *testing.B, name string, d doer, fn func(context.Context) error) {
	b.Helper()
	b.Run(name+"/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			_ = d.Do(ctx, fn)
		}
	})
	b.Run(name+"/mode=parallel", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = d.Do(ctx, fn)
			}
		})
	})
}

var (
	benchConsecutive = Config{ConsecutiveFailures: 5}
	benchTime        = Config{}
	benchCount       = Config{CountWindow: 100}
	benchSlow        = Config{SlowCallDuration: time.Minute}
)

func mustNew(tb testing.TB, c Config) *Breaker {
	tb.Helper()
	b, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkSuccess is a healthy dependency: what a breaker costs.
func BenchmarkSuccess(b *testing.B) {
	ok := func(context.Context) error { return nil }
	run(b, "impl=textbook", &textbook{}, ok)
	run(b, "impl=mainstay/rule=consecutive", mustNew(b, benchConsecutive), ok)
	run(b, "impl=mainstay/rule=time", mustNew(b, benchTime), ok)
	run(b, "impl=mainstay/rule=count", mustNew(b, benchCount), ok)
	run(b, "impl=mainstay/rule=slow", mustNew(b, benchSlow), ok)
}

// BenchmarkReject is a breaker that is open.
func BenchmarkReject(b *testing.B) {
	ok := func(context.Context) error { return nil }
	run(b, "impl=textbook", &textbook{openUntil: time.Now().Add(time.Hour)}, ok)
	br := mustNew(b, benchTime)
	br.Trip(time.Hour)
	defer br.Reset()
	run(b, "impl=mainstay", br, ok)
}

// BenchmarkTicket is the two-step form.
func BenchmarkTicket(b *testing.B) {
	for name, c := range map[string]Config{"consecutive": benchConsecutive, "time": benchTime, "count": benchCount} {
		br := mustNew(b, c)
		b.Run("impl=mainstay/rule="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t, err := br.Allow()
				if err != nil {
					b.Fatal(err)
				}
				t.Done(nil)
			}
		})
	}
}

// BenchmarkFailure is a dependency that always fails while nobody judges: the price of a failure.
func BenchmarkFailure(b *testing.B) {
	errDown := errors.New("down")
	fail := func(context.Context) error { return errDown }
	run(b, "impl=textbook", &textbook{}, fail)
	run(b, "impl=mainstay/rule=time", mustNew(b, Config{MinCalls: math.MaxInt}), fail)
}

// BenchmarkThrottle is a healthy backend.
func BenchmarkThrottle(b *testing.B) {
	th, err := NewThrottle(ThrottleConfig{})
	if err != nil {
		b.Fatal(err)
	}
	run(b, "impl=mainstay", th, func(context.Context) error { return nil })
}

// BenchmarkGroupGet finds one of so many breakers.
func BenchmarkGroupGet(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		g, err := NewGroup[int](GroupConfig{})
		if err != nil {
			b.Fatal(err)
		}
		for i := range n {
			g.Get(i)
		}
		b.Run("impl=mainstay/keys="+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				g.Get(i)
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}
