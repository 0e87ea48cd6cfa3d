package benchmarks

import (
	"context"

	"github.com/mainstay-go/mainstay/boundedqueue"
)

var boundedqueueMainstay = boundedqueueImpl{
	name: "mainstay",
	flow: func(ctx context.Context, capacity int) boundedqueueFlow {
		q := newBoundedqueueMainstay(boundedqueue.Config[int]{Capacity: capacity})
		return boundedqueueFlow{
			produce: func(n int) {
				for i := range n {
					if err := q.Put(ctx, boundedqueueValue(i)); err != nil {
						panic(err)
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
			try: func(n int) (right int) {
				for range n {
					_ = q.TryPut(7)
					if v, err := q.TryGet(); v == 7 && err == nil {
						right++
					}
				}
				return right
			},
			batch: func(n, size int) (sum int) {
				in, out := make([]int, size), make([]int, size)
				for ; n > 0; n -= size {
					in := in[:min(n, size)]
					for i := range in {
						in[i] = boundedqueueValue(i)
					}
					k, _ := q.PutBatch(ctx, in)
					if got, err := q.GetBatch(ctx, out); got != k || err != nil {
						panic("part of a batch")
					}
					for _, v := range out[:k] {
						sum += v
					}
				}
				return sum
			},
		}
	},
	overflow: func(capacity int) (put func(n int), stop func()) {
		dropped := 0
		q := newBoundedqueueMainstay(boundedqueue.Config[int]{
			Capacity: capacity, Overflow: boundedqueue.DropOldest, OnDrop: func(int) { dropped++ },
		})
		for range capacity {
			_ = q.TryPut(7)
		}
		put = func(n int) {
			before := dropped
			for range n {
				_ = q.TryPut(7)
			}
			if dropped-before != n {
				panic("a victim is missing")
			}
		}
		return put, func() {}
	},
	priority: func(held int) (churn func(n int) int) {
		q, err := boundedqueue.NewPriority[int](held)
		if err != nil {
			panic(err)
		}
		for i := range held {
			_ = q.TryPut(boundedqueueRank(i), i)
		}
		next := held
		return func(n int) (right int) {
			for range n {
				if _, err := q.TryGet(); err == nil && q.TryPut(boundedqueueRank(next), next) == nil {
					right++
				}
				next++
			}
			return right
		}
	},
}

func newBoundedqueueMainstay(cfg boundedqueue.Config[int]) *boundedqueue.Queue[int] {
	q, err := boundedqueue.New(cfg)
	if err != nil {
		panic(err)
	}
	return q
}
