// Package rwlock is a reader/writer lock that prefers whom you choose.
//
// Many may read at once, or one may write. The zero value prefers readers; New
// makes one that prefers writers, or is fair to both, or prefers readers and
// still bounds how long a writer waits. Waits can be cancelled.
//
//	var l rwlock.RWLock
//
//	l.RLock()
//	v := m[key]
//	l.RUnlock()
//
//	if err := l.LockContext(ctx); err != nil {
//		return err
//	}
//	m[key] = v
//	l.Unlock()
//
// # Choosing
//
// Take sync.RWMutex unless one of these is needed, and sync.Mutex unless the
// read sections are long: a read lock is two atomic operations on one word that
// all cores share, so that short sections gain nothing from being shared.
//
//   - [ReaderPreferring], the zero value: a reader never waits for a writer
//     that is itself waiting. Read locks may be taken recursively, and a
//     callback may take one again; under sync.RWMutex that is a deadlock as
//     soon as a writer comes between (golang/go#7576). The price: while the
//     reads overlap, a writer never gets in.
//   - ReaderPreferring with MaxWriterWait: the same until a writer has waited
//     that long; then it goes next. Recursive read locks are not safe any more.
//   - [WriterPreferring]: what is written should be seen soon, and writes are
//     few. The price: while the writes overlap, a reader never gets in.
//   - [PhaseFair]: nobody starves. A reader waits for one writer at most, a
//     writer for one group of readers per writer ahead of it. sync.RWMutex is
//     close to this.
//
// On AMD EPYC, 2 vCPUs, Go 1.26 a pair of RLock and RUnlock that meets nobody
// takes 5.5 to 6.0 ns, whatever the policy; a pair of Lock and Unlock takes
// 5.7 ns, against 11 with sync.RWMutex.
//
// The methods that sync.RWMutex does not have: [RWLock.LockContext] and
// [RWLock.RLockContext] give up with their context, [RWLock.Downgrade] and
// [RWLock.TryUpgrade] change one kind of lock into the other without letting a
// writer in between, [RWLock.Stats] tells who waits. To limit how many may do
// something at the same time use golang.org/x/sync/semaphore; for values that
// are replaced as a whole, an atomic.Pointer.
//
// # Who waits for how long
//
// Readers hold the lock for 1 ms each and then leave it alone for the gap; a
// writer asks for it every 2 ms for 1.5 s. How long it waited, as median and
// 99th percentile in milliseconds (BenchmarkWriterWait; AMD EPYC, 2 vCPUs, Go
// 1.26):
//
//	readers, gap        2, 0       4, 0       2, 1 ms    4, 1 ms    8, 1 ms
//	ReaderPreferring    > 1500     > 1500     0.0   4.6  4.5  21.5  0.0  33.1
//	  10 ms at most     11.5 13.1  11.5 12-20 0.0   7.2  3.5  12.0  9.3  12.2
//	WriterPreferring     1.1  2.1   1.1  2.6  1.1   1.5  1.1   2.2  1.1   1.8
//	PhaseFair            1.1  2.8   1.1  1.5  1.1   1.8  1.1   2.2  1.2   1.9
//	sync.RWMutex         1.1  2.2   1.1  1.8  1.1   1.6  1.1   1.7  0.0   2.2
//
// Two readers without a gap, each of whom comes back while the other is inside,
// keep a writer out of a reader-preferring lock for good: not one acquisition.
// This is the lock of the textbooks. With a gap the writer waits until all
// readers happen to be outside together, which takes the longer the more they
// are; a bound of 10 ms cuts that off at 10 ms and a read section. Where a
// writer goes next it waits for one read section.
//
// Timers and scheduler add to all of these, the more the busier the machine is:
// the 99th percentile given as 12-20 was 12.3 in the best run and 14.2 to 19.9
// in later ones, the other figures are of one run each. In a bubble of
// testing/synctest, where time is exact, the longest wait under that bound is
// 11 ms.
//
// The mirror image, writers that hold the lock for 1 ms and a reader that asks
// for it every 2 ms (BenchmarkReaderWait):
//
//	writers, gap        2, 0       4, 0       2, 1 ms
//	ReaderPreferring    1.1  1.6   1.1  2.4   1.1   2.2
//	  10 ms at most     1.1  4.9   1.1  2.2   1.1   3.6
//	WriterPreferring    > 1500     > 1500     1.1  12.9
//	PhaseFair           1.1  3.1   1.1  2.3   1.1   1.9
//	sync.RWMutex        1.1  2.1   1.1  2.8   1.1   2.3
//
// Here it is writer preference that starves: while one writer is inside the
// other one queues, and the reader is behind both. Under the other policies a
// reader waits for the rest of one write section.
//
// # Algorithm
//
// Reader preference and writer preference are the first and the second problem
// of Courtois, Heymans and Parnas, "Concurrent Control with Readers and
// Writers" (CACM 1971). Phase-fairness is from Brandenburg and Anderson,
// "Spin-Based Reader-Writer Synchronization for Multiprocessor Real-Time
// Systems" (Real-Time Systems 2010); here it blocks instead of spinning. All
// three are one algorithm with different answers to two questions: do new
// readers queue while a writer waits, and who is next when a writer leaves?
//
//	                   new readers queue      after a writer
//	ReaderPreferring   never                  all readers, then a writer
//	  overdue          yes                    all readers, then a writer
//	WriterPreferring   while a writer waits   a writer, then all readers
//	PhaseFair          while a writer waits   all readers, then a writer
//
// The state is one word, so that a lock nobody fights over costs one atomic
// operation, as in folly::SharedMutex and, for readers, in sync.RWMutex:
//
//	 63   62 ... 34   33     32    31 ............................. 0
//	+----+---------+------+------+----------------------------------+
//	|WAIT|    0    | GATE | HELD |  readers, inside or on their way |
//	+----+---------+------+------+----------------------------------+
//	  |               |      +-- a writer is inside
//	  |               +--------- new readers queue
//	  +------------------------- somebody is parked: leaving takes the mutex
//
// A reader adds 1, and is inside if neither HELD nor GATE was set. A writer
// swaps 0 for HELD. Whoever cannot have the lock takes a mutex, queues, and
// sleeps on a channel of its own; whoever leaves and sees WAIT takes the mutex
// and hands the lock over. A lock that is handed over belongs to the waiter
// before Unlock or RUnlock returns: nobody barges in, and writers are served in
// the order in which they came.
//
// # Concurrency
//
// All methods may be called from any goroutine, and a lock taken by one may be
// released by another. In the words of the Go memory model: an Unlock or
// Downgrade is synchronized before the return of every Lock and RLock that it
// lets in, an RUnlock before the return of the next Lock, for all the forms of
// these calls. Readers are not ordered among themselves, and a program built
// with -race is told so: a write made under RLock is reported as it is with
// sync.RWMutex, although the readers share an atomic word.
//
// Waits are durable in a testing/synctest bubble, which those for a
// sync.RWMutex are not (golang/go#77687). A lock may be used in one bubble
// after the other, but not in two at the same time while somebody waits. There
// is no goroutine, and no timer except while a writer waits under
// MaxWriterWait. Ages are measured on the monotonic clock; setting the wall
// clock has no effect.
//
// # Limits
//
// At most 2^31-1 read locks at a time; one more panics. The cost of reading
// grows with the number of cores that read, as for sync.RWMutex, since all of
// them write one cache line. There is no blocking upgrade: two readers that
// both waited for the other to leave would wait for ever.
//
// A call that releases what is not locked panics and leaves the lock as it was,
// so that a program which recovers can go on. There are two exceptions. A call
// too many while others hold such a lock, or are just taking it, cannot be told
// from theirs: it releases the lock of one of them, whose own release may panic
// instead. And RUnlock notices its mistake by taking a reader away and putting
// it back: one that comes in between the two, by itself or because a writer
// leaves, is not counted for so long. In both cases a writer may come in beside
// that reader. If the reader leaves first its RUnlock panics, too, and the lock
// may go on with a wrong number of readers: one too many can keep writers out
// for good. Hence a program that recovers from such a panic should use the lock
// again only if nobody else did meanwhile.
package rwlock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// ErrConfig is returned by New when a field is out of range; the text names the
// field.
var ErrConfig = errors.New("rwlock: invalid config")

