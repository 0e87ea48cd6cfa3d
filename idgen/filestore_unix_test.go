//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package idgen

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever waits for the lock is let go by its context, without an effect.
func TestFileStoreLockIsLeftWithTheContext(t *testing.T) {
	dir := t.TempDir()
	s := fileStore(t, dir)
	unlock, err := s.lock(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { _, _, err := s.Claim(ctx, 1, time.Hour); ended <- err }()
	cancel(errDown)
	err = <-ended
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errDown)
	assert.NoFileExists(t, filepath.Join(dir, "nodes.json"))
	unlock()
	_, _, err = s.Claim(t.Context(), 1, time.Hour)
	require.NoError(t, err)
}
