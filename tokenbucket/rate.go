package tokenbucket

import (
	"fmt"
	"time"
)

// Rate is an exact rational speed: Tokens every Per. Nothing is rounded to a
// float or to a whole number of nanoseconds per token: PerSecond(3) is a third
// of a second per token.
//
// A Rate is valid if Tokens >= 1, Per >= 1ns and the speed is at most 10 tokens
// per nanosecond; New and SetLimit check that, the constructors do not. It is
// comparable, but as a pair of numbers: PerMinute(60) and PerSecond(1) are the
// same speed and yet not equal, and the bucket that they imply has room for 60
// tokens or for one.
type Rate struct {
	Tokens int64
	Per    time.Duration
}

// PerSecond is n tokens every second.
func PerSecond(n int64) Rate { return Rate{Tokens: n, Per: time.Second} }

// PerMinute is n tokens every minute.
func PerMinute(n int64) Rate { return Rate{Tokens: n, Per: time.Minute} }

// PerHour is n tokens every hour.
func PerHour(n int64) Rate { return Rate{Tokens: n, Per: time.Hour} }

// Every is one token every d.
func Every(d time.Duration) Rate { return Rate{Tokens: 1, Per: d} }

// String returns the rate in the form "100 per 1s".
func (r Rate) String() string { return fmt.Sprintf("%d per %v", r.Tokens, r.Per) }
