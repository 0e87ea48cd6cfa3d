//nolint:staticcheck // sections are empty on purpose (SA2001)
package benchmarks

import (
	"context"

	"github.com/mainstay-go/mainstay/rwlock"
)

var rwlockMainstay = rwlockImpl{
	name: "mainstay",
	make: func() rwlockLock { return &rwlockMainstayLock{} },
}

type rwlockMainstayLock struct{ l rwlock.RWLock }

func (m *rwlockMainstayLock) read(inside func())  { m.l.RLock(); inside(); m.l.RUnlock() }
func (m *rwlockMainstayLock) write(inside func()) { m.l.Lock(); inside(); m.l.Unlock() }

func (m *rwlockMainstayLock) reads(n int) {
	for range n {
		m.l.RLock()
		m.l.RUnlock()
	}
}

func (m *rwlockMainstayLock) writes(n int) {
	for range n {
		m.l.Lock()
		m.l.Unlock()
	}
}

func (m *rwlockMainstayLock) contextReads(ctx context.Context, n int) (failed int) {
	for range n {
		if m.l.RLockContext(ctx) != nil {
			failed++
		}
		m.l.RUnlock()
	}
	return failed
}

func (m *rwlockMainstayLock) contextWrites(ctx context.Context, n int) (failed int) {
	for range n {
		if m.l.LockContext(ctx) != nil {
			failed++
		}
		m.l.Unlock()
	}
	return failed
}

func (m *rwlockMainstayLock) mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int) {
	for i := range calls {
		if i%writeOneIn == 0 {
			m.l.Lock()
			sum += r.write(work)
			m.l.Unlock()
		} else {
			m.l.RLock()
			sum += r.read(work)
			m.l.RUnlock()
		}
	}
	return sum
}
