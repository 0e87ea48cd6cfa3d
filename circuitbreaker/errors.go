package circuitbreaker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrConfig is matched by every error of New, NewGroup and NewThrottle; the
	// text names the field.
	ErrConfig = errors.New("circuitbreaker: invalid config")

	// ErrOpen is matched by every rejection of a Breaker.
	ErrOpen = errors.New("circuitbreaker: open")

	// ErrThrottled is returned by Throttle.Do and Throttle.Allow when the call
	// is shed.
	ErrThrottled = errors.New("circuitbreaker: throttled")
)

// OpenError is a rejection. It is built once per stay in a state, so that
// rejecting allocates nothing: treat it as read-only. It matches ErrOpen and,
// where there is one, the error that opened the breaker.
type OpenError struct {
	Name  string
	State State     // Open; HalfOpen: all probe slots are taken; Closed: shed by the recovery ramp
	Until time.Time // Open: earliest time of the next probe; zero for the others and under ModeForcedOpen
	Cause error     // the error that opened the breaker; may be nil
}

// Error says who rejected the call and why, as in "circuitbreaker: payments is
// open: connection refused".
func (e *OpenError) Error() string {
	name := e.Name
	if name == "" {
		name = "breaker"
	}
	text := "circuitbreaker: " + name + " is " + e.State.String()
	switch e.State {
	case HalfOpen:
		text += " and all probes are under way"
	case Closed:
		text = "circuitbreaker: " + name + " is recovering and sheds load"
	default:
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Is reports whether target is ErrOpen.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

// Unwrap returns Cause.
func (e *OpenError) Unwrap() error { return e.Cause }

// RetryAfter returns the time that is left until Until, never negative; 0 when
// Until is zero.
func (e *OpenError) RetryAfter() time.Duration {
	if e.Until.IsZero() {
		return 0
	}
	return max(time.Until(e.Until), 0)
}

// configError adds the field, the rule and the value to ErrConfig.
func configError(field, rule string, got any) error {
	return fmt.Errorf("%w: %s must be %s, got %v", ErrConfig, field, rule, got)
}

// ownCancel reports whether err says only that the caller of ctx has left. A
// deadline is another matter: the dependency was too slow. And a Canceled that
// does not come from ctx is the dependency's own.
func ownCancel(ctx context.Context, err error) bool {
	return err != nil && errors.Is(ctx.Err(), context.Canceled) &&
		errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
