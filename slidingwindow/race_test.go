package slidingwindow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

// No Add is lost or counted twice, in one bucket and while buckets begin, in both modes.
func TestHammerCountsEveryAdd(t *testing.T) {
	const workers, rounds = 4, 2000
	for _, eventTime := range []bool{false, true} {
		counter := newCounter(t, CounterConfig{Window: time.Hour, EventTime: eventTime})
		fine := newCounter(t, CounterConfig{Window: 1 << 42, Buckets: 1 << 15, EventTime: eventTime, MaxAhead: time.Hour})
		counters := newCounters(t, CountersConfig{Window: time.Hour, EventTime: eventTime, Outcomes: 3})
		start := time.Now()
		var want atomic.Int64
		hammer.Run(t, workers, rounds, func(worker int, rng *rand.Rand) error {
			n := rng.Int64N(5)
			counter.Add(n)
			counters.Add(worker%3, n)
			fine.AddAt(start.Add(-time.Duration(rng.Int64N(int64(59*time.Minute)))), n)
			want.Add(n)
			if got := counter.Sum(); got < 0 || got > workers*rounds*5 {
				return fmt.Errorf("sum %d", got)
			}
			return nil
		})
		assert.Equal(t, want.Load(), counter.Sum())
		assert.Equal(t, want.Load(), fine.Sum())
		assert.Equal(t, want.Load(), total(counters.Sums(nil)))
		assert.Equal(t, Stats{}, fine.Stats())
	}
}

// The sum seen by a reader lies between what had been added before it began and what had been begun when it ended, also
// while the adders open one bucket after the other.
func TestHammerSumsAreBetween(t *testing.T) {
	counter := newCounter(t, CounterConfig{Window: time.Hour, EventTime: true, Buckets: 100, MaxAhead: time.Hour})
	start := time.Now().Truncate(time.Hour)
	var begun, done atomic.Int64
	hammer.Run(t, 4, 3000, func(worker int, rng *rand.Rand) error {
		if worker == 0 {
			low := done.Load()
			got := counter.Sum()
			if high := begun.Load(); got < low || got > high {
				return fmt.Errorf("sum %d is not in [%d, %d]", got, low, high)
			}
			return nil
		}
		begun.Add(1)
		counter.AddAt(start.Add(time.Duration(rng.Int64N(int64(time.Minute)))*59), 1)
		done.Add(1)
		return nil
	})
	assert.Equal(t, int64(9000), counter.Sum())
}

// Adds, reads and Resets of every kind while buckets expire quickly: free of races, and sane.
func TestHammerEverything(t *testing.T) {
	for _, eventTime := range []bool{false, true} {
		counter := newCounter(t, CounterConfig{Window: 50 * time.Microsecond, Buckets: 5, EventTime: eventTime})
		counters := newCounters(t, CountersConfig{Window: 50 * time.Microsecond, Buckets: 5, EventTime: eventTime, Outcomes: 2})
		top := newTopK[int](t, TopKConfig{Window: 50 * time.Microsecond, Buckets: 5, EventTime: eventTime, Capacity: 3})
		var dst [4][]int64
		hammer.Run(t, 4, 1500, func(worker int, rng *rand.Rand) error {
			at := time.Now().Add(time.Duration(rng.IntN(60)-50) * time.Microsecond)
			switch rng.IntN(9) {
			case 0:
				counter.Add(1)
				counters.Add(worker%2, 1)
				top.Add(rng.IntN(9), 1)
			case 1, 2, 3:
				counter.AddAt(at, 1)
				counters.AddAt(at, worker%2, 1)
				top.AddAt(at, rng.IntN(9), 1)
			case 4:
				top.Get(3)
				if n := counter.Sum(); n < 0 {
					return fmt.Errorf("sum %d", n)
				}
			case 5:
				if r := counter.Rate(); !(r >= 0) || math.IsInf(r, 0) {
					return fmt.Errorf("rate %v", r)
				}
			case 6:
				dst[worker] = counters.Sums(dst[worker][:0])
				top.Top(2)
			case 7:
				for _, n := range counter.All() {
					if n < 0 {
						return fmt.Errorf("bucket %d", n)
					}
				}
				top.Len()
			default:
				if rng.IntN(10) == 0 {
					counter.Reset()
					counters.Reset()
					top.Reset()
				}
			}
			return nil
		})
	}
}

