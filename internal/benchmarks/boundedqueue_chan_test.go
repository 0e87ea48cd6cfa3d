package benchmarks

import "context"

// boundedqueueChan is the buffered channel, without a context.
var boundedqueueChan = boundedqueueImpl{
	name: "chan",
	flow: func(_ context.Context, capacity int) boundedqueueFlow {
		c := make(chan int, capacity)
		return boundedqueueFlow{
			produce: func(n int) {
				for i := range n {
					c <- boundedqueueValue(i)
				}
			},
			consume: func(n int) (sum int) {
				for range n {
					sum += <-c
				}
				return sum
			},
			try: func(n int) (right int) {
				for range n {
					select {
					case c <- 7:
					default:
					}
					select {
					case v := <-c:
						if v == 7 {
							right++
						}
					default:
					}
				}
				return right
			},
		}
	},
	overflow: func(capacity int) (put func(n int), stop func()) {
		c := make(chan int, capacity)
		for range capacity {
			c <- 7
		}
		return func(n int) {
			for range n {
				for boundedqueueReplace(c, 7) {
				}
			}
		}, func() {}
	},
}

// boundedqueueReplace tries to send v, or else receives the oldest value and reports that it must be called again.
func boundedqueueReplace(c chan int, v int) (again bool) {
	select {
	case c <- v:
		return false
	default:
	}
	select {
	case <-c:
	default:
	}
	return true
}

// boundedqueueSelect is the channel as code with a context uses it.
var boundedqueueSelect = boundedqueueImpl{
	name: "select+done",
	flow: func(ctx context.Context, capacity int) boundedqueueFlow {
		c := make(chan int, capacity)
		return boundedqueueFlow{
			produce: func(n int) {
				for i := range n {
					select {
					case c <- boundedqueueValue(i):
					case <-ctx.Done():
						panic(ctx.Err())
					}
				}
			},
			consume: func(n int) (sum int) {
				for range n {
					select {
					case v := <-c:
						sum += v
					case <-ctx.Done():
						panic(ctx.Err())
					}
				}
				return sum
			},
		}
	},
}
