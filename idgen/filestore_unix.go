//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package idgen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// The files of a FileStore.
const (
	lockName  = "lock"
	stateName = "nodes.json"
	draftName = "nodes.json.new" // left by a process that was killed, overwritten by the next
)

// lockPoll is how often a lock that is held by somebody else is tried again; it
// is held for a few ms, most of which are the sync. A blocking flock could not
// be ended by a context.
const lockPoll = 3 * time.Millisecond

// NewFileStore returns a store in the directory, which is created if it is not
// there. An empty dir is an error that matches ErrConfig.
func NewFileStore(dir string) (*FileStore, error) {
	s, err := newFileStore(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, fmt.Errorf("idgen: FileStore: %w", err)
	}
	return s, nil
}

// Claim reserves a number, as NodeStore says.
func (s *FileStore) Claim(ctx context.Context, nodes int64, ttl time.Duration) (node, token int64, err error) {
	if err := checkClaim(nodes, ttl); err != nil {
		return 0, 0, err
	}
	err = s.update(ctx, func(state *fileState, now time.Time) error {
		node, token, err = state.claim(nodes, now, now.Add(ttl))
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return node, token, nil
}

// Extend extends a reservation, as NodeStore says.
func (s *FileStore) Extend(ctx context.Context, node, token int64, ttl time.Duration) error {
	if err := checkTTL(ttl); err != nil {
		return err
	}
	return s.update(ctx, func(state *fileState, now time.Time) error {
		return state.extend(node, token, now.Add(ttl))
	})
}

// fileState is what the state file holds.
type fileState struct {
	Version int
	registry
}

const stateVersion = 1

// update reads the state, changes it and writes it, under the lock; an error of
// change leaves it as it was.
func (s *FileStore) update(ctx context.Context, change func(state *fileState, now time.Time) error) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	state, err := s.read()
	if err != nil {
		return fmt.Errorf("idgen: FileStore: %w", err)
	}
	if err := change(&state, time.Now().UTC()); err != nil {
		return err
	}
	if err := s.write(state); err != nil {
		return fmt.Errorf("idgen: FileStore: %w", err)
	}
	return nil
}

// lock takes the file lock. Each call opens the file anew, so that the lock
// excludes the goroutines of a process too; the kernel gives it up when the
// process dies.
func (s *FileStore) lock(ctx context.Context) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, ctxerr.Of(ctx)
	}
	file, err := os.OpenFile(filepath.Join(s.dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("idgen: FileStore: %w", err)
	}
	if err := flock(ctx, file); err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}

func flock(ctx context.Context, file *os.File) error {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("idgen: FileStore: flock: %w", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctxerr.Of(ctx)
		}
	}
}

// read returns the state; a file that is not there yet is the empty one, and
// nothing else is.
func (s *FileStore) read() (state fileState, err error) {
	path := filepath.Join(s.dir, stateName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileState{Version: stateVersion}, nil
	}
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return state, fmt.Errorf("%s: %w", path, err)
	}
	return state, state.validate(path)
}

// validate refuses what no FileStore has written.
func (state *fileState) validate(path string) error {
	if state.Version != stateVersion || state.Token < 1 || len(state.Nodes) < 1 || len(state.Nodes) > maxNodes {
		return fmt.Errorf("%s: version %d, token %d, %d nodes", path, state.Version, state.Token, len(state.Nodes))
	}
	for node, res := range state.Nodes {
		if res.Token < 1 || res.Token > state.Token || res.Until.IsZero() {
			return fmt.Errorf("%s: node %d with token %d until %v", path, node, res.Token, res.Until)
		}
	}
	return nil
}

// write replaces the state. The file is synced before it gets its name, and the
// directory after that, so that a crash of the machine leaves the old or the
// new state as well.
func (s *FileStore) write(state fileState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	draft := filepath.Join(s.dir, draftName)
	file, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft, filepath.Join(s.dir, stateName)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