// Adders meet the end of the range: the sum stays there.
func TestHammerOverflow(t *testing.T) {
	counter := newCounter(t, CounterConfig{Window: time.Hour})
	hammer.Run(t, 4, 2000, func(_ int, rng *rand.Rand) error {
		counter.Add([]int64{math.MaxInt64, 1 << 32, 1<<32 + 1, 1}[rng.IntN(4)])
		return nil
	})
	assert.Equal(t, int64(math.MaxInt64), counter.Sum())
}

// Two goroutines open the same bucket, whose place held an expired one: neither Add is lost.
func TestLitmusReuseOfABucket(t *testing.T) {
	epoch := time.Unix(1000, 0)
	seen := litmus.Run(10_000, func() *Counter {
		c, _ := NewCounter(CounterConfig{Window: time.Second, Buckets: 1, EventTime: true})
		c.AddAt(epoch, 100)
		return c
	}, func(c *Counter) int {
		c.AddAt(epoch.Add(time.Second), 1)
		return int(c.Sum())
	}, func(c *Counter) int {
		c.AddAt(epoch.Add(time.Second), 2)
		return int(c.Sum())
	})
	for outcome := range seen {
		switch outcome {
		case litmus.Outcome{A: 1, B: 3}, litmus.Outcome{A: 3, B: 2}, litmus.Outcome{A: 3, B: 3}:
		default:
			t.Errorf("forbidden: %v", outcome)
		}
	}
}

// A reader that meets the reuse of a bucket sees the old count, none, or the new one: never a mixture.
func TestLitmusReadOfAReusedBucket(t *testing.T) {
	epoch := time.Unix(1000, 0)
	seen := litmus.Run(10_000, func() *Counter {
		c, _ := NewCounter(CounterConfig{Window: time.Second, Buckets: 1, EventTime: true})
		c.AddAt(epoch, 100)
		return c
	}, func(c *Counter) int {
		c.AddAt(epoch.Add(time.Second), 1)
		return 0
	}, func(c *Counter) int { return int(c.Sum()) })
	for outcome := range seen {
		assert.Contains(t, []int{100, 0, 1}, outcome.B)
	}
}

// An Add that has chosen its bucket, and is overtaken by the reuse of it: it is dropped with the bucket, Late, or counted in
// the new one, and brings nothing of the old one along.
func TestLitmusStallOfAWholeWindow(t *testing.T) {
	epoch := time.Unix(1000, 0)
	seen := litmus.Run(4_000, func() *Counter {
		c, _ := NewCounter(CounterConfig{Window: time.Second, Buckets: 1, EventTime: true})
		c.AddAt(epoch, 100)
		return c
	}, func(c *Counter) int {
		c.AddAt(epoch, 1)
		return int(c.Sum())
	}, func(c *Counter) int {
		c.AddAt(epoch.Add(time.Second), 2)
		return int(c.Sum())
	})
	for outcome := range seen {
		assert.Contains(t, []int{101, 0, 1, 2, 3}, outcome.A)
		assert.Contains(t, []int{2, 3}, outcome.B)
	}
}

// An Add and a Reset: the Add lands before or after, as a whole.
func TestLitmusResetAndAdd(t *testing.T) {
	seen := litmus.Run(5_000, func() *Counters {
		c, _ := NewCounters(CountersConfig{Window: time.Hour, Outcomes: 1})
		c.Add(0, 10)
		return c
	}, func(c *Counters) int {
		c.Add(0, 1)
		return int(c.Sum(0))
	}, func(c *Counters) int {
		c.Reset()
		return int(c.Sum(0))
	})
	for outcome := range seen {
		assert.Contains(t, []int{11, 1, 0}, outcome.A)
		assert.Contains(t, []int{0, 1}, outcome.B)
	}
}

// Goroutines that start in the same instant of a bubble, at the moment at which a bucket begins.
func TestBoundaryInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter(t, second)
		for round := range int64(30) {
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					time.Sleep(100 * time.Millisecond)
					counter.Add(1)
				})
			}
			group.Wait()
			require.Equal(t, 8*min(round+1, 10), counter.Sum())
		}
	})
}
