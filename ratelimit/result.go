package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrConfig is returned by New and SetLimit; the text names the field at
	// fault.
	ErrConfig = errors.New("ratelimit: invalid config")

	// ErrLimited is matched by the error that Result.Err makes of a refusal.
	ErrLimited = errors.New("ratelimit: limit exceeded")

	// ErrNegative is returned by Take when n < 0.
	ErrNegative = errors.New("ratelimit: negative cost")

	// ErrExceedsLimit is returned by Take when n is more than the whole quota,
	// so that no wait could help.
	ErrExceedsLimit = errors.New("ratelimit: cost exceeds the limit")
)

// Taker is a keyed limiter, in this process or shared between many: what an
// HTTP middleware takes, and what a wrapper (shadow mode, tiers, metrics)
// wraps.
//
// Take charges n to key, all of it or nothing. A refusal is not an error: it is
// a Result that is not OK.
type Taker[K comparable] interface {
	Take(ctx context.Context, key K, n int64) (Result, error)
}

// Source says who took a decision.
type Source uint8

// The sources of a decision.
const (
	Local    Source = iota // the limiter of this process
	Remote                 // the shared store
	Cached                 // a recent refusal of the shared store, remembered in this process
	Fallback               // the failure policy, because the shared store could not be asked
)

var sourceNames = [...]string{Local: "local", Remote: "remote", Cached: "cached", Fallback: "fallback"}

// String returns "local", "remote", "cached" or "fallback".
func (s Source) String() string {
	if int(s) >= len(sourceNames) {
		return fmt.Sprintf("Source(%d)", uint8(s))
	}
	return sourceNames[s]
}

// Result is the answer of Take. Its fields belong to one instant.
type Result struct {
	// OK tells that the charge was made, or for n = 0 that none was asked for.
	OK bool

	// Source says who decided.
	Source Source

	// Limit is the quota: Burst of a token bucket, else Rate.Tokens. 0 means
	// that it is not known, when a shared limiter fails open.
	Limit int64

	// Remaining is what could be taken now, after this charge: 0 to Limit.
	Remaining int64

	// Window is the time in which the whole quota comes back.
	Window time.Duration

	// RetryAfter is the least time after which the same call can succeed, if
	// nobody else takes: one nanosecond earlier it is still refused. It is 0 if
	// OK, except for n = 0, where it is the wait until one token is there.
	RetryAfter time.Duration

	// ResetAfter is the time until the whole quota is there, if nothing more is
	// taken; 0 means that nothing is charged to the key.
	ResetAfter time.Duration
}

// Err returns nil if r is OK, and else a *LimitError.
func (r Result) Err() error {
	if r.OK {
		return nil
	}
	return &LimitError{Result: r}
}

// LimitError is a refusal as an error. It matches ErrLimited.
type LimitError struct{ Result Result }

// Error returns "ratelimit: limit exceeded, retry after 1.5s".
func (e *LimitError) Error() string {
	if e.Result.RetryAfter == 0 { // no wait would help
		return ErrLimited.Error()
	}
	return fmt.Sprintf("%v, retry after %v", ErrLimited, e.Result.RetryAfter)
}

// Is reports whether target is ErrLimited.
func (e *LimitError) Is(target error) bool { return target == ErrLimited }
