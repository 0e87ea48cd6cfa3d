package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

// policy is what every client may do, in the time of the log: tokens every per,
// at most burst at once.
type policy struct {
	tokens int64
	per    time.Duration
	burst  int64
}

// Bounds that keep every product of tokens, per and speed inside an int64.
const (
	maxTokens = 1e9
	maxPer    = 1000 * time.Hour
)

// parseRate reads "N/DURATION", such as 1/30s or 10/1s.
func parseRate(s string) (tokens int64, per time.Duration, err error) {
	count, interval, ok := strings.Cut(s, "/")
	tokens, errCount := strconv.ParseInt(count, 10, 64)
	per, errPer := time.ParseDuration(interval)
	if !ok || errCount != nil || errPer != nil {
		return 0, 0, errors.New("want N/DURATION, such as 1/30s")
	}
	if tokens < 1 || tokens > maxTokens || per <= 0 || per > maxPer {
		return 0, 0, fmt.Errorf("want N in 1..%d and DURATION above 0 and at most %v", int64(maxTokens), maxPer)
	}
	return tokens, per, nil
}

// interval is the time one token takes.
func (p policy) interval() float64 { return p.per.Seconds() / float64(p.tokens) }

// String returns "1 per 30s, burst 30".
func (p policy) String() string { return fmt.Sprintf("%d per %v, burst %d", p.tokens, p.per, p.burst) }

// bucket returns the policy in wall time. The speed multiplies the rate as a
// fraction, not as a float: 1 per 30 s, 3600 times faster, is 120 per second to
// the last nanosecond.
func (p policy) bucket(s speed) (tokenbucket.Config, error) {
	if p.burst > math.MaxInt64/int64(p.per) {
		return tokenbucket.Config{}, errors.New("-burst is too large for this -rate")
	}
	cfg := tokenbucket.Config{
		Rate:  tokenbucket.Rate{Tokens: p.tokens * int64(s), Per: p.per * speedUnit},
		Burst: p.burst,
	}
	if _, err := tokenbucket.New(cfg); err != nil {
		return tokenbucket.Config{}, fmt.Errorf("-rate, -burst and -speed together: %w", err)
	}
	return cfg, nil
}

// speed is how much faster than the log the replay runs, in units of
// 1/speedUnit.
type speed int64

const (
	speedUnit = 1000
	maxSpeed  = 1e6
)

// parseSpeed rejects more decimals than it can keep rather than round them
// away.
func parseSpeed(s string) (speed, error) {
	v, err := strconv.ParseFloat(s, 64)
	units := math.Round(v * speedUnit)
	if err != nil || !(v > 0 && v <= maxSpeed) || math.Abs(v*speedUnit-units) > 1e-6 || units < 1 {
		return 0, fmt.Errorf("want a number above 0 and at most %d, with at most three decimals", int64(maxSpeed))
	}
	return speed(units), nil
}

// factor is for the schedule and the report, where a rounding of 1e-16 is no
// harm.
func (s speed) factor() float64 { return float64(s) / speedUnit }

// wall returns when an instant of the log comes in the replay.
func (s speed) wall(at time.Duration) time.Duration {
	wall := float64(at) / s.factor()
	if wall >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(wall)
}
