// Package slidingwindow aggregates over the last values and over the last
// stretch of time.
package slidingwindow

import "errors"

// ErrConfig is matched by every error of a constructor; its text names the
// field or argument.
var ErrConfig = errors.New("slidingwindow: invalid config")

// Stats counts what a time window refused since it was made; each field is
// exact, the three are not read at one instant.
type Stats struct {
	Late    uint64 // calls whose event was older than the window
	Early   uint64 // calls refused because of MaxAhead
	Ignored uint64 // calls with a negative amount, or with a key that is not equal to itself (NaN)
}

// noCopy makes go vet report copies: it looks like a lock.
type noCopy struct{}

// Lock does nothing.
func (*noCopy) Lock() {}

// Unlock does nothing.
func (*noCopy) Unlock() {}
