package benchmarks

import (
	"context"
	"runtime"

	"github.com/puzpuzpuz/xsync/v4"
)

// boundedqueueXsync has no call that waits since v4: the loops yield, and burn the processor while there is nothing to do.
var boundedqueueXsync = boundedqueueImpl{
	name:  "xsync",
	spins: true,
	flow: func(_ context.Context, capacity int) boundedqueueFlow {
		q := xsync.NewMPMCQueue[int](capacity)
		return boundedqueueFlow{
			produce: func(n int) {
				for i := range n {
					for !q.TryEnqueue(boundedqueueValue(i)) {
						runtime.Gosched()
					}
				}
			},
			consume: func(n int) (sum int) {
				for range n {
					v, ok := q.TryDequeue()
					for !ok {
						runtime.Gosched()
						v, ok = q.TryDequeue()
					}
					sum += v
				}
				return sum
			},
			try: func(n int) (right int) {
				for range n {
					_ = q.TryEnqueue(7)
					if v, ok := q.TryDequeue(); v == 7 && ok {
						right++
					}
				}
				return right
			},
		}
	},
}
