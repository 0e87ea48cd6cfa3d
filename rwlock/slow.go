package rwlock

import (
	"errors"
	"runtime"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// How the last reader and a writer that has just come miss each other, and how
// they do not.
//
// The reader subtracts its 1 without the mutex. If nobody is parked it is done,
// else it takes the mutex and hands the lock over. The writer looks whether
// readers are inside, and parks. The tempting order
//
//	writer: readers inside? yes
//	reader:                         subtracts 1: 0 readers, WAIT not set, done
//	writer: sets WAIT, sleeps                    nobody is left to wake it
//
// loses the wake-up. The writer has to set WAIT first and look then: one of the
// two comes second on the word, and sees what the other did. If both see each
// other both call settle, and the second finds nothing to do. settle is the one
// place where a free lock is given away, and it announces before it looks.

// The texts of the panics.
const (
	tooMany        = "rwlock: more than 2^31-1 read locks"
	notRead        = "rwlock: RUnlock of an RWLock that is not locked for reading"
	notWritten     = "rwlock: Unlock of an RWLock that is not locked for writing"
	notDowngrading = "rwlock: Downgrade of an RWLock that is not locked for writing"
	notUpgrading   = "rwlock: TryUpgrade of an RWLock that is not locked for reading"
)

// glances is how often a writer looks again before it parks. To park and to be
// woken costs some 250 ns, a short section is over after a few dozen. With one
// write in 25 on 2 CPUs (BenchmarkMixed; AMD EPYC, 2 vCPUs, Go 1.26) a call
// took 9.5 ns instead of 20.0 with empty sections, 150 instead of 197 with 100
// steps of work inside. A writer that finds others parked does not glance: it
// would not be its turn.
const glances = 3

// rlockSlow turns the 1 that RLock added into a read lock, or parks. It reports
// false if done was closed first, and the 1 has been taken back.
func (l *RWLock) rlockSlow(done <-chan struct{}) bool {
	chaos.Point("rwlock: reader counted, not yet queued")
	l.mu.Lock()
	w := l.enqueueReader()
	l.unlock()
	return w == nil || l.await(&l.readers, w, done)
}

// enqueueReader queues a reader that has been counted, and returns nil if there
// is nothing to wait for any more.
func (l *RWLock) enqueueReader() *waiter {
	for {
		state := l.state.Load()
		readers, flags := split(state)
		switch {
		case readers > maxReaders:
			l.state.Add(-1)
			l.settle() // it may have hidden the last RUnlock
			l.unlock()
			panic(tooMany)
		case flags&(held|gate) == 0:
			return nil
		case flags&held != 0:
			// The claim stays. WAIT keeps Unlock from going past the queue.
			if flags&wait == 0 && !l.state.CompareAndSwap(state, state+wait) {
				chaos.Point("rwlock: reader lost a race")
				continue
			}
			return l.parkReader()
		default:
			// The gate is closed, and the 1 must not keep the writer waiting
			// that it is closed for. It may have hidden the last RUnlock, hence
			// settle.
			w := l.parkReader()
			l.state.Add(-1)
			l.settle()
			return w
		}
	}
}

func (l *RWLock) parkReader() *waiter {
	w := newWaiter()
	l.readers.push(w)
	l.readWaits++
	return w
}

// runlockSlow hands the lock over if this was the last reader and somebody is
// parked; state is what RUnlock has left behind.
//
// A mistake is put right only after it was made. To look first, and to swap
// what was seen, would be exact, but the readers of several cores would make
// each other try again, where a subtraction always succeeds.
func (l *RWLock) runlockSlow(state int64) {
	readers, flags := split(state)
	if readers < 0 || flags&held != 0 {
		chaos.Point("rwlock: reader taken by mistake, not yet put back")
		l.state.Add(1)
		l.resettle() // the missing 1 may have misled somebody
		panic(notRead)
	}
	if readers > 0 {
		return // another one is the last
	}
	chaos.Point("rwlock: last reader gone, not yet handed over")
	l.resettle()
}

func (l *RWLock) resettle() {
	l.mu.Lock()
	l.settle()
	l.unlock()
}

// lockSlow takes the write lock or parks. It reports false if done was closed
// first.
func (l *RWLock) lockSlow(done <-chan struct{}) bool {
	for range glances {
		if l.state.Load() < 0 { // WAIT
			break
		}
		runtime.Gosched()
		if l.state.CompareAndSwap(0, held) { // not WAIT: nobody is overtaken
			return true
		}
	}
	chaos.Point("rwlock: writer saw it busy, not yet queued")
	l.mu.Lock()
	if l.state.CompareAndSwap(0, held) {
		l.unlock()
		return true
	}
	w := newWaiter()
	w.since = time.Now()
	l.writers.push(w)
	l.writeWaits++
	l.settle()
	l.unlock()
	return l.await(&l.writers, w, done)
}

// unlockSlow passes the lock on from a writer.
func (l *RWLock) unlockSlow() {
	chaos.Point("rwlock: unlock found company")
	l.mu.Lock()
	defer l.unlock()
	l.announce() // the first writer may have become overdue just now
	_, flags := split(l.state.Load())
	if flags&held == 0 {
		panic(notWritten)
	}
	if l.writerIsNext(flags) {
		l.grantWriter() // HELD stays
		return
	}
	l.state.Add(-held) // whoever is counted is inside now
	l.grantAll(&l.readers)
	l.settle()
}

// writerIsNext tells whether a writer follows a writer for certain. It does
// under WriterPreferring; else only if the gate is closed and no reader has
// queued before it: one that is counted but has not queued, since it waits for
// mu, will find the gate. In all other cases settle will see who is there.
func (l *RWLock) writerIsNext(flags int64) bool {
	if l.writers.len == 0 {
		return false
	}
	return l.policy == WriterPreferring || l.readers.len == 0 && flags&gate != 0
}

// settle lets in whomever nothing keeps waiting any more; it requires mu. It
// does nothing while a writer is inside, whose Unlock will decide.
func (l *RWLock) settle() {
	l.announce() // before the look at the readers
	for {
		state := l.state.Load()
		readers, flags := split(state)
		switch {
		case flags&held != 0:
			return
		case flags&gate == 0 && l.readers.len > 0:
			l.state.Add(l.readers.len) // those parked are inside now
			l.grantAll(&l.readers)
			l.announce()
		case l.writers.len > 0 && readers == 0:
			chaos.Point("rwlock: about to grant")
			// Passes the lock to the first writer, and counts the readers that
			// are parked, as they are while HELD is set.
			if l.state.CompareAndSwap(state, state+held+l.readers.len) {
				l.grantWriter()
				return
			}
		default:
			return
		}
	}
}

// grantWriter gives HELD, which is set, to the first writer.
func (l *RWLock) grantWriter() {
	l.isOverdue(l.writers.head) // one that is served at the very instant counts
	l.grantFirst(&l.writers)
	l.announce()
}

// announce makes WAIT and GATE tell what the queues are; it requires mu.
func (l *RWLock) announce() {
	var want int64
	if l.readers.len > 0 || l.writers.len > 0 {
		want = wait
	}
	if first := l.writers.head; first != nil && (l.policy != ReaderPreferring || l.isOverdue(first)) {
		want |= gate
	}
	_, flags := split(l.state.Load())
	if delta := want - flags&(wait|gate); delta != 0 {
		l.state.Add(delta)
	}
}

// validate checks what holds whenever nobody has mu.
func (l *RWLock) validate() error {
	if err := errors.Join(l.readers.validate(), l.writers.validate()); err != nil {
		return err
	}
	_, flags := split(l.state.Load())
	first := l.writers.head
	switch {
	case (flags&wait != 0) != (l.readers.len > 0 || l.writers.len > 0):
		return errors.New("WAIT disagrees with the queues")
	case (flags&gate != 0) != (first != nil && (l.policy != ReaderPreferring || first.overdue)):
		return errors.New("GATE disagrees with the policy")
	case l.readers.len > 0 && flags&(held|gate) == 0:
		return errors.New("readers are parked for no reason")
	}
	return nil
}
