//go:build !race

package rwlock

import "sync/atomic"

// raceEnabled tells whether the build has the race detector.
const raceEnabled = false

// word is the type of RWLock.state.
type word = atomic.Int64

// markers tell the race detector what orders what; here there is none.
type markers struct{}

func (*markers) acquireRead()  {}
func (*markers) releaseRead()  {}
func (*markers) acquireWrite() {}
func (*markers) releaseWrite() {}
