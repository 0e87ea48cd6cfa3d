// Package tokenunits is the exact arithmetic of a token bucket: pure functions
// on integers, without clock, lock or allocation, so that it can be compared
// with math/big and shared by every package that counts tokens.
//
// # The axis
//
// Everything is a position on one axis of units, on which both tokens and
// nanoseconds are measured:
//
//	0                    used                      now
//	|---------------------|-------------------------|------------> units
//	    already consumed    <- level, at most Full ->   not produced yet
//
// [Axis.At] turns the time since the start into now, the position up to which
// tokens have been produced. The whole state of a bucket is used, the position
// up to which they have been consumed. The level is the distance between the
// two; a bucket that overflows moves used up to now-Full. Nothing ever has to
// be refilled, and nothing is rounded twice.
//
// # The unit
//
// Let the rate in lowest terms be p tokens every q nanoseconds. One nanosecond
// is worth p/q tokens, which no power of ten or two can hold in general, hence
// the unit is chosen for each rate:
//
//   - p <= 10: a unit is the q-th part of a token. A token is q units, a
//     nanosecond exactly p: there is no rounding.
//   - p > 10: a unit is the 2^f-th part of a token, with the largest f for
//     which a nanosecond is at most ten units. The units of a nanosecond are
//     kept as a fixed-point number with 60 binary places, rounded up.
//
// The rounding is upwards because truncation would be visible: p/q of a second
// would then be a hair less than a token, and the bucket would be a nanosecond
// late at every whole token. Rounded up, the position is never below the exact
// one at a whole unit, and after [Horizon] nanoseconds it is less than one
// unit, that is less than 0.2 ns, above it.
package tokenunits

import (
	"math"
	"math/bits"
	"time"
)

const (
	// maxPerNano is the fastest rate in units, and in tokens, per nanosecond.
	// It follows from Horizon: 29 years of ten units a nanosecond are the last
	// that fit into 63 bits.
	maxPerNano = 10

	// fraction is the number of binary places of Axis.nano: with maxPerNano
	// four bits remain for the integer part.
	fraction = 60

	// Horizon is the last nanosecond that has a position of its own, 29.2 years
	// after the start. Later ones count as this one: nothing more is produced.
	Horizon = math.MaxInt64/maxPerNano - 1

	// End is above every position that At returns.
	End = math.MaxInt64
)

// Axis measures the tokens and the time of one limit. The zero value is not
// usable; see NewAxis.
type Axis struct {
	nano  uint64 // units per nanosecond times 2^fraction, rounded up
	Token int64  // units per token
	Full  int64  // units of a full bucket
}

// NewAxis returns the axis of a bucket of burst tokens filled with tokens every
// per. The arguments have passed [Check].
func NewAxis(tokens int64, per time.Duration, burst int64) Axis {
	p, q := reduce(uint64(tokens), uint64(per))
	if p <= maxPerNano {
		return Axis{nano: p << fraction, Token: int64(q), Full: burst * int64(q)}
	}
	f := finest(p, q)
	return Axis{nano: ratio(p, f, q), Token: 1 << f, Full: burst << f}
}

// reduce brings p/q to lowest terms.
func reduce(p, q uint64) (uint64, uint64) {
	a, b := p, q
	for b != 0 {
		a, b = b, a%b
	}
	return p / a, q / a
}

// finest returns the largest f with p*2^f <= maxPerNano*q. The quotient fits
// since p > maxPerNano.
func finest(p, q uint64) uint {
	hi, lo := bits.Mul64(maxPerNano, q)
	quo, _ := bits.Div64(hi, lo, p)
	return uint(bits.Len64(quo) - 1)
}

// ratio returns p*2^f/q with fraction binary places, rounded up. The integer
// part is at most maxPerNano.
func ratio(p uint64, f uint, q uint64) uint64 {
	hi, lo := bits.Mul64(p, 1<<f)
	whole, rem := bits.Div64(hi, lo, q)
	part, rest := bits.Div64(rem>>(64-fraction), rem<<fraction, q)
	if rest != 0 {
		part++
	}
	return whole<<fraction + part
}

// At returns the position produced until elapsed. Before the start it is 0,
// after [Horizon] it no longer moves.
func (a *Axis) At(elapsed time.Duration) int64 {
	if uint64(elapsed) > Horizon { // negative or late
		elapsed = min(max(elapsed, 0), Horizon)
	}
	hi, lo := bits.Mul64(a.nano, uint64(elapsed))
	return int64(hi<<(64-fraction) | lo>>fraction)
}

// When returns the least elapsed time at which the axis has produced units more
// than used: the inverse of At. It reports false if that is later than
// [Horizon]. used is at least -Full.
func (a *Axis) When(used int64, units uint64) (elapsed time.Duration, ok bool) {
	if units >= uint64(End)-uint64(used) { // the distance is right modulo 2^64 also for a negative used
		return 0, false
	}
	pos := used + int64(units)
	if pos <= 0 {
		return 0, true
	}
	quo, rest := bits.Div64(uint64(pos)>>(64-fraction), uint64(pos)<<fraction, a.nano)
	if rest != 0 {
		quo++
	}
	return time.Duration(quo), quo <= Horizon
}

// Take returns the state after need units have been taken at position now, and
// whether they were there. need is 1..Full. used may be [End]: nothing is
// there.
//
// The comparison is written as it is because now-used, and used+need, may
// exceed 63 bits.
func (a *Axis) Take(used, now, need int64) (next int64, ok bool) {
	used = max(used, now-a.Full)
	if used > now-need {
		return 0, false
	}
	return used + need, true
}

// Give returns the state after units have been put back at position now: the
// bucket holds at most Full. units is 0..Full.
func (a *Axis) Give(used, now, units int64) int64 {
	return max(max(used, now-a.Full)-units, now-a.Full)
}

// Level returns the units in the bucket at position now, 0..Full. A reading of
// now that is older than used gives 0.
func (a *Axis) Level(used, now int64) int64 {
	return max(now-max(used, now-a.Full), 0)
}

// Convert expresses level units of axis from in units of a, rounded down and at
// most Full.
func (a *Axis) Convert(from *Axis, level int64) int64 {
	hi, lo := bits.Mul64(uint64(level), uint64(a.Token))
	if hi >= uint64(from.Token) { // the quotient exceeds 64 bits
		return a.Full
	}
	quo, _ := bits.Div64(hi, lo, uint64(from.Token))
	return int64(min(quo, uint64(a.Full)))
}

// ConvertUp is Convert rounded up.
func (a *Axis) ConvertUp(from *Axis, level int64) int64 {
	down := a.Convert(from, level)
	hi, lo := bits.Mul64(uint64(level), uint64(a.Token))
	exactHi, exactLo := bits.Mul64(uint64(down), uint64(from.Token))
	if down < a.Full && (hi != exactHi || lo != exactLo) {
		down++
	}
	return down
}
