package rwlock

import "github.com/mainstay-go/mainstay/internal/chaos"

// Downgrade turns the write lock that the caller holds into a read lock,
// without letting a writer in between. The caller owes RUnlock. It panics if
// the lock is not write-locked.
//
// Readers that wait come in with it, except under WriterPreferring while a
// writer waits. Readers that come later follow the policy.
func (l *RWLock) Downgrade() {
	l.race.releaseWrite()
	if !l.state.CompareAndSwap(held, 1) { // publishes what was written to readers
		l.downgradeSlow()
	}
}

func (l *RWLock) downgradeSlow() {
	chaos.Point("rwlock: downgrade found company")
	l.mu.Lock()
	defer l.unlock()
	if _, flags := split(l.state.Load()); flags&held == 0 {
		panic(notDowngrading)
	}
	if l.policy == WriterPreferring && l.writers.len > 0 {
		l.state.Add(1 - held - l.readers.len) // those who are parked stay, uncounted
	} else {
		l.state.Add(1 - held)
		l.grantAll(&l.readers)
	}
	l.settle()
}

// TryUpgrade turns the read lock that the caller holds into the write lock if
// no other reader is inside or just arriving, and reports whether it did. True:
// the caller owes Unlock. False: it still has its read lock. It never blocks.
// It panics if the lock is not read-locked.
//
// It goes ahead of the writers that wait, since it does not wait itself. Of two
// readers that try again and again both get false as long as both stay, hence
// whoever is refused has to leave and come back by Lock.
func (l *RWLock) TryUpgrade() bool {
	if !l.state.CompareAndSwap(1, held) && !l.tryUpgradeSlow() {
		return false
	}
	l.race.acquireWrite()
	return true
}

func (l *RWLock) tryUpgradeSlow() bool {
	l.mu.Lock()
	defer l.unlock()
	for {
		state := l.state.Load()
		readers, flags := split(state)
		if readers <= 0 || flags&held != 0 {
			panic(notUpgrading)
		}
		if readers > 1 {
			return false
		}
		// Those who are parked behind a gate are counted from now on.
		chaos.Point("rwlock: about to upgrade")
		if l.state.CompareAndSwap(state, state-1+held+l.readers.len) {
			return true
		}
	}
}
