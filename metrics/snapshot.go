package metrics

import (
	"fmt"
	"iter"
	"math"
)

// Snapshot is what a Histogram held when it was taken. It is a value of its
// own: it does not change, and may be copied, kept and read from several
// goroutines. The zero Snapshot is empty and merges with anything.
type Snapshot struct {
	Count uint64
	Sum   float64

	layout *layout // nil in the zero Snapshot
	tally  []tally // ascending, without empty slots; never changed
}

// tally is the count of one slot.
type tally struct {
	slot uint32
	n    uint64
}

// Mean returns Sum/Count, NaN when Count is 0. It is exact but for rounding.
func (s Snapshot) Mean() float64 {
	if s.Count == 0 {
		return math.NaN()
	}
	return s.Sum / float64(s.Count)
}

// Quantile returns the observation of rank ceil(q*Count), at least 1, in sorted
// order: 0 is the least of them, 0.5 the median, 1 the greatest. The answer is
// within RelativeError of the true one where that is in [1e-9, 1e15]; smaller
// ones are answered as 0, larger ones as at least 1e15. Quantiles never fall as
// q rises. NaN if the histogram is empty, and for q NaN, below 0 or above 1.
// O(slots that were hit).
func (s Snapshot) Quantile(q float64) float64 {
	if !(q >= 0 && q <= 1) || len(s.tally) == 0 {
		return math.NaN()
	}
	rank := math.Ceil(q * float64(s.Count))
	passed := uint64(0)
	for _, t := range s.tally {
		passed = saturatingAdd(passed, t.n)
		if float64(passed) >= rank {
			return s.layout.answer(t.slot)
		}
	}
	return s.layout.answer(s.tally[len(s.tally)-1].slot)
}

// Buckets returns each bound with the number of observations up to and
// including it, ascending; the last bound is +Inf and its number is Count. The
// numbers are exact.
func (s Snapshot) Buckets() iter.Seq2[float64, uint64] {
	return func(yield func(float64, uint64) bool) {
		passed, rest := uint64(0), s.tally
		if s.layout != nil {
			for i, bound := range s.layout.bounds {
				for len(rest) > 0 && rest[0].slot <= s.layout.boundSlot[i] {
					passed = saturatingAdd(passed, rest[0].n)
					rest = rest[1:]
				}
				if !yield(bound, passed) {
					return
				}
			}
		}
		for _, t := range rest {
			passed = saturatingAdd(passed, t.n)
		}
		yield(math.Inf(1), passed)
	}
}

// Merge returns the observations of both: of two replicas, or of the members of
// a Vec. It is ErrMismatch if Bounds or RelativeError differ.
func (s Snapshot) Merge(other Snapshot) (Snapshot, error) {
	l, err := common(s, other)
	if err != nil {
		return Snapshot{}, err
	}
	m := Snapshot{layout: l, Sum: min(s.Sum+other.Sum, math.MaxFloat64)}
	a, b := s.tally, other.tally
	for len(a)+len(b) > 0 {
		var t tally
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].slot < b[0].slot:
			t, a = a[0], a[1:]
		case len(a) == 0 || b[0].slot < a[0].slot:
			t, b = b[0], b[1:]
		default:
			t = tally{a[0].slot, saturatingAdd(a[0].n, b[0].n)}
			a, b = a[1:], b[1:]
		}
		m.tally = append(m.tally, t)
		m.Count = saturatingAdd(m.Count, t.n)
	}
	return m, nil
}

// Sub returns what came after earlier, a Snapshot of the same Histogram: taken
// a minute apart the two give the quantiles of that minute. It is ErrMismatch
// if Bounds or RelativeError differ, and if a bucket of earlier holds more.
func (s Snapshot) Sub(earlier Snapshot) (Snapshot, error) {
	l, err := common(s, earlier)
	if err != nil {
		return Snapshot{}, err
	}
	d := Snapshot{layout: l, Sum: max(s.Sum-earlier.Sum, 0)}
	gone := earlier.tally
	for _, t := range s.tally {
		if len(gone) > 0 && gone[0].slot == t.slot {
			if gone[0].n > t.n {
				break
			}
			t.n -= gone[0].n
			gone = gone[1:]
		}
		if t.n > 0 {
			d.tally = append(d.tally, t)
			d.Count += t.n
		}
	}
	if len(gone) > 0 {
		return Snapshot{}, fmt.Errorf("%w: the earlier one holds more", ErrMismatch)
	}
	return d, nil
}

// common returns the layout of both.
func common(a, b Snapshot) (*layout, error) {
	switch {
	case a.layout == nil:
		return b.layout, nil
	case b.layout == nil || a.layout.fits(b.layout):
		return a.layout, nil
	default:
		return nil, fmt.Errorf("%w: other Bounds or RelativeError", ErrMismatch)
	}
}

// saturatingAdd keeps a Snapshot whole that is merged with itself for ever.
func saturatingAdd(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}
