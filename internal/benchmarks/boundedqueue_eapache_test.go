package benchmarks

import (
	"context"

	"github.com/eapache/channels"
)

// boundedqueueEapache passes every value through a goroutine of its own, between two channels.
var boundedqueueEapache = boundedqueueImpl{
	name: "eapache",
	flow: func(_ context.Context, capacity int) boundedqueueFlow {
		q := channels.NewResizableChannel()
		q.Resize(channels.BufferCap(capacity))
		return boundedqueueFlow{
			produce: func(n int) {
				for i := range n {
					q.In() <- boundedqueueValue(i)
				}
			},
			consume: func(n int) (sum int) {
				for range n {
					sum += (<-q.Out()).(int)
				}
				return sum
			},
			close: q.Close,
		}
	},
	overflow: func(capacity int) (put func(n int), stop func()) {
		q := channels.NewRingChannel(channels.BufferCap(capacity))
		put = func(n int) {
			for range n {
				q.In() <- 7
			}
		}
		put(capacity)
		stop = func() {
			q.Close()
			for range q.Out() { // ends its goroutine
			}
		}
		return put, stop
	},
}
