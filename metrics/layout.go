package metrics

import (
	"math"
	"slices"
	"sort"
)

// The range in which quantiles keep their error. What is smaller lies in the
// region of zero, what is larger in the last one.
const (
	smallest    = 1e-9
	largest     = 1e15
	firstOctave = 1023 - 30 // the biased exponent of smallest
	octaves     = 80        // up to the exponent of largest
	lastRegion  = octaves + 1
)

// The defaults of a HistogramConfig.
var defaultBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

const defaultError = 0.01

// defaultLayout is that of every Histogram that is not configured.
var defaultLayout = newLayout(defaultBounds, defaultError)

// region is a part of the number line in which slots follow one rule: zero, an
// octave, or what is too large.
type region struct {
	first      [fewBounds]uint64 // its bounds as bits, if they are few; the rest is above every number
	start      uint32            // its first slot
	begin, end uint32            // its bounds, as indices of layout.bounds
}

// fewBounds is how many bounds of a region are compared without a branch. Which
// octave an observation is in, and on which side of a bound, no processor can
// foretell, and a wrong guess costs as much as all the rest of an Observe.
const fewBounds = 2

// layout maps observations to slots. It is immutable, and shared by the
// members of a Vec.
//
// The slots of an octave are the 2^k steps into which its numbers are cut, and
// each bound of the user cuts the step that it falls into once more:
//
//	steps    |    0    |    1    |    2    |    3    |
//	                        ^ bound
//	slots    |    0    |  1 |  2 |    3    |    4    |
//
// so that the slot of v is its step plus the number of bounds in the octave
// that are below v. Slots ascend with v, and v <= bound if and only if the slot
// of v is at most that of the bound.
type layout struct {
	k         uint // logarithm of the steps in an octave
	bounds    []float64
	tolerance float64 // RelativeError
	regions   [lastRegion + 1]region
	slots     uint32      // in all
	boundSlot []uint32    // the slot of each bound
	le        [2][]string // each bound and then +Inf, in the two formats
}

// newLayout takes bounds and an error that have been checked. An answer in the
// middle of a step of 1/2^k is off by at most half of that.
func newLayout(bounds []float64, tolerance float64) *layout {
	l := &layout{bounds: bounds, tolerance: tolerance}
	for math.Ldexp(1, -int(l.k)-1) > tolerance {
		l.k++
	}
	next := uint32(0)
	for r := range l.regions {
		reg := &l.regions[r]
		reg.start = l.slots
		reg.begin = next
		for next < uint32(len(bounds)) && l.regionOf(bounds[next]) == r {
			next++
		}
		reg.end = next
		for i := range reg.first {
			reg.first[i] = math.MaxInt64
			if b := reg.begin + uint32(i); b < reg.end {
				reg.first[i] = math.Float64bits(bounds[b])
			}
		}
		l.slots += l.steps(r) + reg.end - reg.begin
	}
	for _, b := range bounds {
		l.boundSlot = append(l.boundSlot, l.slot(b))
	}
	for f := range l.le {
		for _, b := range append(slices.Clone(bounds), math.Inf(1)) {
			l.le[f] = append(l.le[f], formatBound(b, format(f)))
		}
	}
	return l
}

// steps is the number of steps of a region.
func (l *layout) steps(region int) uint32 {
	if region == 0 || region == lastRegion {
		return 1
	}
	return 1 << l.k
}

// step numbers the steps of all octaves; the first of them is not 0. The
// subtraction makes a step closed above: the upper end of one is the number
// before the first of the next.
func (l *layout) step(v float64) uint64 { return (math.Float64bits(v) - 1) >> (52 - l.k) }

// place returns the region of v and the step within it.
func (l *layout) place(v float64) (region int, step uint32) {
	switch {
	case v < smallest:
		return 0, 0
	case v > largest:
		return lastRegion, 0
	default:
		s := l.step(v)
		return int(s>>l.k) - firstOctave + 1, uint32(s) & (1<<l.k - 1)
	}
}

func (l *layout) regionOf(v float64) int {
	r, _ := l.place(v)
	return r
}

// slot returns the slot of v, which is finite and not negative.
func (l *layout) slot(v float64) uint32 {
	r, within := l.place(v)
	reg := &l.regions[r]
	slot := reg.start + within
	if reg.end-reg.begin > fewBounds {
		return slot + uint32(sort.SearchFloat64s(l.bounds[reg.begin:reg.end], v))
	}
	bits := math.Float64bits(v) &^ (1 << 63) // -0 is 0
	for _, bound := range reg.first {
		slot += uint32((bound - bits) >> 63) // 1 if the bound is below v: positive floats are ordered as their bits
	}
	return slot
}

// answer is the number to give for an observation in the slot: within the
// tolerance of all of its numbers that are in range, ascending with the slot.
func (l *layout) answer(slot uint32) float64 {
	r := sort.Search(lastRegion, func(r int) bool { return l.regions[r+1].start > slot })
	lo, hi := l.edges(r, slot)
	switch r {
	case 0:
		return 0
	case lastRegion:
		return lo
	default:
		return min(lo*(2*hi/(lo+hi)), largest) // the harmonic mean, as far from lo as from hi
	}
}

// edges returns between which numbers the slot of region r lies, above lo and
// up to hi.
func (l *layout) edges(r int, slot uint32) (lo, hi float64) {
	reg := &l.regions[r]
	within, i := slot-reg.start, reg.begin
	for i < reg.end && l.boundSlot[i] < slot {
		i++
	}
	lo, hi = 0, smallest
	switch {
	case r == lastRegion:
		lo, hi = largest, math.MaxFloat64
	case r > 0:
		step := uint64(firstOctave+r-1)<<l.k + uint64(within-(i-reg.begin))
		lo, hi = math.Float64frombits(step<<(52-l.k)), math.Float64frombits((step+1)<<(52-l.k))
	}
	if i > reg.begin {
		lo = max(lo, l.bounds[i-1])
	}
	if i < reg.end && l.boundSlot[i] == slot {
		hi = min(hi, l.bounds[i])
	}
	return lo, hi
}

// fits reports whether slots mean the same in both.
func (l *layout) fits(other *layout) bool {
	return l == other || l.tolerance == other.tolerance && slices.Equal(l.bounds, other.bounds)
}