// Policy says who goes first.
type Policy uint8

const (
	// ReaderPreferring lets a reader wait only while a writer holds the lock, or
	// is owed it by MaxWriterWait. Readers can starve writers. Problem 1 of
	// Courtois, Heymans and Parnas, 1971.
	ReaderPreferring Policy = iota

	// WriterPreferring lets a reader wait while a writer holds the lock or waits
	// for it. Writers can starve readers. Problem 2 of the same paper.
	WriterPreferring

	// PhaseFair lets phases of readers and of a writer alternate: a reader waits
	// for at most one writer, a writer for at most one reader phase per writer
	// ahead of it.
	// Brandenburg and Anderson, 2010.
	PhaseFair
)

// Config configures New. The zero value is valid and makes the same lock as the
// zero RWLock.
type Config struct {
	// Policy is the preference. Default ReaderPreferring.
	Policy Policy

	// MaxWriterWait bounds the starvation of writers under ReaderPreferring:
	// once the longest-waiting writer has waited this long, new readers queue
	// behind it, and it gets the lock when the readers inside have left. 0, the
	// default, means no bound. It is only for ReaderPreferring; the other
	// policies bound the wait by themselves. With a bound, recursive read
	// locking can deadlock, as with sync.RWMutex.
	MaxWriterWait time.Duration
}

