package circuitbreaker

import (
	"strconv"
	"time"
)

// State is what a Breaker does with a new call.
type State uint8

// The states of a Breaker.
const (
	Closed   State = iota // calls pass and are counted
	Open                  // calls are rejected until the open time is over
	HalfOpen              // a bounded number of probes pass, the rest is rejected
)

// String returns "closed", "open" or "half-open".
func (s State) String() string {
	return word("State", uint8(s), "closed", "open", "half-open")
}

// Outcome is what one finished call says about the dependency.
type Outcome uint8

// The outcomes of a call.
const (
	Success Outcome = iota
	Failure
	Ignored // says nothing: counted as Ignored only, a probe gives its slot back
)

// String returns "success", "failure" or "ignored".
func (o Outcome) String() string {
	return word("Outcome", uint8(o), "success", "failure", "ignored")
}

// Mode overlays the state machine; see SetMode.
type Mode uint8

// The modes of a Breaker.
const (
	ModeAuto        Mode = iota // the rules decide
	ModeForcedOpen              // reject every call
	ModeMetricsOnly             // admit every call, count results, never open
)

// String returns "auto", "forced-open" or "metrics-only".
func (m Mode) String() string {
	return word("Mode", uint8(m), "auto", "forced-open", "metrics-only")
}

// Reason says why a state changed.
type Reason uint8

// The reasons of a change.
const (
	ReasonConsecutive  Reason = iota + 1 // Closed -> Open: ConsecutiveFailures reached
	ReasonFailureRate                    // Closed -> Open: FailureRate reached
	ReasonSlowRate                       // Closed -> Open: SlowCallRate reached
	ReasonOpenElapsed                    // Open -> HalfOpen: the open time is over
	ReasonProbesPassed                   // HalfOpen -> Closed
	ReasonProbeFailed                    // HalfOpen -> Open
	ReasonProbeTimeout                   // HalfOpen -> Open: a probe was in flight longer than ProbeTimeout
	ReasonTripped                        // Trip was called
	ReasonReset                          // Reset was called
	ReasonMode                           // SetMode changed what State reports
)

// String returns the reason in words, as in "failure rate".
func (r Reason) String() string {
	return word("Reason", uint8(r), "Reason(0)", "consecutive failures", "failure rate", "slow-call rate",
		"open time elapsed", "probes passed", "probe failed", "probe timeout", "tripped", "reset", "mode")
}

// word returns the i-th word, or the type and the number where there is none.
func word(typ string, i uint8, words ...string) string {
	if int(i) < len(words) {
		return words[i]
	}
	return typ + "(" + strconv.Itoa(int(i)) + ")"
}

// Change describes one state change.
type Change struct {
	Name     string
	From, To State
	Reason   Reason
	Cause    error     // the error that completed the verdict; nil when there is none (panic, slow success, timer, Trip, Reset, SetMode)
	Until    time.Time // To == Open: earliest time of the next probe; else zero. Zero too under ModeForcedOpen
}

// Counts counts results. Slow calls are also counted as successes or failures.
type Counts struct{ Successes, Failures, Slow, Ignored uint64 }

func (c *Counts) add(other Counts) {
	c.Successes += other.Successes
	c.Failures += other.Failures
	c.Slow += other.Slow
	c.Ignored += other.Ignored
}

// count adds one result.
func (c *Counts) count(outcome Outcome, slow bool) {
	switch outcome {
	case Success:
		c.Successes++
	case Ignored:
		c.Ignored++
		return // a call that says nothing is not slow either
	default:
		c.Failures++
	}
	if slow {
		c.Slow++
	}
}

// Stats is a copy of the counters. Total.Successes may include a few calls that
// ended while the rest was read; the other fields agree with each other, except
// for Rejected.
type Stats struct {
	State               State
	Mode                Mode
	Until               time.Time // Open: earliest time of the next probe
	Window              Counts    // what the rate rules see now; zero unless Closed with a rate rule. Ignored is always 0
	Total               Counts    // since New; all recorded results, discarded ones not included
	ConsecutiveFailures int
	Probes              int     // probes in flight
	Share               float64 // admitted share: 1, or less during the recovery ramp, 0 when Open or HalfOpen
	Rejected            uint64  // calls refused
	Discarded           uint64  // results of calls admitted in an earlier state: seen, counted here, and ignored
	Opens               uint64  // changes to Open
}
