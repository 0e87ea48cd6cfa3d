package ratelimit

import (
	"math"
	"time"
)

// state is what is held of a key. What the words mean is up to the algorithm:
//
//	              at                        count          previous
//	TokenBucket   consumed up to            -              -
//	FixedWindow   start of the window       charged in it  -
//	SlidingWindow start of the window       charged in it  charged in the one before
//	SlidingLog    number of its ring        -              -
//
// An instant is the nanoseconds since the limiter was made.
type state struct{ at, count, previous int64 }

// rules is an algorithm together with its limit. Its methods are functions of
// their arguments (only the log has memory of its own), so that they can be
// compared with a naive model without a clock. now never falls from one call to
// the next; n is between 1 and the quota.
type rules interface {
	// fresh is the state of a key to which nothing is charged.
	fresh(now int64) state

	// used measures how much is charged, in a unit of the algorithm's own. 0
	// means that the key is idle: its state is as good as a fresh one.
	used(s state, now int64) int64

	// take charges n, and reports false with s unchanged if it does not fit.
	take(s state, now, n int64) (state, bool)

	// give takes n back, or as much as it can be.
	give(s state, now, n int64) state

	// view describes s; retryAfter is for n, and 0 for n = 0.
	view(s state, now, n int64) view

	// drop frees what a state that is forgotten has outside of itself.
	drop(s state)

	// next is the same algorithm with another limit. Its first calls are
	// convert of all states, which carries over what is charged.
	next(l Limit) rules
	convert(s state, now int64, old rules) state
}

// view is what can be said of a state at an instant.
type view struct {
	remaining  int64 // the largest n that take would charge, or 0
	retryAfter int64 // nanoseconds until take would charge n
	resetAfter int64 // nanoseconds until used is 0
}

// newRules returns the rules of a limit that has passed check.
func newRules(a Algorithm, l Limit) rules {
	switch a {
	case SlidingWindow:
		return slidingWindow{}.next(l)
	case SlidingLog:
		return (*slidingLog)(nil).next(l)
	case FixedWindow:
		return fixedWindow{}.next(l)
	default:
		return (*bucket)(nil).next(l)
	}
}

// lastInstant is where a limiter's clock stops, some 270 years after New, so
// that an instant and two windows can be added.
const lastInstant = math.MaxInt64 - 2*int64(maxPer)

// instant is a reading of the clock as rules take it. It is negative for a
// limiter that was made outside of the synctest bubble in which it is used.
func instant(elapsed time.Duration) int64 { return min(max(int64(elapsed), 0), lastInstant) }
