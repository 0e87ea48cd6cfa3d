package benchmarks

import (
	"cmp"
	"context"

	"github.com/Workiva/go-datastructures/queue"
)

// boundedqueueWorkiva has a ring that spins, and a priority queue without a bound.
var boundedqueueWorkiva = boundedqueueImpl{
	name:  "workiva",
	spins: true,
	flow: func(_ context.Context, capacity int) boundedqueueFlow {
		q := queue.NewRingBuffer(uint64(capacity))
		return boundedqueueFlow{
			produce: func(n int) {
				for i := range n {
					if err := q.Put(boundedqueueValue(i)); err != nil {
						panic(err)
					}
				}
			},
			consume: func(n int) (sum int) {
				for range n {
					v, err := q.Get()
					if err != nil {
						panic(err)
					}
					sum += v.(int)
				}
				return sum
			},
			try: func(n int) (right int) { // there is no get that does not wait; a value is there
				for range n {
					_, _ = q.Offer(7)
					if v, err := q.Get(); v == 7 && err == nil {
						right++
					}
				}
				return right
			},
		}
	},
	priority: func(held int) (churn func(n int) int) {
		q := queue.NewPriorityQueue(held, true)
		put := func(i int) error { return q.Put(boundedqueueWorkivaItem{boundedqueueRank(i), i}) }
		for i := range held {
			_ = put(i)
		}
		next := held
		return func(n int) (right int) {
			for range n {
				if items, err := q.Get(1); err == nil && len(items) == 1 && put(next) == nil {
					right++
				}
				next++
			}
			return right
		}
	},
}

type boundedqueueWorkivaItem struct {
	rank int64
	v    int
}

func (i boundedqueueWorkivaItem) Compare(other queue.Item) int {
	o := other.(boundedqueueWorkivaItem)
	if c := cmp.Compare(i.rank, o.rank); c != 0 {
		return c
	}
	return cmp.Compare(i.v, o.v)
}
