package slidingwindow

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

const (
	// maxWindow leaves room for a time and a window in one int64.
	maxWindow = 1 << 62

	// maxBuckets keeps a mistaken argument from reserving gigabytes. A reader
	// visits every bucket, so that even this many is slow.
	maxBuckets = 1 << 20

	// defaultBuckets makes the window up to a tenth shorter than asked for.
	defaultBuckets = 10

	// defaultMaxAhead is more than clocks of machines that are synchronised
	// differ by, and less than any mistaken time zone.
	defaultMaxAhead = time.Minute
)

// grid cuts an axis of time in nanoseconds into buckets: number i is
// [i*width, (i+1)*width). The axis starts with base, or with EventTime at the
// Unix epoch. Numbers are absolute, never modulo the window: a bucket that has
// expired cannot be mistaken for a present one, however long the gap.
//
// Numbers may be negative, before base or before 1970. Their products and
// differences may wrap at the ends of the axis; those are compared as unsigned
// distances, which are right modulo 2^64.
type grid struct {
	base      time.Time // of this window, since that of a package belongs to no bubble
	width     int64
	buckets   int64 // in the window
	maxAhead  time.Duration
	eventTime bool
}

// newGrid checks the fields that all time windows share.
func newGrid(c CounterConfig) (grid, error) {
	if c.Window < 1 {
		return grid{}, configError("Window must be at least 1ns, got %v", c.Window)
	}
	if c.Window > maxWindow {
		return grid{}, configError("Window must be at most 1<<62 ns, got %v", c.Window)
	}
	if c.Buckets < 0 || c.Buckets > maxBuckets {
		return grid{}, configError("Buckets must be 1 to %d, or 0 for %d, got %d", maxBuckets, defaultBuckets, c.Buckets)
	}
	buckets := orDefault(int64(c.Buckets), defaultBuckets)
	if int64(c.Window)%buckets != 0 {
		return grid{}, configError("Buckets must cut Window into whole nanoseconds, got %d for %v", buckets, c.Window)
	}
	if c.MaxAhead < 0 {
		return grid{}, configError("MaxAhead must not be negative, got %v", c.MaxAhead)
	}
	return grid{
		base:      time.Now(),
		width:     int64(c.Window) / buckets,
		buckets:   buckets,
		maxAhead:  orDefault(c.MaxAhead, defaultMaxAhead),
		eventTime: c.EventTime,
	}, nil
}

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// elapsed is the time since New, the one reading of the clock that a call
// makes. It reads the monotonic clock only, at half the price of time.Now. For
// a window that was made outside of the synctest bubble in which it is used it
// stands still at zero.
func (g *grid) elapsed() int64 { return max(int64(time.Since(g.base)), 0) }

// number returns the bucket of an instant.
func (g *grid) number(at int64) int64 {
	n := at / g.width
	if at%g.width < 0 { // rounds down where Go's division rounds to zero
		n--
	}
	return n
}

// position returns where in a ring of buckets the bucket stands.
func (g *grid) position(bucket int64) int64 {
	p := bucket % g.buckets
	if p < 0 {
		p += g.buckets
	}
	return p
}

// expired tells whether bucket, not newer than end, is out of the window that
// ends with end.
func (g *grid) expired(bucket, end int64) bool {
	return uint64(end-bucket) >= uint64(g.buckets)
}

// start returns when a bucket begins. A negative number is approached from
// above, since the very first bucket of the axis begins before it.
func (g *grid) start(bucket int64) time.Time {
	origin := g.base
	if g.eventTime {
		origin = time.Unix(0, 0)
	}
	if bucket >= 0 {
		return origin.Add(time.Duration(bucket * g.width))
	}
	return origin.Add(time.Duration((bucket + 1) * g.width)).Add(-time.Duration(g.width))
}

// tooEarly tells whether an event lies more than MaxAhead after the wall clock.
func (g *grid) tooEarly(at int64) bool {
	return at > addSaturating(time.Now().UnixNano(), int64(g.maxAhead))
}

// unixRange is the last second either side of 1970 all of whose nanoseconds fit
// into an int64.
const unixRange = math.MaxInt64/int64(time.Second) - 1

// addSaturating returns a+b or MaxInt64; b is not negative.
func addSaturating(a, b int64) int64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxInt64
}

// refusals counts what was not counted.
type refusals struct{ late, early, ignored atomic.Uint64 }

func (r *refusals) stats() Stats {
	return Stats{Late: r.late.Load(), Early: r.early.Load(), Ignored: r.ignored.Load()}
}

// amount reports whether n is to be counted; a negative n is on record.
func (r *refusals) amount(n int64) bool {
	if n < 0 {
		r.ignored.Add(1)
	}
	return n > 0
}

// representable returns t in nanoseconds since 1970. Outside of the years that
// those can express, 1678 to 2262, it is counted as Late or Early.
func (r *refusals) representable(t time.Time) (at int64, ok bool) {
	if s := t.Unix(); s < -unixRange || s > unixRange {
		return r.representableFar(t)
	}
	return t.UnixNano(), true
}

// representableFar compares with the ends of the range, which are inclusive.
func (r *refusals) representableFar(t time.Time) (at int64, ok bool) {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		r.late.Add(1)
		return 0, false
	case t.After(time.Unix(0, math.MaxInt64)):
		r.early.Add(1)
		return 0, false
	default:
		return t.UnixNano(), true
	}
}
