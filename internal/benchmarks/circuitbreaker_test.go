package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// circuitbreakerDoer guards a call.
type circuitbreakerDoer interface {
	Do(ctx context.Context, fn func(context.Context) error) error
}

// circuitbreakerTwoStep admits a call and records its result; it reports whether the call was admitted.
type circuitbreakerTwoStep interface{ Call(err error) bool }

// circuitbreakerRule is the policy that all peers of one table have: open at so many failures in a row, at half of the
// calls of ten seconds, or at half of the last hundred; at least twenty calls for the rates; open for an hour.
type circuitbreakerRule string

const (
	circuitbreakerConsecutive circuitbreakerRule = "consecutive"
	circuitbreakerTime        circuitbreakerRule = "time"
	circuitbreakerCount       circuitbreakerRule = "count"
)

// circuitbreakerImpl is one implementation; what a peer cannot do is nil, and a rule that it does not have gives nil.
type circuitbreakerImpl struct {
	name    string
	doer    func(circuitbreakerRule) circuitbreakerDoer
	twoStep func(circuitbreakerRule) circuitbreakerTwoStep
	busy    func() (d circuitbreakerDoer, release func()) // half-open with its one probe under way
	group   func(keys int) func(key int) circuitbreakerDoer
}

func circuitbreakerImpls() []circuitbreakerImpl {
	return []circuitbreakerImpl{
		circuitbreakerMainstay, circuitbreakerGobreaker, circuitbreakerFailsafe, circuitbreakerEapache, circuitbreakerRubyist,
	}
}

var errCircuitbreakerDown = errors.New("down")

func circuitbreakerOK(context.Context) error   { return nil }
func circuitbreakerFail(context.Context) error { return errCircuitbreakerDown }

// benchCircuitbreaker runs op serially, in parallel, and with 75 goroutines, and fails if it returned false. op is given
// the number of the call.
func benchCircuitbreaker(b *testing.B, name string, op func(i int) bool) {
	b.Helper()
	b.Run(name+"/mode=serial", func(b *testing.B) {
		b.ReportAllocs()
		wrong, i := 0, 0
		for b.Loop() {
			if !op(i) {
				wrong++
			}
			i++
		}
		require.Zero(b, wrong, "wrong answers")
	})
	for mode, parallelism := range map[string]int{"parallel": 1, "75": 38} {
		b.Run(name+"/mode="+mode, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(parallelism)
			var wrong atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				mine, i := int64(0), 0
				for pb.Next() {
					if !op(i) {
						mine++
					}
					i++
				}
				wrong.Add(mine)
			})
			require.Zero(b, wrong.Load(), "wrong answers")
		})
	}
}

// circuitbreakerEach calls f for each implementation and rule.
func circuitbreakerEach(f func(impl circuitbreakerImpl, rule circuitbreakerRule, name string)) {
	for _, rule := range []circuitbreakerRule{circuitbreakerConsecutive, circuitbreakerTime, circuitbreakerCount} {
		for _, impl := range circuitbreakerImpls() {
			f(impl, rule, fmt.Sprintf("impl=%s/rule=%s", impl.name, rule))
		}
	}
}

// BenchmarkCircuitbreakerSuccess guards calls of a dependency that is well.
func BenchmarkCircuitbreakerSuccess(b *testing.B) {
	ctx := b.Context()
	circuitbreakerEach(func(impl circuitbreakerImpl, rule circuitbreakerRule, name string) {
		if d := impl.doer(rule); d != nil {
			benchCircuitbreaker(b, name, func(int) bool { return d.Do(ctx, circuitbreakerOK) == nil })
		}
	})
}

// BenchmarkCircuitbreakerTenth guards calls of which every tenth fails, which opens nothing.
func BenchmarkCircuitbreakerTenth(b *testing.B) {
	ctx := b.Context()
	circuitbreakerEach(func(impl circuitbreakerImpl, rule circuitbreakerRule, name string) {
		d := impl.doer(rule)
		if d == nil || rule == circuitbreakerConsecutive {
			return // with many goroutines five failures may meet
		}
		for range 100 {
			require.NoError(b, d.Do(ctx, circuitbreakerOK))
		}
		benchCircuitbreaker(b, name, func(i int) bool {
			if i%10 == 9 {
				return errors.Is(d.Do(ctx, circuitbreakerFail), errCircuitbreakerDown)
			}
			return d.Do(ctx, circuitbreakerOK) == nil
		})
	})
}

