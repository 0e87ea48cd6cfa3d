//nolint:staticcheck // sections are empty on purpose (SA2001)
package benchmarks

import (
	"sync"
)

var rwlockStd = rwlockImpl{
	name: "sync.RWMutex",
	make: func() rwlockLock { return &rwlockStdLock{} },
}

type rwlockStdLock struct{ l sync.RWMutex }

func (m *rwlockStdLock) read(inside func()) {
	m.l.RLock()
	inside()
	m.l.RUnlock()
}

func (m *rwlockStdLock) write(inside func()) {
	m.l.Lock()
	inside()
	m.l.Unlock()
}

func (m *rwlockStdLock) reads(n int) {
	for range n {
		m.l.RLock()
		m.l.RUnlock()
	}
}

func (m *rwlockStdLock) writes(n int) {
	for range n {
		m.l.Lock()
		m.l.Unlock()
	}
}

func (m *rwlockStdLock) mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int) {
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
