//nolint:staticcheck // sections are empty on purpose (SA2001)
package benchmarks

import (
	"github.com/puzpuzpuz/xsync/v4"
)

// rwlockXsync is the RBMutex of puzpuzpuz/xsync, whose readers take a token from RLock to RUnlock.
var rwlockXsync = rwlockImpl{
	name: "xsync",
	make: func() rwlockLock { return &rwlockXsyncLock{xsync.NewRBMutex()} },
}

type rwlockXsyncLock struct{ l *xsync.RBMutex }

func (m *rwlockXsyncLock) read(inside func()) {
	token := m.l.RLock()
	inside()
	m.l.RUnlock(token)
}

func (m *rwlockXsyncLock) write(inside func()) {
	m.l.Lock()
	inside()
	m.l.Unlock()
}

func (m *rwlockXsyncLock) reads(n int) {
	for range n {
		token := m.l.RLock()
		m.l.RUnlock(token)
	}
}

func (m *rwlockXsyncLock) writes(n int) {
	for range n {
		m.l.Lock()
		m.l.Unlock()
	}
}

func (m *rwlockXsyncLock) mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int) {
	for i := range calls {
		if i%writeOneIn == 0 {
			m.l.Lock()
			sum += r.write(work)
			m.l.Unlock()
		} else {
			token := m.l.RLock()
			sum += r.read(work)
			m.l.RUnlock(token)
		}
	}
	return sum
}
