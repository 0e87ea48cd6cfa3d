package idgen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrConfig matches every error about a bad Config, Layout, LeaseConfig or
	// Parts, and about bad arguments of a NodeStore; the text names the field.
	ErrConfig = errors.New("idgen: invalid config")

	// ErrExhausted is returned by TryNext when the tick is used up, and by Next
	// and NextN when the deadline of the context does not lie after the start of
	// the next free tick.
	ErrExhausted = errors.New("idgen: sequence exhausted")

	// ErrExpired is returned by New, the generator and Layout.Compose when the
	// time no longer fits in Layout.TimeBits.
	ErrExpired = errors.New("idgen: layout expired")

	// ErrClockBackwards is returned by New when the clock is more than
	// MaxRollback behind NotBefore, and by the generator while the wall clock is
	// more than MaxRollback behind its own.
	ErrClockBackwards = errors.New("idgen: clock moved backwards")

	// ErrLeaseLost is returned by the generator, Lease.Err and NodeStore.Extend
	// when the node number is not, or no longer, held.
	ErrLeaseLost = errors.New("idgen: node lease lost")

	// ErrNoNode is returned by NodeStore.Claim and NewLease when every node
	// number is taken.
	ErrNoNode = errors.New("idgen: no free node number")

	// ErrFormat matches every error of parsing and scanning.
	ErrFormat = errors.New("idgen: malformed id")
)

// configError names the field, the rule and the value.
func configError(field, rule string, got any) error {
	return fmt.Errorf("%w: %s must be %s, got %v", ErrConfig, field, rule, got)
}

// quoted is how much of a malformed input an error repeats.
const quoted = 40

// formatError quotes the head of what could not be read. The copy is of the
// head alone, since the input may be a hostile megabyte.
func formatError[T string | []byte](kind string, input T) error {
	head := string(input[:min(len(input), quoted)])
	return fmt.Errorf("%w: %s %.40q", ErrFormat, kind, head)
}

// rollbackError tells by how much the clock is behind.
func rollbackError(behind time.Duration, allowed time.Duration) error {
	return fmt.Errorf("%w: by %v, MaxRollback is %v", ErrClockBackwards, behind, allowed)
}

// deadlineError is a wait that the deadline of the caller's context cannot
// cover. It is a type of its own, since a chain of wrapped errors would tell of
// the deadline twice.
type deadlineError struct{ wait, left time.Duration }

func (e *deadlineError) Error() string {
	return fmt.Sprintf("%v: %v to the next free tick, %v left", ErrExhausted, e.wait, e.left)
}

func (e *deadlineError) Unwrap() []error { return []error{ErrExhausted, context.DeadlineExceeded} }
