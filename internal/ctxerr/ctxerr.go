// Package ctxerr makes the error of a call whose context is done.
package ctxerr

import (
	"context"
	"errors"
	"fmt"
)

// Of returns an error that matches both ctx.Err() and context.Cause(ctx), which
// may differ: callers look for context.Canceled, and people want to read why.
// ctx is done; one that gives no reason counts as cancelled. Of calls methods of
// a ctx that the user may have written, hence no lock may be held.
func Of(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case err == nil:
		return context.Canceled
	case errors.Is(cause, err):
		return cause
	default:
		return fmt.Errorf("%w: %w", err, cause)
	}
}
