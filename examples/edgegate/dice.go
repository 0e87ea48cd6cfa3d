package main

import (
	"math/bits"
	"math/rand/v2"
	"sort"
	"time"
)

// ranks is a discrete distribution: the running sums of the weights of ranks 0,
// 1, 2 and so on.
type ranks []uint64

// zipfMandelbrot weighs rank r, counted from 0, with 1/(r+1+shift): Zipf's law
// with a head flattened by shift.
func zipfMandelbrot(n, shift int) ranks {
	sums := make(ranks, n)
	total := uint64(0)
	for r := range sums {
		total += (1 << 32) / uint64(r+1+shift)
		sums[r] = total
	}
	return sums
}

// draw returns a rank with the probability of its weight.
func (s ranks) draw(d dice) int {
	x := d.below(s[len(s)-1])
	return sort.Search(len(s), func(i int) bool { return s[i] > x })
}

// dice is the only source of chance. It takes whole words from the PCG and
// nothing from rand.Rand, whose methods may take another path on a 32-bit
// platform.
type dice struct{ pcg *rand.PCG }

// below returns a number in [0, n), with a bias of at most n/2^64.
func (d dice) below(n uint64) uint64 {
	high, _ := bits.Mul64(d.pcg.Uint64(), n)
	return high
}

// millis returns a time in [0, n) milliseconds.
func (d dice) millis(n uint64) time.Duration { return time.Duration(d.below(n)) * time.Millisecond }

// exponential returns an exponential variate of mean 1 with 32 fractional bits,
// from comparisons alone: a decreasing run of uniform numbers that starts at x
// has odd length with probability e^-x (von Neumann, "Various Techniques Used
// in Connection with Random Digits", 1951). Each run of even length adds 1.
func (d dice) exponential() uint64 {
	for whole := uint64(0); ; whole++ {
		first := d.below(1 << 32)
		odd := true
		for last, next := first, d.below(1<<32); next < last; last, next = next, d.below(1<<32) {
			odd = !odd
		}
		if odd {
			return whole<<32 | first
		}
	}
}
