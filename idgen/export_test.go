package idgen

import (
	"context"
	"sync/atomic"
	"time"
)

// wallClock is a wall clock that tests step without moving the monotonic clock: the offset is added to the real one.
type wallClock struct{ offset atomic.Int64 }

func (w *wallClock) now() time.Time { return wallNow().Add(time.Duration(w.offset.Load())) }

func (w *wallClock) step(d time.Duration) { w.offset.Add(int64(d)) }

// frozenClock is a wall clock that stands still.
func frozenClock() func() time.Time {
	at := wallNow()
	return func() time.Time { return at }
}

// NewWithWall and NewLeaseWithWall are New and NewLease on a given wall clock.
func NewWithWall(cfg Config, wall func() time.Time) (*Generator, error) {
	return newGenerator(cfg, wall)
}

func NewLeaseWithWall(ctx context.Context, cfg LeaseConfig, wall func() time.Time) (*Lease, error) {
	return newLease(ctx, cfg, wall)
}
