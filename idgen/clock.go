package idgen

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// inspection is how much use may pass between two looks at the wall clock: it
// costs 50 ns and a mutex, which once per second is nothing.
const inspection = time.Second

// clock is the time of a generator, in nanoseconds since the epoch of its
// layout: the wall clock as read once, plus the monotonic time since then. It
// never goes back, whatever is done to the wall clock, with which it is
// compared once per second of use.
//
//	wall ahead of the clock            it jumps there: a step, or a machine that slept
//	wall behind, at most MaxRollback   it goes on: a small step back, or slewing
//	wall further behind                it refuses, until the wall has caught up
//
// The difference of two wall times fits a Duration: the epoch is not before
// 1970, and no operating system sets its clock beyond 2262.
type clock struct {
	epoch       time.Time
	base        time.Time     // monotonic zero
	origin      atomic.Uint64 // nanoseconds from epoch to base; grows when the wall is found ahead
	next        atomic.Uint64 // the wall is looked at again when the nanoseconds since base reach this; 0 while refusing
	wall        func() time.Time
	maxRollback time.Duration

	drift     atomic.Int64 // this clock minus wall, when last compared
	rollbacks atomic.Uint64

	mu       sync.Mutex // mu guards refusing, and lets one goroutine compare at a time
	refusing bool
}

// wallNow reads the wall clock. Tests put another function into clock.wall, the
// only way to step one clock and not the other.
func wallNow() time.Time { return time.Now().Round(0) }

// start sets the clock to the instant at, not before the epoch; base is the
// instant at which the clock was read.
func (c *clock) start(base, at time.Time) {
	c.base = base
	c.origin.Store(uint64(at.Sub(c.epoch)))
	c.next.Store(uint64(inspection))
}

// elapsed returns the monotonic time since base. It is negative in a synctest
// bubble for a generator that was made outside of it.
func (c *clock) elapsed() time.Duration { return time.Since(c.base) }

// due tells whether the wall has to be looked at first. One comparison serves
// four cases: the second is over, the clock refuses (next is 0), the monotonic
// clock reads before base (as a uint64 that is large), and the generator was
// not made by New (next is 0 again).
func (c *clock) due(elapsed time.Duration) bool { return uint64(elapsed) >= c.next.Load() }

// at returns the nanoseconds since the epoch when elapsed was read.
func (c *clock) at(elapsed time.Duration) uint64 {
	return c.origin.Load() + uint64(max(elapsed, 0))
}

// compare judges a reading of the wall clock and returns an error while that is
// more than maxRollback behind. The wall was read after elapsed was. Whatever
// held the goroutine up in between, which may have been a SIGSTOP, is no step
// of the wall: the clock jumps by what the wall is ahead of it even now.
func (c *clock) compare(elapsed time.Duration, wall time.Time) error {
	chaos.Point("idgen: about to compare clocks")
	c.mu.Lock()
	defer c.mu.Unlock()
	reading := wall.Sub(c.epoch)
	if ahead := -saturatingSub(time.Duration(c.at(c.elapsed())), reading); ahead > 0 {
		c.origin.Add(uint64(ahead))
	}
	drift := max(0, saturatingSub(time.Duration(c.at(elapsed)), reading))
	c.drift.Store(int64(drift))
	if drift > c.maxRollback {
		c.next.Store(0)
		if !c.refusing {
			c.refusing = true
			c.rollbacks.Add(1)
		}
		return rollbackError(drift, c.maxRollback)
	}
	c.refusing = false
	c.next.Store(uint64(max(elapsed, 0) + inspection))
	return nil
}

// saturatingSub returns a-b for a not negative, or the largest duration.
func saturatingSub(a, b time.Duration) time.Duration {
	if d := a - b; d >= 0 || b >= 0 {
		return d
	}
	return 1<<63 - 1
}