// validate returns an error that names the field at fault.
func (cfg *Config) validate() error {
	switch {
	case cfg.Policy > PhaseFair:
		return fmt.Errorf("%w: Policy must be ReaderPreferring, WriterPreferring or PhaseFair, got %d",
			ErrConfig, cfg.Policy)
	case cfg.MaxWriterWait < 0:
		return fmt.Errorf("%w: MaxWriterWait must not be negative, got %v", ErrConfig, cfg.MaxWriterWait)
	case cfg.MaxWriterWait > 0 && cfg.Policy != ReaderPreferring:
		return fmt.Errorf("%w: MaxWriterWait must be 0 unless Policy is ReaderPreferring, got %v",
			ErrConfig, cfg.MaxWriterWait)
	}
	return nil
}

// The parts of RWLock.state. They are added and subtracted, never masked in:
// while a mistaken RUnlock has taken a reader that is not there, the word has
// borrowed from the bits above, and only sums come out right when the 1 is put
// back.
const (
	held int64 = 1 << 32       // a writer is inside
	gate int64 = 1 << 33       // new readers queue
	wait int64 = math.MinInt64 // bit 63: somebody is parked

	guard int64 = 1 << 31 // set by a reader too many, or by a borrow

	// blocked are the bits that keep a reader from just going in.
	blocked = held | gate | guard

	maxReaders = 1<<31 - 1

	// borrows is how far the count of readers may be below zero, by mistakes
	// that are under way, and still be told from one that is too high.
	borrows = 1 << 30
)

// split takes a state apart into the readers and the bits above. The readers
// are below zero while a mistaken RUnlock is under way.
func split(state int64) (readers, flags int64) {
	flags = (state + borrows) &^ (1<<32 - 1)
	return state - flags, flags
}

// RWLock is a reader/writer lock. The zero value is unlocked and
// ReaderPreferring. It must not be copied after first use.
//
// A lock is not tied to a goroutine: one may lock and another unlock. It
// implements sync.Locker. A method does O(1) work, and O(1) more for each
// reader that it lets in. One that need not wait allocates nothing; one that
// waits allocates at most twice, and five times if it is a writer under
// MaxWriterWait. On a nil RWLock every method panics with a nil dereference.
type RWLock struct {
	// state is one word for the fast paths.
	//
	//	WAIT 63 | 0 | GATE 33 | HELD 32 | readers 31..0
	//
	// HELD changes hands outside of the mutex only where the word is otherwise
	// 0 or one reader; WAIT and GATE are changed by the holder of mu alone,
	// hence so is HELD while somebody is parked.
	//
	// While HELD is set, the readers counted are those who wait for the writer
	// to leave: they are in the moment HELD is taken away, and no writer can
	// slip in before them. While it is not, they are inside, or about to find
	// GATE and to take their 1 back.
	state word

	race markers // what the race detector is told instead of state

	policy Policy
	bound  time.Duration // MaxWriterWait

	mu sync.Mutex // mu guards the fields below; nobody holds it while waiting

	// Parked readers are counted in state exactly while HELD is set.
	readers queue
	writers queue
	granted *waiter // whom unlock has to wake, linked

	readWaits  uint64
	writeWaits uint64
	overdue    uint64
}

