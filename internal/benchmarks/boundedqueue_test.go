package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// boundedqueueFlow is one queue of ints. The loops are in the adapters, so that no call through an interface is measured.
// Values are below 128, which Go boxes without allocating for the peers that hold interfaces.
type boundedqueueFlow struct {
	produce func(n int)           // puts n values as boundedqueueValue says, and waits for room
	consume func(n int) int       // gets n values, waits for them, and returns their sum
	try     func(n int) int       // n times a put and a get that do not wait; returns how many values came back right
	close   func()                // ends goroutines of the queue; nil if there are none
	batch   func(n, size int) int // moves n values in batches of size and returns their sum; nil if it cannot
}

// boundedqueueValue is the i'th value of a producer.
func boundedqueueValue(i int) int { return i & 127 }

// boundedqueueSum is the sum of the first n values.
func boundedqueueSum(n int) int {
	full, part := n/128, n%128
	return full*(127*128/2) + part*(part-1)/2
}

// boundedqueueImpl is one implementation; what it cannot do is nil.
type boundedqueueImpl struct {
	name     string
	flow     func(ctx context.Context, capacity int) boundedqueueFlow
	overflow func(capacity int) (put func(n int), stop func()) // full already, drops the oldest
	priority func(held int) (churn func(n int) int)            // holds so many values; gets one and puts another, n times
	spins    bool                                              // burns the processor while it waits
}

// boundedqueueImpls have no context, or one that cannot be cancelled; boundedqueueWithDone have one that can.
func boundedqueueImpls() []boundedqueueImpl {
	return []boundedqueueImpl{
		boundedqueueMainstay, boundedqueueChan, boundedqueueXsync, boundedqueueWorkiva, boundedqueueEapache,
	}
}

func boundedqueueWithDone() []boundedqueueImpl {
	return []boundedqueueImpl{boundedqueueMainstay, boundedqueueSelect}
}

func boundedqueueStop(flow boundedqueueFlow) {
	if flow.close != nil {
		flow.close()
	}
}

// BenchmarkBoundedqueueUncontended is a put and a get by one goroutine.
func BenchmarkBoundedqueueUncontended(b *testing.B) {
	run := func(b *testing.B, name string, flow boundedqueueFlow) {
		b.Helper()
		defer boundedqueueStop(flow)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			got, want := 0, 0
			for left := b.N; left > 0; left -= 32 { // no more than fit
				n := min(left, 32)
				flow.produce(n)
				got += flow.consume(n)
				want += boundedqueueSum(n)
			}
			require.Equal(b, want, got)
		})
	}
	for _, impl := range boundedqueueImpls() {
		run(b, "impl="+impl.name+"/ctx=none", impl.flow(context.Background(), 64))
	}
	for _, impl := range boundedqueueWithDone() {
		run(b, "impl="+impl.name+"/ctx=cancellable", impl.flow(b.Context(), 64))
	}
}

// BenchmarkBoundedqueueTry is a put and a get that do not wait.
func BenchmarkBoundedqueueTry(b *testing.B) {
	for _, impl := range boundedqueueImpls() {
		flow := impl.flow(context.Background(), 64)
		if flow.try == nil {
			boundedqueueStop(flow)
			continue
		}
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			require.Equal(b, b.N, flow.try(b.N))
		})
	}
}

// boundedqueueTransfer moves n values through flow.
func boundedqueueTransfer(b *testing.B, flow boundedqueueFlow, n, workers int) {
	b.Helper()
	defer boundedqueueStop(flow)
	var got atomic.Int64
	want := 0
	var group sync.WaitGroup
	for i := range workers {
		share := n*(i+1)/workers - n*i/workers
		want += boundedqueueSum(share)
		group.Go(func() { flow.produce(share) })
		group.Go(func() { got.Add(int64(flow.consume(share))) })
	}
	group.Wait()
	require.Equal(b, want, int(got.Load()))
}

// BenchmarkBoundedqueueProdCons has as many producers as consumers. Who spins while he waits burns whole processors for
// the figure that he gets here, also when there is nothing to do.
func BenchmarkBoundedqueueProdCons(b *testing.B) {
	for _, workers := range []int{1, 4, 100} {
		for _, capacity := range []int{16, 64, 1024} {
			run := func(ctx context.Context, kind string, impls []boundedqueueImpl) {
				for _, impl := range impls {
					name := fmt.Sprintf("impl=%s/ctx=%s/workers=%d/cap=%d", impl.name, kind, workers, capacity)
					b.Run(name, func(b *testing.B) {
						b.ReportAllocs()
						boundedqueueTransfer(b, impl.flow(ctx, capacity), b.N, workers)
					})
				}
			}
			run(context.Background(), "none", boundedqueueImpls())
			run(b.Context(), "cancellable", boundedqueueWithDone())
		}
	}
}

// BenchmarkBoundedqueueBatch moves batches, where a queue has them, by one goroutine; the time is that of one value.
func BenchmarkBoundedqueueBatch(b *testing.B) {
	for _, size := range []int{16, 64, 256} {
		for _, impl := range boundedqueueImpls() {
			if impl.spins || impl.name == boundedqueueEapache.name {
				continue
			}
			flow := impl.flow(context.Background(), 1024)
			b.Run(fmt.Sprintf("impl=%s/size=%d", impl.name, size), func(b *testing.B) {
				b.ReportAllocs()
				got := 0
				if flow.batch != nil {
					got = flow.batch(b.N, size)
				} else {
					for left := b.N; left > 0; left -= size {
						n := min(left, size)
						flow.produce(n)
						got += flow.consume(n)
					}
				}
				require.Equal(b, b.N/size*boundedqueueSum(size)+boundedqueueSum(b.N%size), got)
			})
		}
	}
}

// BenchmarkBoundedqueueOverflow puts into a full queue that drops the oldest value.
func BenchmarkBoundedqueueOverflow(b *testing.B) {
	for _, impl := range boundedqueueImpls() {
		if impl.overflow == nil {
			continue
		}
		put, stop := impl.overflow(64)
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			put(b.N)
		})
		stop()
	}
}

// BenchmarkBoundedqueuePriority gets the front of 300 values and puts another one.
func BenchmarkBoundedqueuePriority(b *testing.B) {
	for _, impl := range boundedqueueImpls() {
		if impl.priority == nil {
			continue
		}
		churn := impl.priority(300)
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			require.Equal(b, b.N, churn(b.N))
		})
	}
}

// boundedqueueRank is the rank of the i'th value.
func boundedqueueRank(i int) int64 { return int64(i) * 7919 % 1009 }

// The queues are compared on the same work: first in first out, and nothing is lost.
func TestBoundedqueuePeersAgree(t *testing.T) {
	for _, impl := range append(boundedqueueImpls(), boundedqueueSelect) {
		flow := impl.flow(t.Context(), 64)
		flow.produce(40)
		require.Equal(t, boundedqueueSum(40), flow.consume(40), impl.name)
		if flow.try != nil {
			require.Equal(t, 1000, flow.try(1000), impl.name)
		}
		var group sync.WaitGroup
		group.Go(func() { flow.produce(10_000) })
		require.Equal(t, boundedqueueSum(10_000), flow.consume(10_000), impl.name)
		group.Wait()
		boundedqueueStop(flow)
		if impl.priority != nil {
			require.Equal(t, 5000, impl.priority(300)(5000), impl.name)
		}
		if impl.overflow != nil {
			put, stop := impl.overflow(64)
			put(100)
			stop()
		}
	}
}
