package metrics

import (
	"errors"
	"fmt"
)

var (
	// ErrConfig is matched by errors about a configuration, a name, a help text
	// or labels; the text names the field.
	ErrConfig = errors.New("metrics: invalid config")

	// ErrConflict is returned by Registry.Register when the name is taken.
	ErrConflict = errors.New("metrics: name already registered")

	// ErrMismatch is returned by Snapshot.Merge and Snapshot.Sub when the two
	// histograms do not fit.
	ErrMismatch = errors.New("metrics: histograms do not match")
)

// invalid is an ErrConfig with the field, the rule and the value.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrConfig, fmt.Errorf(format, args...))
}
