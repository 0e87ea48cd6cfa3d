package boundedqueue

import (
	"runtime"
	"sync"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// A critical section here lasts a few nanoseconds, so whoever finds the mutex
// taken does best to try again: a goroutine that parks on the mutex costs
// hundreds, and after a millisecond of bad luck the mutex turns to starvation
// mode, in which each unlock is a context switch. The spin has to end, though.
// In a synctest bubble time stands still while a goroutine spins, and a holder
// that was preempted needs the processor. A yield lets it have that; after
// spinRounds of them Lock sorts things out.
const (
	spinTries  = 8
	spinRounds = 4
)

// lockSlow takes mu after a first TryLock has failed.
func lockSlow(mu *sync.Mutex) {
	for range spinRounds {
		for range spinTries {
			chaos.Point("boundedqueue: between two tries to lock")
			if mu.TryLock() {
				return
			}
		}
		runtime.Gosched()
	}
	mu.Lock()
}
