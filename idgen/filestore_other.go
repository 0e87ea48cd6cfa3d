//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package idgen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// NewFileStore returns an error that matches errors.ErrUnsupported: this system
// has no flock.
func NewFileStore(dir string) (*FileStore, error) {
	if _, err := newFileStore(dir); err != nil {
		return nil, err
	}
	return nil, errNoLocks
}

var errNoLocks = fmt.Errorf("idgen: FileStore needs file locks: %w", errors.ErrUnsupported)

// Claim returns an error that matches errors.ErrUnsupported.
func (s *FileStore) Claim(context.Context, int64, time.Duration) (node, token int64, err error) {
	return 0, 0, errNoLocks
}

// Extend returns an error that matches errors.ErrUnsupported.
func (s *FileStore) Extend(context.Context, int64, int64, time.Duration) error { return errNoLocks }
