package rwlock

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A context that is done is an error, on a free lock too, and has no effect. golang/go#63615 made x/sync go the other way
// and golang/go#67723 reported it. The calls themselves are asked for in golang/go#16620.
func TestDoneContext(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		late, stop := context.WithTimeout(t.Context(), -1)
		defer stop()
		for want, ctx := range map[error]context.Context{context.Canceled: canceled, context.DeadlineExceeded: late} {
			for range 100 {
				require.ErrorIs(t, l.LockContext(ctx), want)
				require.ErrorIs(t, l.RLockContext(ctx), want)
			}
		}
		assert.Zero(t, l.state.Load())
		assert.Equal(t, Stats{}, l.Stats())
	})
}

// The error matches what the context says and why it was cancelled.
func TestErrorMatchesErrAndCause(t *testing.T) {
	why := errors.New("shutting down")
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.Lock()
		ctx, cancel := context.WithCancelCause(t.Context())
		w, r := startLockContext(ctx, l), startRLockContext(ctx, l)
		cancel(why)
		require.Empty(t, waiting(w, r))
		for _, err := range []error{w.err, r.err, l.LockContext(ctx), l.RLockContext(ctx)} {
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, why)
		}
		plain, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		require.Equal(t, context.DeadlineExceeded, l.LockContext(plain))
		l.Unlock()
		assert.Zero(t, l.state.Load())
	})
}

// A context that is not done changes nothing about a free lock, or one that becomes free in time.
func TestContextThatLasts(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, l.RLockContext(ctx))
		w := startLockContext(ctx, l)
		time.Sleep(time.Second - 1)
		l.RUnlock()
		require.Empty(t, waiting(w))
		require.NoError(t, w.err)
		r := startRLockContext(t.Context(), l)
		time.Sleep(2)
		l.Unlock()
		require.Empty(t, waiting(r))
		require.NoError(t, r.err)
		l.RUnlock()
		assert.Zero(t, l.state.Load())
	})
}

// Waiters leave from the head, the middle and the tail of both queues, under every policy; the others stay in order.
func TestCancelAnywhereInTheQueue(t *testing.T) {
	for _, cfg := range modelConfigs {
		for leaves := range 5 {
			for _, write := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					l := newLock(t, cfg)
					l.Lock()
					var calls []*call
					var cancels []context.CancelFunc
					var order []int
					for i := range 5 {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						cancels = append(cancels, cancel)
						if write {
							calls = append(calls, start(func() error {
								err := l.LockContext(ctx)
								if err == nil {
									order = append(order, i)
								}
								return err
							}))
						} else {
							calls = append(calls, startRLockContext(ctx, l))
						}
					}
					begin := time.Now()
					cancels[leaves]()
					synctest.Wait()
					require.False(t, calls[leaves].waits())
					require.Equal(t, begin, calls[leaves].at)
					require.ErrorIs(t, calls[leaves].err, context.Canceled)
					require.Len(t, waiting(calls...), 4)
					require.NoError(t, consistent(l))
					drain(t, l)
					require.Empty(t, waiting(calls...))
					if write {
						want := []int{0, 1, 2, 3, 4}
						require.Equal(t, append(want[:leaves:leaves], want[leaves+1:]...), order)
					}
				})
			}
		}
	}
}

// If the grant came first the call returns nil and holds the lock, although its context is done by then.
func TestGrantBeforeCancellationWins(t *testing.T) {
	for range 50 {
		bubbles(t, func(t *testing.T, l *RWLock) {
			ctx, cancel := context.WithCancel(t.Context())
			l.Lock()
			r := startRLockContext(ctx, l)
			l.Unlock()
			cancel()
			require.Empty(t, waiting(r))
			require.NoError(t, r.err)

			ctx, cancel = context.WithCancel(t.Context())
			w := startLockContext(ctx, l)
			l.RUnlock()
			cancel()
			require.Empty(t, waiting(w))
			require.NoError(t, w.err)
			require.Equal(t, held, l.state.Load())
			l.Unlock()
		})
	}
}

// The grant comes after the context has woken the call and before it has the mutex.
func TestGrantWhileLeavingWins(t *testing.T) {
	for range 100 {
		bubbles(t, func(t *testing.T, l *RWLock) {
			ctx, cancel := context.WithCancel(t.Context())
			l.Lock()
			r := startRLockContext(ctx, l)
			l.mu.Lock()
			cancel()
			runtime.Gosched() // the call sees its context done, and waits for mu
			l.state.Add(-held)
			l.grantAll(&l.readers)
			l.settle()
			l.unlock()
			require.Empty(t, waiting(r))
			require.NoError(t, r.err)
			require.Equal(t, int64(1), l.state.Load())
			l.RUnlock()
		})
	}
}

// And if the cancellation came first it is an error, although the lock becomes free at the same instant.
func TestCancellationBeforeGrantWins(t *testing.T) {
	for range 50 {
		bubbles(t, func(t *testing.T, l *RWLock) {
			ctx, cancel := context.WithCancel(t.Context())
			l.Lock()
			w, r := startLockContext(ctx, l), startRLockContext(ctx, l)
			cancel()
			synctest.Wait()
			l.Unlock()
			require.Empty(t, waiting(w, r))
			require.ErrorIs(t, w.err, context.Canceled)
			require.ErrorIs(t, r.err, context.Canceled)
			require.Zero(t, l.state.Load())
		})
	}
}

// Ten thousand cancellations race with grants on the real clock; in the end nobody holds anything and the lock works.
func TestCancellationsRaceWithGrants(t *testing.T) {
	for _, cfg := range modelConfigs {
		l := newLock(t, cfg)
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(worker), 1))
				for range 625 {
					ctx, cancel := context.WithCancel(t.Context())
					if rng.IntN(2) == 0 {
						cancel()
					} else {
						go cancel()
					}
					if rng.IntN(2) == 0 {
						if l.LockContext(ctx) == nil {
							l.Unlock()
						}
					} else if l.RLockContext(ctx) == nil {
						l.RUnlock()
					}
					cancel()
				}
			})
		}
		group.Wait()
		s := l.Stats()
		s.ReadWaits, s.WriteWaits, s.Overdue = 0, 0, 0
		assert.Equal(t, Stats{}, s)
		assert.Zero(t, l.state.Load())
		assert.True(t, l.TryLock())
	}
}

// userContext is a context that somebody has written, and that uses the lock from its methods.
type userContext struct {
	context.Context
	l *RWLock
}

func (c userContext) Err() error {
	c.l.Stats()
	return c.Context.Err()
}

func (c userContext) Done() <-chan struct{} {
	c.l.Stats()
	return c.Context.Done()
}

// The methods of a context run without the mutex.
func TestContextMayUseTheLock(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		ctx, cancel := context.WithCancel(t.Context())
		l.Lock()
		w := startLockContext(userContext{ctx, l}, l)
		r := startRLockContext(userContext{ctx, l}, l)
		cancel()
		require.Empty(t, waiting(w, r))
		l.Unlock()
		assert.Zero(t, l.state.Load())
	})
}
