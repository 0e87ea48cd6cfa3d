//nolint:staticcheck // sections are empty on purpose (SA2001)
package rwlock

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

// activity counts who is inside: 1 for a reader, many for a writer. Go's own test of its RWMutex has it.
type activity struct {
	inside atomic.Int64
	value  int // written under Lock, read under RLock: the race detector watches
}

const asWriter = 10_000

func (a *activity) enterRead() error {
	if n := a.inside.Add(1); n < 1 || n >= asWriter {
		return fmt.Errorf("a reader comes in and finds %d", n-1)
	}
	_ = a.value
	return nil
}

func (a *activity) leaveRead() { a.inside.Add(-1) }

func (a *activity) enterWrite() error {
	if n := a.inside.Add(asWriter); n != asWriter {
		return fmt.Errorf("a writer comes in and finds %d", n-asWriter)
	}
	a.value++
	return nil
}

func (a *activity) leaveWrite() { a.inside.Add(-asWriter) }

// reading does what a reader may do, writing what a writer may.
func reading(l *RWLock, a *activity, rng *rand.Rand) error {
	if err := a.enterRead(); err != nil {
		return err
	}
	if rng.IntN(4) == 0 {
		runtime.Gosched()
	}
	a.leaveRead()
	if rng.IntN(3) > 0 || !l.TryUpgrade() {
		l.RUnlock()
		return nil
	}
	return writing(l, a, rng)
}

func writing(l *RWLock, a *activity, rng *rand.Rand) error {
	if err := a.enterWrite(); err != nil {
		return err
	}
	if rng.IntN(4) == 0 {
		runtime.Gosched()
	}
	a.leaveWrite()
	if rng.IntN(3) > 0 {
		l.Unlock()
		return nil
	}
	l.Downgrade()
	if err := a.enterRead(); err != nil {
		return err
	}
	a.leaveRead()
	l.RUnlock()
	return nil
}

// attempt tries to get the lock in some way and uses it.
func attempt(l *RWLock, a *activity, rng *rand.Rand) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch rng.IntN(8) {
	case 0, 1:
		l.RLock()
		return reading(l, a, rng)
	case 2:
		l.Lock()
		return writing(l, a, rng)
	case 3:
		if l.TryRLock() {
			return reading(l, a, rng)
		}
	case 4:
		if l.TryLock() {
			return writing(l, a, rng)
		}
	case 5:
		go cancel()
		if l.RLockContext(ctx) == nil {
			return reading(l, a, rng)
		}
	case 6:
		go cancel()
		if l.LockContext(ctx) == nil {
			return writing(l, a, rng)
		}
	default:
		if s := l.Stats(); s.Readers > 0 && s.Writing {
			return fmt.Errorf("%+v", s)
		}
	}
	return nil
}

// Every call at once, under every policy, on 1, 2 and 8 processors: never a reader with a writer, never two writers, nobody
// is left behind.
func TestHammer(t *testing.T) {
	rounds := 600
	if testing.Short() {
		rounds /= 10
	}
	for _, procs := range []int{1, 2, 8} {
		before := runtime.GOMAXPROCS(procs)
		for _, cfg := range append(modelConfigs, Config{MaxWriterWait: 1}, Config{MaxWriterWait: 20 * time.Microsecond}) {
			l := newLock(t, cfg)
			var a activity
			hammer.Run(t, 8, rounds, func(_ int, rng *rand.Rand) error { return attempt(l, &a, rng) })
			require.Zero(t, l.state.Load(), "%+v", cfg)
			require.NoError(t, consistent(l))
			require.Equal(t, queue{}, l.readers)
			require.Equal(t, queue{}, l.writers)
		}
		runtime.GOMAXPROCS(before)
	}
}

// The same in a bubble, where a wake-up that is lost ends the test as a deadlock.
func TestHammerInBubbles(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		var a activity
		hammer.Run(t, 6, 500, func(_ int, rng *rand.Rand) error { return attempt(l, &a, rng) })
		assert.Zero(t, l.state.Load())
	})
}

