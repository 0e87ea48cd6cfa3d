//go:build race

package rwlock

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// To the race detector an atomic operation orders everything before it in one
// goroutine and after it in the next. All readers change the one word of an
// RWLock, so that it would take them for ordered, and a write under RLock for
// correct. Hence the operations on the word are hidden from it, and it is told
// by hand what an RWLock orders, as sync.RWMutex does:
//
//	Unlock, Downgrade -> RLock, Lock, TryUpgrade    by written
//	RUnlock           -> Lock, TryUpgrade           by read
//
// Only the operation on the word is hidden. To hide the mutex as well would
// make the detector report the fields that it guards.

// raceEnabled tells whether the build has the race detector.
const raceEnabled = true

// word is the type of RWLock.state.
type word struct{ v atomic.Int64 }

// Load is that of atomic.Int64. The nil dereference has to happen before the
// detector is disabled, or it would stay so.
func (w *word) Load() int64 {
	_ = *w
	runtime.RaceDisable()
	defer runtime.RaceEnable()
	return w.v.Load()
}

// Add is that of atomic.Int64.
func (w *word) Add(delta int64) int64 {
	_ = *w
	runtime.RaceDisable()
	defer runtime.RaceEnable()
	return w.v.Add(delta)
}

// CompareAndSwap is that of atomic.Int64.
func (w *word) CompareAndSwap(old, replacement int64) bool {
	_ = *w
	runtime.RaceDisable()
	defer runtime.RaceEnable()
	return w.v.CompareAndSwap(old, replacement)
}

// markers are addresses that the race detector knows clocks of.
type markers struct{ written, read byte }

func (m *markers) acquireRead() { runtime.RaceAcquire(unsafe.Pointer(&m.written)) }

func (m *markers) releaseRead() { runtime.RaceReleaseMerge(unsafe.Pointer(&m.read)) }

func (m *markers) acquireWrite() {
	runtime.RaceAcquire(unsafe.Pointer(&m.written))
	runtime.RaceAcquire(unsafe.Pointer(&m.read))
}

func (m *markers) releaseWrite() { runtime.RaceRelease(unsafe.Pointer(&m.written)) }