// BenchmarkCircuitbreakerTwoStep asks first and reports then.
func BenchmarkCircuitbreakerTwoStep(b *testing.B) {
	circuitbreakerEach(func(impl circuitbreakerImpl, rule circuitbreakerRule, name string) {
		if impl.twoStep == nil {
			return
		}
		if d := impl.twoStep(rule); d != nil {
			benchCircuitbreaker(b, name, func(int) bool { return d.Call(nil) })
		}
	})
}

// BenchmarkCircuitbreakerReject is refused by a breaker that is open.
func BenchmarkCircuitbreakerReject(b *testing.B) {
	ctx := b.Context()
	for _, impl := range circuitbreakerImpls() {
		d := impl.doer(circuitbreakerConsecutive)
		for range 10 {
			_ = d.Do(ctx, circuitbreakerFail)
		}
		benchCircuitbreaker(b, "impl="+impl.name, func(int) bool { return d.Do(ctx, circuitbreakerOK) != nil })
	}
}

// BenchmarkCircuitbreakerStorm is refused by a breaker that is half-open and whose probe is under way.
func BenchmarkCircuitbreakerStorm(b *testing.B) {
	ctx := b.Context()
	for _, impl := range circuitbreakerImpls() {
		if impl.busy == nil {
			continue
		}
		d, release := impl.busy()
		benchCircuitbreaker(b, "impl="+impl.name, func(int) bool { return d.Do(ctx, circuitbreakerOK) != nil })
		release()
	}
}

// BenchmarkCircuitbreakerGroup finds the breaker of a key and guards a call, in the order of the keys.
func BenchmarkCircuitbreakerGroup(b *testing.B) {
	const keys = 10_000
	ctx := b.Context()
	for _, impl := range circuitbreakerImpls() {
		if impl.group == nil {
			continue
		}
		get := impl.group(keys)
		benchCircuitbreaker(b, fmt.Sprintf("impl=%s/keys=%d", impl.name, keys), func(i int) bool {
			return get(i%keys).Do(ctx, circuitbreakerOK) == nil
		})
	}
}

// circuitbreakerMap is what one writes for a breaker that has no group: a map under a read-write lock.
func circuitbreakerMap(keys int, newDoer func() circuitbreakerDoer) func(int) circuitbreakerDoer {
	var mu sync.RWMutex
	all := map[int]circuitbreakerDoer{}
	for i := range keys {
		all[i] = newDoer()
	}
	return func(key int) circuitbreakerDoer {
		mu.RLock()
		defer mu.RUnlock()
		return all[key]
	}
}

// All implementations say the same: five failures in a row open, ten of twenty calls open, and what is open refuses.
func TestCircuitbreakerPeersAgree(t *testing.T) {
	circuitbreakerEach(func(impl circuitbreakerImpl, rule circuitbreakerRule, name string) {
		d := impl.doer(rule)
		if d == nil {
			return
		}
		ctx := t.Context()
		if rule == circuitbreakerConsecutive {
			require.NoError(t, d.Do(ctx, circuitbreakerOK), name)
		} else {
			for range 15 {
				require.NoError(t, d.Do(ctx, circuitbreakerOK), name)
			}
		}
		called := 0
		for range 100 {
			_ = d.Do(ctx, func(context.Context) error { called++; return errCircuitbreakerDown })
		}
		switch rule {
		case circuitbreakerConsecutive:
			require.Equal(t, 5, called, name)
		case circuitbreakerTime:
			require.Equal(t, 15, called, name)
		default:
			require.InDelta(t, 32, called, 18, name) // failsafe-go waits until its window is full
		}
		require.Error(t, d.Do(ctx, circuitbreakerOK), name)
	})
	for _, impl := range circuitbreakerImpls() {
		if impl.busy != nil {
			d, release := impl.busy()
			require.Error(t, d.Do(t.Context(), circuitbreakerOK), impl.name)
			release()
		}
	}
}

const circuitbreakerOpenTime = time.Hour