// Writers and readers that wait are woken, however leaving and arriving meet: the last RUnlock against a Lock, against a
// reader at the gate, a Downgrade, a cancellation. In a bubble a lost wake-up is a deadlock at once. abseil keeps tests of
// such a reader wake-up and of a reader decrement (absl/synchronization/mutex_test.cc).
func TestLastReaderMeetsAWriter(t *testing.T) {
	for _, cfg := range modelConfigs {
		synctest.Test(t, func(t *testing.T) {
			l := newLock(t, cfg)
			for range 1000 {
				done := make(chan struct{}, 3)
				l.RLock()
				go func() { l.Lock(); l.Unlock(); done <- struct{}{} }()
				go func() { l.RLock(); l.RUnlock(); done <- struct{}{} }()
				go func() { l.RUnlock(); done <- struct{}{} }()
				for range 3 {
					<-done
				}
				require.Zero(t, l.state.Load())
			}
		})
	}
}

func toInt(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// Of two calls for one lock exactly one succeeds, and a failing one leaves nothing that makes the other fail.
func TestLitmusOfTries(t *testing.T) {
	const trials = 5000
	free := func() *RWLock { return new(RWLock) }
	lock := func(l *RWLock) int { return toInt(l.TryLock()) }
	rlock := func(l *RWLock) int { return toInt(l.TryRLock()) }
	seen := litmus.Run(trials, free, lock, lock)
	assert.Zero(t, seen[litmus.Outcome{A: 1, B: 1}])
	assert.Zero(t, seen[litmus.Outcome{A: 0, B: 0}])
	seen = litmus.Run(trials, free, lock, rlock)
	assert.Zero(t, seen[litmus.Outcome{A: 1, B: 1}])
	assert.Zero(t, seen[litmus.Outcome{A: 0, B: 0}])
	assert.Equal(t, map[litmus.Outcome]int{{A: 1, B: 1}: trials}, litmus.Run(trials, free, rlock, rlock))

	// A TryRLock that fails, because a writer waits, is invisible to the one reader that upgrades.
	upgradable := func() *RWLock {
		l := &RWLock{policy: PhaseFair}
		l.RLock()
		l.writers.push(newWaiter())
		l.announce()
		return l
	}
	upgrade := func(l *RWLock) int { return toInt(l.TryUpgrade()) }
	assert.Equal(t, map[litmus.Outcome]int{{A: 1, B: 0}: trials}, litmus.Run(trials, upgradable, upgrade, rlock))

	// Of two upgraders at most one succeeds, and here none, since both stay.
	two := func() *RWLock {
		l := new(RWLock)
		l.RLock()
		l.RLock()
		return l
	}
	assert.Equal(t, map[litmus.Outcome]int{{A: 0, B: 0}: trials}, litmus.Run(trials, two, upgrade, upgrade))
}

// An Unlock by mistake races with readers, and changes nothing for them.
func TestMistakenUnlockRacesWithReaders(t *testing.T) {
	var l RWLock
	hammer.Run(t, 4, 2000, func(worker int, _ *rand.Rand) error {
		if worker > 0 {
			l.RLock()
			l.RUnlock()
			return nil
		}
		if ok, err := misuse(true, l.Unlock); ok || err != nil {
			return fmt.Errorf("Unlock: %w", err)
		}
		return nil
	})
	assert.Zero(t, l.state.Load())
	assert.True(t, l.TryLock())
}

// An RUnlock by mistake races with writers, which get the lock all the same, and one after the other.
func TestMistakenRUnlockRacesWithWriters(t *testing.T) {
	for _, policy := range policies {
		l := newLock(t, Config{Policy: policy})
		var a activity
		hammer.Run(t, 4, 1000, func(worker int, rng *rand.Rand) error {
			if worker > 0 {
				l.Lock()
				defer l.Unlock()
				defer a.leaveWrite()
				return a.enterWrite()
			}
			if ok, err := misuse(true, l.RUnlock); ok || err != nil {
				return fmt.Errorf("RUnlock: %w", err)
			}
			return nil
		})
		assert.Zero(t, l.state.Load())
	}
}
