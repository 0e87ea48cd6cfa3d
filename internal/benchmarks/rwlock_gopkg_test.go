//nolint:staticcheck // sections are empty on purpose (SA2001)
package benchmarks

import "github.com/bytedance/gopkg/lang/syncx"

// rwlockGopkg is the RWMutex of bytedance/gopkg: a sync.RWMutex for each processor. A reader takes that of its own, which
// it is told by the runtime, a writer takes all.
var rwlockGopkg = rwlockImpl{
	name: "gopkg",
	make: func() rwlockLock { return &rwlockGopkgLock{syncx.NewRWMutex()} },
}

type rwlockGopkgLock struct{ l syncx.RWMutex }

func (m *rwlockGopkgLock) read(inside func()) {
	locker := m.l.RLocker()
	locker.Lock()
	inside()
	locker.Unlock()
}

func (m *rwlockGopkgLock) write(inside func()) {
	m.l.Lock()
	inside()
	m.l.Unlock()
}

func (m *rwlockGopkgLock) reads(n int) {
	for range n {
		locker := m.l.RLocker()
		locker.Lock()
		locker.Unlock()
	}
}

func (m *rwlockGopkgLock) writes(n int) {
	for range n {
		m.l.Lock()
		m.l.Unlock()
	}
}

func (m *rwlockGopkgLock) mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int) {
	for i := range calls {
		if i%writeOneIn == 0 {
			m.l.Lock()
			sum += r.write(work)
			m.l.Unlock()
		} else {
			locker := m.l.RLocker()
			locker.Lock()
			sum += r.read(work)
			locker.Unlock()
		}
	}
	return sum
}
