package benchmarks

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// rwlockXsemAll is what a writer takes of the semaphore; a reader takes 1.
const rwlockXsemAll = 1 << 30

// rwlockXsem is a golang.org/x/sync/semaphore as a reader/writer lock.
var rwlockXsem = rwlockImpl{
	name: "semaphore",
	make: func() rwlockLock { return &rwlockXsemLock{semaphore.NewWeighted(rwlockXsemAll)} },
}

type rwlockXsemLock struct{ l *semaphore.Weighted }

func (m *rwlockXsemLock) read(inside func()) {
	_ = m.l.Acquire(context.Background(), 1)
	inside()
	m.l.Release(1)
}

func (m *rwlockXsemLock) write(inside func()) {
	_ = m.l.Acquire(context.Background(), rwlockXsemAll)
	inside()
	m.l.Release(rwlockXsemAll)
}

func (m *rwlockXsemLock) reads(n int) {
	for range n {
		_ = m.l.Acquire(context.Background(), 1)
		m.l.Release(1)
	}
}

func (m *rwlockXsemLock) writes(n int) {
	for range n {
		_ = m.l.Acquire(context.Background(), rwlockXsemAll)
		m.l.Release(rwlockXsemAll)
	}
}

func (m *rwlockXsemLock) mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int) {
	for i := range calls {
		if i%writeOneIn == 0 {
			_ = m.l.Acquire(context.Background(), rwlockXsemAll)
			sum += r.write(work)
			m.l.Release(rwlockXsemAll)
		} else {
			_ = m.l.Acquire(context.Background(), 1)
			sum += r.read(work)
			m.l.Release(1)
		}
	}
	return sum
}

func (m *rwlockXsemLock) contextReads(ctx context.Context, n int) (failed int) {
	for range n {
		if m.l.Acquire(ctx, 1) != nil {
			failed++
		}
		m.l.Release(1)
	}
	return failed
}

func (m *rwlockXsemLock) contextWrites(ctx context.Context, n int) (failed int) {
	for range n {
		if m.l.Acquire(ctx, rwlockXsemAll) != nil {
			failed++
		}
		m.l.Release(rwlockXsemAll)
	}
	return failed
}
