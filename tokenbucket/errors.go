package tokenbucket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrConfig is returned by New and SetLimit when a field is out of range;
	// the text names the field.
	ErrConfig = errors.New("tokenbucket: invalid config")

	// ErrNegative is returned by WaitN and Reserve when n < 0.
	ErrNegative = errors.New("tokenbucket: negative number of tokens")

	// ErrExceedsBurst is returned by WaitN and Reserve when n is larger than
	// Burst, so that no wait could help, and by a WaitN that is already waiting
	// when SetLimit makes Burst smaller than its n.
	ErrExceedsBurst = errors.New("tokenbucket: more tokens asked for than the bucket holds")

	// ErrWouldExceedDeadline is returned at once, with nothing taken, by WaitN
	// when the turn would come at or after the deadline of the context, and by
	// Reserve when it would come later than maxWait. The error of WaitN matches
	// context.DeadlineExceeded as well.
	ErrWouldExceedDeadline = errors.New("tokenbucket: wait would exceed the deadline")
)

// negativeError and burstError add the numbers to the sentinels.
func negativeError(n int64) error {
	return fmt.Errorf("%w: %d", ErrNegative, n)
}

func burstError(n, burst int64) error {
	return fmt.Errorf("%w: %d of %d", ErrExceedsBurst, n, burst)
}

// deadlineError is a wait that the deadline of the caller's context cannot
// cover. It is a type of its own and not a chain of wrapped errors, whose text
// would tell of the deadline twice.
type deadlineError struct{ wait, left time.Duration }

func (e *deadlineError) Error() string {
	return fmt.Sprintf("%v: %v to wait, %v left", ErrWouldExceedDeadline, e.wait, e.left)
}

func (e *deadlineError) Unwrap() []error {
	return []error{ErrWouldExceedDeadline, context.DeadlineExceeded}
}
