package boundedqueue

import (
	"runtime"
	"sync"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// spinRounds bounds the spin of a call that finds the mutex taken. A critical
// section here lasts a few nanoseconds, while a goroutine that parks on the
// mutex costs hundreds, and after a millisecond of bad luck the mutex turns to
// starvation mode, in which each unlock is a context switch. So it is better to
// come again. Between two tries it yields: that lets the holder finish several
// operations on a cache line that nobody pulls away, and lets it run at all if
// it was preempted. Tries in a row, without a yield, made four producers and
// four consumers on two processors up to twice as slow.
//
// The spin has to end, since in a synctest bubble time stands still meanwhile.
const spinRounds = 8

// lockSlow takes mu after a first TryLock has failed.
func lockSlow(mu *sync.Mutex) {
	for range spinRounds {
		if mu.TryLock() {
			return
		}
		chaos.Point("boundedqueue: between two tries to lock")
		runtime.Gosched()
	}
	mu.Lock()
}
