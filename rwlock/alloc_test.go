//go:build !race && !chaos

// The race detector and the yield points allocate on their own account, so what
// is said of memory is said without them.

//nolint:staticcheck // sections are empty on purpose (SA2001)
package rwlock

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestCallsThatNeedNotWaitDoNotAllocate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, cfg := range modelConfigs {
		l := newLock(t, cfg)
		locker := l.RLocker()
		for name, f := range map[string]func(){
			"RLock":        func() { l.RLock(); l.RUnlock() },
			"Lock":         func() { l.Lock(); l.Unlock() },
			"TryRLock":     func() { l.TryRLock(); l.RUnlock() },
			"TryLock":      func() { l.TryLock(); l.TryRLock(); l.TryLock(); l.Unlock() },
			"RLockContext": func() { _ = l.RLockContext(ctx); l.RUnlock() },
			"LockContext":  func() { _ = l.LockContext(ctx); l.Unlock() },
			"Downgrade":    func() { l.Lock(); l.Downgrade(); l.RUnlock() },
			"TryUpgrade":   func() { l.RLock(); l.TryUpgrade(); l.Unlock() },
			"refused":      func() { l.RLock(); l.RLock(); l.TryUpgrade(); l.RUnlock(); l.RUnlock() },
			"Stats":        func() { l.Stats() },
			"RLocker":      func() { locker = l.RLocker(); locker.Lock(); locker.Unlock() },
		} {
			assert.Zero(t, testing.AllocsPerRun(100, f), name)
		}
		assert.Zero(t, l.state.Load())
	}
}

// One that waits allocates twice, and three times more for the timer of a bound. The goroutine that takes turns with the
// one that counts allocates as often, hence both are counted.
func TestWaitingAllocatesTwice(t *testing.T) {
	for _, cfg := range []Config{{}, {Policy: PhaseFair}, {MaxWriterWait: time.Hour}} {
		l := newLock(t, cfg)
		begin, ended := make(chan struct{}), make(chan struct{})
		var other func()
		go func() {
			for range begin {
				other()
				ended <- struct{}{}
			}
		}()
		turn := func() { // the other waits for us
			l.Lock()
			waits := l.Stats().ReadWaits + l.Stats().WriteWaits
			begin <- struct{}{}
			for s := l.Stats(); s.ReadWaits+s.WriteWaits == waits; s = l.Stats() {
				runtime.Gosched()
			}
			l.Unlock()
			<-ended
		}
		other = func() { l.RLock(); l.RUnlock() }
		assert.LessOrEqual(t, testing.AllocsPerRun(100, turn), 2.0, "reader, %+v", cfg)
		other = func() { l.Lock(); l.Unlock() }
		allowed := 2.0
		if cfg.MaxWriterWait > 0 {
			allowed += 3
		}
		assert.LessOrEqual(t, testing.AllocsPerRun(100, turn), allowed, "writer, %+v", cfg)
		close(begin)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Ten thousand waits leave nothing behind in the lock.
func TestWaitersLeaveNothing(t *testing.T) {
	l := newLock(t, Config{MaxWriterWait: time.Hour})
	wait := func() {
		l.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				switch i % 4 {
				case 0:
					l.RLock()
					l.RUnlock()
				case 1:
					l.Lock()
					l.Unlock()
				case 2:
					if l.LockContext(ctx) == nil {
						l.Unlock()
					}
				case 3:
					if l.RLockContext(ctx) == nil {
						l.RUnlock()
					}
				}
			})
		}
		for l.Stats().WaitingReaders+l.Stats().WaitingWriters < 100 {
			runtime.Gosched()
		}
		cancel()
		l.Unlock()
		group.Wait()
	}
	wait()
	before := heap()
	for range 100 {
		wait()
	}
	assert.LessOrEqual(t, heap()-before, before/10+1<<14)
	assert.GreaterOrEqual(t, l.Stats().ReadWaits+l.Stats().WriteWaits, uint64(10_000))
	assert.Nil(t, l.granted)
	runtime.KeepAlive(l)
}
