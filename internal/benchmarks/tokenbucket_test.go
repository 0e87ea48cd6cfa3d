package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tokenbucketLimiter takes n tokens now and reports whether it did.
type tokenbucketLimiter interface{ AllowN(n int) bool }

// tokenbucketWaiter blocks until there is a token.
type tokenbucketWaiter interface {
	Wait(ctx context.Context) error
}

// tokenbucketConfig is a limit that every peer can express.
type tokenbucketConfig struct {
	every time.Duration // one token
	burst int
}

var (
	// tokenbucketPlenty is refilled faster than anybody can take: every answer is yes.
	tokenbucketPlenty = tokenbucketConfig{every: time.Nanosecond, burst: 1 << 40}

	// tokenbucketBarren has no token for an hour once the first is taken: every other answer is no.
	tokenbucketBarren = tokenbucketConfig{every: time.Hour, burst: 1}
)

// tokenbucketImpl is one implementation; what a peer cannot do is nil.
type tokenbucketImpl struct {
	name    string
	limiter func(tokenbucketConfig) tokenbucketLimiter
	waiter  func(tokenbucketConfig) tokenbucketWaiter
	refuses bool // says no where there is no token; the others block
	batches bool // takes n at once
}

func tokenbucketImpls() []tokenbucketImpl {
	return []tokenbucketImpl{tokenbucketMainstay, tokenbucketXTime, tokenbucketUber, tokenbucketJuju}
}

// benchTokenbucket calls AllowN(n) serially and in parallel, and checks that want of the answers were yes: all or none.
func benchTokenbucket(b *testing.B, impl tokenbucketImpl, limiter tokenbucketLimiter, n int, want bool) {
	b.Helper()
	b.Run(fmt.Sprintf("impl=%s/n=%d/mode=serial", impl.name, n), func(b *testing.B) {
		b.ReportAllocs()
		wrong := 0
		for b.Loop() {
			if limiter.AllowN(n) != want {
				wrong++
			}
		}
		require.Zero(b, wrong, "answers that were not %v", want)
	})
	b.Run(fmt.Sprintf("impl=%s/n=%d/mode=parallel", impl.name, n), func(b *testing.B) {
		b.ReportAllocs()
		var wrong atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			mine := int64(0)
			for pb.Next() {
				if limiter.AllowN(n) != want {
					mine++
				}
			}
			wrong.Add(mine)
		})
		require.Zero(b, wrong.Load(), "answers that were not %v", want)
	})
}

// BenchmarkTokenbucketAllow takes tokens that are there.
func BenchmarkTokenbucketAllow(b *testing.B) {
	for _, impl := range tokenbucketImpls() {
		benchTokenbucket(b, impl, impl.limiter(tokenbucketPlenty), 1, true)
	}
}

// BenchmarkTokenbucketAllowN takes sixteen tokens at once.
func BenchmarkTokenbucketAllowN(b *testing.B) {
	for _, impl := range tokenbucketImpls() {
		if impl.batches {
			benchTokenbucket(b, impl, impl.limiter(tokenbucketPlenty), 16, true)
		}
	}
}

// BenchmarkTokenbucketRefuse asks a bucket that is empty: what a limiter does most under the overload that it is for.
func BenchmarkTokenbucketRefuse(b *testing.B) {
	for _, impl := range tokenbucketImpls() {
		if !impl.refuses {
			continue
		}
		limiter := impl.limiter(tokenbucketBarren)
		require.True(b, limiter.AllowN(1))
		benchTokenbucket(b, impl, limiter, 1, false)
	}
}

// BenchmarkTokenbucketWait waits for tokens that are there.
func BenchmarkTokenbucketWait(b *testing.B) {
	for _, impl := range tokenbucketImpls() {
		if impl.waiter == nil {
			continue
		}
		w, ctx := impl.waiter(tokenbucketPlenty), b.Context()
		b.Run("impl="+impl.name+"/mode=serial", func(b *testing.B) {
			b.ReportAllocs()
			failed := 0
			for b.Loop() {
				if w.Wait(ctx) != nil {
					failed++
				}
			}
			require.Zero(b, failed)
		})
		b.Run("impl="+impl.name+"/mode=parallel", func(b *testing.B) {
			b.ReportAllocs()
			var failed atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if w.Wait(ctx) != nil {
						failed.Add(1)
					}
				}
			})
			require.Zero(b, failed.Load())
		})
	}
}

// tokenbucketQueue starts waiters goroutines that wait for a token each, calls then when all have been started, and
// returns how many were granted once all have ended.
func tokenbucketQueue(ctx context.Context, w tokenbucketWaiter, waiters int, then func()) int64 {
	var granted atomic.Int64
	var started, ended sync.WaitGroup
	started.Add(waiters)
	for range waiters {
		ended.Go(func() {
			started.Done()
			if w.Wait(ctx) == nil {
				granted.Add(1)
			}
		})
	}
	started.Wait()
	then()
	ended.Wait()
	return granted.Load()
}

// BenchmarkTokenbucketQueue lets a queue of thousands form and drains it at a token every microsecond, or cancels it.
// The time is that of the whole queue.
func BenchmarkTokenbucketQueue(b *testing.B) {
	const waiters = 5000
	for _, impl := range tokenbucketImpls() {
		if impl.waiter == nil {
			continue
		}
		b.Run(fmt.Sprintf("impl=%s/waiters=%d/end=drained", impl.name, waiters), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := impl.waiter(tokenbucketConfig{every: time.Microsecond, burst: 1})
				require.Equal(b, int64(waiters), tokenbucketQueue(b.Context(), w, waiters, func() {}))
			}
		})
		b.Run(fmt.Sprintf("impl=%s/waiters=%d/end=cancelled", impl.name, waiters), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := impl.waiter(tokenbucketBarren)
				ctx, cancel := context.WithCancel(b.Context())
				require.LessOrEqual(b, tokenbucketQueue(ctx, w, waiters, cancel), int64(1))
				cancel()
			}
		})
	}
}

// The limiters are compared on the same limit: a burst of three, no more for an hour, and all of them say so.
func TestTokenbucketPeersAgree(t *testing.T) {
	for _, impl := range tokenbucketImpls() {
		if !impl.refuses {
			continue
		}
		limiter := impl.limiter(tokenbucketConfig{every: time.Hour, burst: 3})
		for i := range 6 {
			require.Equal(t, i < 3, limiter.AllowN(1), "%s, call %d", impl.name, i)
		}
	}
}