// New returns an unlocked lock. An error matches ErrConfig and names the field
// at fault.
func New(cfg Config) (*RWLock, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &RWLock{policy: cfg.Policy, bound: cfg.MaxWriterWait}, nil
}

// RLock takes a read lock, and waits as long as the policy says. Taking one
// while holding one is safe under ReaderPreferring without MaxWriterWait, and
// only there.
func (l *RWLock) RLock() {
	if l.state.Add(1)&blocked != 0 { // the 1 is a claim on a read lock
		l.rlockSlow(nil)
	}
	l.race.acquireRead()
}

// RUnlock gives one read lock back. It panics if the lock is not read-locked.
func (l *RWLock) RUnlock() {
	if raceEnabled { // the constant leaves RUnlock small enough to be inlined
		l.race.releaseRead()
	}
	// Readers alone make a small number; everything else makes a large one.
	if state := l.state.Add(-1); uint64(state) > maxReaders {
		l.runlockSlow(state)
	}
}

// Lock takes the write lock, after the writers that came before.
func (l *RWLock) Lock() {
	if !l.state.CompareAndSwap(0, held) { // passes the lock to this writer
		l.lockSlow(nil)
	}
	l.race.acquireWrite()
}

// Unlock gives the write lock back. It panics if the lock is not write-locked.
func (l *RWLock) Unlock() {
	l.race.releaseWrite()
	if !l.state.CompareAndSwap(held, 0) { // nobody is parked, nobody on the way
		l.unlockSlow()
	}
}

// TryRLock takes a read lock if RLock would not have to wait, and reports
// whether it did. It never blocks, and leaves no trace if it fails.
func (l *RWLock) TryRLock() bool {
	for {
		state := l.state.Load()
		if state&^wait >= maxReaders { // not just readers, or too many
			readers, flags := split(state)
			if flags&(held|gate) != 0 {
				return false
			}
			if readers >= maxReaders {
				panic(tooMany)
			}
		}
		chaos.Point("rwlock: state read, not yet swapped")
		if l.state.CompareAndSwap(state, state+1) {
			l.race.acquireRead()
			return true
		}
	}
}

// TryLock takes the write lock if it is free and no writer waits, and reports
// whether it did. It never blocks.
func (l *RWLock) TryLock() bool {
	if !l.state.CompareAndSwap(0, held) {
		return false
	}
	l.race.acquireWrite()
	return true
}

// LockContext is Lock that gives up when ctx is done: nil means that the lock
// is held, an error that it is not. A ctx that is done from the start is always
// an error, also on a free lock. The error matches ctx.Err() and
// context.Cause(ctx).
//
// If the lock was handed over before the cancellation was seen, LockContext
// returns nil and the lock is held.
func (l *RWLock) LockContext(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	if !l.state.CompareAndSwap(0, held) && !l.lockSlow(ctx.Done()) {
		return ctxerr.Of(ctx)
	}
	l.race.acquireWrite()
	return nil
}

// RLockContext is RLock that gives up when ctx is done, by the rules of
// LockContext.
func (l *RWLock) RLockContext(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	if l.state.Add(1)&blocked != 0 && !l.rlockSlow(ctx.Done()) {
		return ctxerr.Of(ctx)
	}
	l.race.acquireRead()
	return nil
}

// RLocker returns a sync.Locker whose Lock and Unlock are RLock and RUnlock.
func (l *RWLock) RLocker() sync.Locker { return (*rlocker)(l) }

type rlocker RWLock

// Lock is RLock.
func (r *rlocker) Lock() { (*RWLock)(r).RLock() }

// Unlock is RUnlock.
func (r *rlocker) Unlock() { (*RWLock)(r).RUnlock() }
