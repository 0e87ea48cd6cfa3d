package slidingwindow

import (
	"fmt"
	"time"
)

// maxOutcomes keeps a bucket within a few cache lines.
const maxOutcomes = 64

// CountersConfig configures Counters.
type CountersConfig struct {
	Window    time.Duration // as in CounterConfig
	Buckets   int           // as in CounterConfig
	EventTime bool          // as in CounterConfig
	MaxAhead  time.Duration // as in CounterConfig

	// Outcomes is the number of counts kept side by side. Required, 1 to 64.
	Outcomes int
}

// Counters counts several outcomes (success, failure, slow, …) over one window
// with one clock read. Create it with NewCounters. All methods are safe for
// concurrent use. It has no goroutine and needs no Close; it must not be
// copied. What is said of a Counter holds for each outcome.
type Counters struct{ ring ring }

// NewCounters returns empty Counters of 8+8*Outcomes bytes a bucket, and about
// 200 more. An error matches ErrConfig and names the field at fault.
func NewCounters(config CountersConfig) (*Counters, error) {
	g, err := newGrid(CounterConfig{
		Window:    config.Window,
		Buckets:   config.Buckets,
		EventTime: config.EventTime,
		MaxAhead:  config.MaxAhead,
	})
	if err != nil {
		return nil, err
	}
	if config.Outcomes < 1 || config.Outcomes > maxOutcomes {
		return nil, configError("Outcomes must be 1 to %d, got %d", maxOutcomes, config.Outcomes)
	}
	c := new(Counters)
	c.ring.init(g, config.Outcomes)
	return c, nil
}

// Add counts n of an outcome now, as Counter.Add does. It panics if outcome is
// not in [0, Outcomes). O(1), lock-free except for the first event of each
// bucket, no allocation.
func (c *Counters) Add(outcome int, n int64) {
	c.check(outcome)
	c.ring.add(outcome, n)
}

// AddAt counts n of an outcome at time t, as Counter.AddAt does. It panics if
// outcome is not in [0, Outcomes).
func (c *Counters) AddAt(t time.Time, outcome int, n int64) {
	c.check(outcome)
	c.ring.addAt(t, outcome, n)
}

// Sum returns the sum of an outcome, as Counter.Sum does. It panics if outcome
// is not in [0, Outcomes).
func (c *Counters) Sum(outcome int) int64 {
	c.check(outcome)
	e := c.ring.current()
	at, ok := c.ring.instant(e)
	if !ok {
		return 0
	}
	return c.ring.sum(e, at, outcome)
}

// Sums appends the sums of all outcomes to dst and returns it. They are of the
// same window, since the clock is read once; beside concurrent calls of Add
// they may hold an Add of one outcome and not an earlier one of another.
// O(Buckets*Outcomes), no lock, no allocation if dst has room.
func (c *Counters) Sums(dst []int64) []int64 {
	e := c.ring.current()
	at, ok := c.ring.instant(e)
	for outcome := range c.ring.outcomes {
		sum := int64(0)
		if ok {
			sum = c.ring.sum(e, at, outcome)
		}
		dst = append(dst, sum)
	}
	return dst
}

// Reset empties the window of all outcomes, as Counter.Reset does.
func (c *Counters) Reset() { c.ring.reset() }

// Stats returns what has been refused.
func (c *Counters) Stats() Stats {
	c.ring.current()
	return c.ring.refused.stats()
}

// check panics for an outcome that does not exist: a number that does not come
// from data.
func (c *Counters) check(outcome int) {
	if uint(outcome) >= uint(c.ring.outcomes) {
		c.outOfRange(outcome)
	}
}

func (c *Counters) outOfRange(outcome int) {
	c.ring.current()
	panic(fmt.Sprintf("slidingwindow: outcome %d out of range [0,%d)", outcome, c.ring.outcomes))
}
