package rwlock

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var policies = []Policy{ReaderPreferring, WriterPreferring, PhaseFair}

func newLock(tb testing.TB, cfg Config) *RWLock {
	tb.Helper()
	l, err := New(cfg)
	require.NoError(tb, err)
	return l
}

// bubbles runs f in a bubble for each policy.
func bubbles(t *testing.T, f func(t *testing.T, l *RWLock)) {
	t.Helper()
	for _, policy := range policies {
		synctest.Test(t, func(t *testing.T) { f(t, newLock(t, Config{Policy: policy})) })
	}
}

// call is a blocking call of its own goroutine; in a bubble it has settled when start returns.
type call struct {
	err   error
	at    time.Time // when it ended
	ended atomic.Bool
}

func (c *call) waits() bool { return !c.ended.Load() }

func start(f func() error) *call {
	c := &call{}
	go func() {
		c.err = f()
		c.at = time.Now()
		c.ended.Store(true)
	}()
	synctest.Wait()
	return c
}

func startLock(l *RWLock) *call  { return start(func() error { l.Lock(); return nil }) }
func startRLock(l *RWLock) *call { return start(func() error { l.RLock(); return nil }) }

func startLockContext(ctx context.Context, l *RWLock) *call {
	return start(func() error { return l.LockContext(ctx) })
}

func startRLockContext(ctx context.Context, l *RWLock) *call {
	return start(func() error { return l.RLockContext(ctx) })
}

// waiting returns which of the calls still wait, after all that can happen has happened.
func waiting(calls ...*call) []int {
	synctest.Wait()
	var still []int
	for i, c := range calls {
		if c.waits() {
			still = append(still, i)
		}
	}
	return still
}

// sleep lets time pass, and lets everybody act whose time comes at the end of it.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// What a reader does that comes while a writer waits for the readers inside.
func TestReaderArrivesBehindAWaitingWriter(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.RLock()
		w := startLock(l)
		r := startRLock(l)
		require.True(t, w.waits())
		if l.policy == ReaderPreferring {
			require.False(t, r.waits())
			l.RUnlock()
			assert.Equal(t, []int{0}, waiting(w), "the last reader is still inside")
			l.RUnlock()
			assert.Empty(t, waiting(w))
			l.Unlock()
			return
		}
		require.True(t, r.waits())
		l.RUnlock()
		assert.Equal(t, []int{1}, waiting(w, r))
		l.Unlock()
		assert.Empty(t, waiting(w, r))
		l.RUnlock()
	})
}

// Whom Unlock lets in, of readers and writers that came in turns.
func TestUnlockChooses(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.Lock()
		w1, r1, w2, r2 := startLock(l), startRLock(l), startLock(l), startRLock(l)
		require.Equal(t, []int{0, 1, 2, 3}, waiting(w1, r1, w2, r2))
		l.Unlock()
		if l.policy == WriterPreferring {
			require.Equal(t, []int{1, 2, 3}, waiting(w1, r1, w2, r2))
			l.Unlock()
			require.Equal(t, []int{1, 3}, waiting(w1, r1, w2, r2))
			l.Unlock()
			require.Empty(t, waiting(w1, r1, w2, r2))
			l.RUnlock()
			l.RUnlock()
			return
		}
		require.Equal(t, []int{0, 2}, waiting(w1, r1, w2, r2), "both readers, no writer")
		l.RUnlock()
		require.Equal(t, []int{0, 2}, waiting(w1, r1, w2, r2))
		l.RUnlock()
		require.Equal(t, []int{2}, waiting(w1, r1, w2, r2), "then the first writer")
		l.Unlock()
		require.Empty(t, waiting(w1, r1, w2, r2))
		l.Unlock()
	})
}

// A reader that has been counted, and has not queued yet when the writer leaves, comes in unless there is a gate to stop it.
func TestUnlockMeetsAReaderOnItsWay(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.Lock()
		w := startLock(l)
		l.state.Add(1) // as RLock does
		l.Unlock()
		require.Equal(t, l.policy != ReaderPreferring, l.Stats().Writing)
		r := start(func() error { l.rlockSlow(nil); return nil })
		require.Equal(t, l.policy != ReaderPreferring, r.waits())
		require.Equal(t, l.policy == ReaderPreferring, w.waits())
		drain(t, l)
		require.Empty(t, waiting(w, r))
	})
}

// Phases alternate: between two writers that wait come the readers that came before the first one left, and only they.
func TestPhaseFairAlternates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{Policy: PhaseFair})
		l.Lock()
		w := startLock(l)
		early := startRLock(l)
		l.Unlock()
		late := startRLock(l)
		require.Equal(t, []int{0, 2}, waiting(w, early, late))
		l.RUnlock() // early
		require.Equal(t, []int{1}, waiting(w, late))
		l.Unlock()
		require.Empty(t, waiting(late))
		l.RUnlock()
	})
}

// Writers get the lock in the order in which they came, and nobody comes between: the lock belongs to the next one before
// Unlock has returned. folly lost wake-ups of three and four writers (facebook/folly, commit b927c05).
func TestWritersAreServedInOrder(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		const writers = 20
		l.RLock()
		var order []int
		for i := range writers {
			start(func() error {
				l.Lock()
				order = append(order, i)
				return nil
			})
		}
		l.RUnlock()
		for range writers {
			require.False(t, l.TryLock(), "nobody barges")
			synctest.Wait()
			l.Unlock()
		}
		want := make([]int, writers)
		for i := range want {
			want[i] = i
		}
		assert.Equal(t, want, order)
		assert.True(t, l.TryLock())
		l.Unlock()
	})
}

// Reading recursively is safe with a reader-preferring lock, also with a writer waiting. It deadlocks with sync.RWMutex:
// golang/go#7576, weaviate/weaviate PR 4652, couchbase/sync_gateway PR 7322; parking_lot added a call for it
// (Amanieu/parking_lot#27, #212, #505).
func TestRegressionRecursiveRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l RWLock
		l.RLock()
		w := startLock(&l)
		for range 100 {
			l.RLock()
		}
		require.True(t, w.waits())
		for range 101 {
			l.RUnlock()
		}
		require.Empty(t, waiting(w))
		l.Unlock()
	})
}

// readerStorm keeps readers inside for hold each, staggered so that they overlap, until stop is closed.
func readerStorm(l *RWLock, readers int, hold time.Duration, stop chan struct{}) {
	for i := range readers {
		go func() {
			time.Sleep(time.Duration(i) * hold / time.Duration(readers))
			for {
				select {
				case <-stop:
					return
				default:
				}
				l.RLock()
				time.Sleep(hold)
				l.RUnlock()
			}
		}()
	}
}

// All readers are inside at the same time, as in the test of parallel readers that Go has for its own lock.
func TestReadersAreInsideTogether(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		const readers = 50
		l.Lock()
		var inside atomic.Int64
		everybody := make(chan struct{})
		for range readers {
			start(func() error {
				l.RLock()
				defer l.RUnlock()
				if inside.Add(1) == readers {
					close(everybody)
				}
				<-everybody
				return nil
			})
		}
		l.Unlock()
		<-everybody
		synctest.Wait()
		assert.Zero(t, l.state.Load())
	})
}

// Two readers that overlap starve a writer for good without a bound (golang/go#76808 asks for this preference), for a
// millisecond at most with the other policies.
func TestReadersStarveWritersByPolicyOnly(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		stop := make(chan struct{})
		readerStorm(l, 2, time.Millisecond, stop)
		time.Sleep(10*time.Millisecond + 1)
		begin := time.Now()
		w := startLock(l)
		time.Sleep(time.Minute)
		assert.Equal(t, l.policy == ReaderPreferring, w.waits())
		assert.Equal(t, uint64(1), l.Stats().WriteWaits)
		close(stop)
		time.Sleep(time.Second)
		require.Empty(t, waiting(w))
		if l.policy != ReaderPreferring {
			assert.LessOrEqual(t, w.at.Sub(begin), time.Millisecond)
		}
		l.Unlock()
		time.Sleep(time.Second) // the readers end
	})
}

// Writers that overlap starve a reader under WriterPreferring; else it waits for one writer (tinygo-org/tinygo#5692 and
// #5697 are about the mirror image).
func TestWritersStarveReadersByPolicyOnly(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		stop := make(chan struct{})
		for range 2 {
			go func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					l.Lock()
					time.Sleep(time.Millisecond)
					l.Unlock()
				}
			}()
		}
		time.Sleep(10*time.Millisecond + 1)
		begin := time.Now()
		r := startRLock(l)
		time.Sleep(time.Minute)
		assert.Equal(t, l.policy == WriterPreferring, r.waits())
		if l.policy != WriterPreferring {
			assert.Equal(t, time.Millisecond-1, r.at.Sub(begin), "the rest of one write section")
			l.RUnlock()
		}
		close(stop)
		time.Sleep(time.Second)
		if l.policy == WriterPreferring {
			require.Empty(t, waiting(r))
			l.RUnlock()
		}
	})
}

// With a bound the writer waits for the bound and the longest read section inside, to the nanosecond.
func TestMaxWriterWaitBoundsTheWait(t *testing.T) {
	for _, bound := range []time.Duration{1, 10 * time.Millisecond, time.Second} {
		for _, readers := range []int{2, 4, 8} {
			synctest.Test(t, func(t *testing.T) {
				const hold = time.Millisecond
				l := newLock(t, Config{MaxWriterWait: bound})
				stop := make(chan struct{})
				readerStorm(l, readers, hold, stop)
				time.Sleep(10*hold + 1)
				for i := range 20 {
					begin := time.Now()
					l.Lock()
					waited := time.Since(begin)
					l.Unlock()
					if i == 0 { // later the readers are in step, and leave a gap
						assert.GreaterOrEqual(t, waited, bound)
					}
					assert.LessOrEqual(t, waited, bound+hold)
					time.Sleep(3*hold + 7)
				}
				s := l.Stats()
				assert.Positive(t, s.Overdue)
				assert.LessOrEqual(t, s.Overdue, uint64(20))
				assert.Equal(t, uint64(20), s.WriteWaits)
				close(stop)
				time.Sleep(time.Second)
				assert.Zero(t, l.state.Load())
			})
		}
	}
}

// The instant at which a writer becomes overdue, and what then changes for whom.
func TestOverdueClosesTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{MaxWriterWait: time.Second})
		l.RLock()
		w := startLock(l)
		sleep(time.Second - 1)
		require.True(t, l.TryRLock(), "a nanosecond before it is due")
		l.RUnlock()
		require.Equal(t, Stats{Readers: 1, WaitingWriters: 1, OldestWriterWait: time.Second - 1, WriteWaits: 1}, l.Stats())
		sleep(1)
		require.False(t, l.TryRLock())
		require.Equal(t, uint64(1), l.Stats().Overdue)
		r := startRLock(l)
		require.True(t, r.waits())
		l.RUnlock()
		require.Equal(t, []int{1}, waiting(w, r))
		l.Unlock()
		require.Empty(t, waiting(r))
		require.True(t, l.TryRLock(), "reader preference again")
		l.RUnlock()
		l.RUnlock()
		assert.Zero(t, l.state.Load())
	})
}

// A second writer that is overdue when the first one leaves keeps the gate closed, so that overdue writers and groups of
// readers alternate; one that is not lets readers pass until it is.
func TestOverdueWritersAndReadersAlternate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{MaxWriterWait: time.Second})
		l.RLock()
		w1 := startLock(l)
		w2 := startLock(l)
		sleep(500 * time.Millisecond)
		w3 := startLock(l)
		sleep(500 * time.Millisecond)
		r1 := startRLock(l)
		require.True(t, r1.waits())
		l.RUnlock()
		require.Equal(t, []int{1, 2, 3}, waiting(w1, w2, w3, r1))
		l.Unlock() // of w1: the group of readers, then w2
		require.Equal(t, []int{1, 2}, waiting(w1, w2, w3, r1))
		r2 := startRLock(l)
		require.True(t, r2.waits(), "w2 is overdue")
		l.RUnlock() // of r1
		require.Equal(t, []int{2, 4}, waiting(w1, w2, w3, r1, r2))
		l.Unlock() // of w2
		require.Equal(t, []int{2}, waiting(w1, w2, w3, r1, r2))
		r3 := startRLock(l)
		require.False(t, r3.waits(), "w3 is not overdue yet")
		sleep(500 * time.Millisecond)
		r4 := startRLock(l)
		require.True(t, r4.waits())
		l.RUnlock()
		l.RUnlock()
		require.Equal(t, []int{1}, waiting(w3, r4))
		l.Unlock()
		require.Empty(t, waiting(r4))
		l.RUnlock()
		assert.Equal(t, uint64(3), l.Stats().Overdue)
		assert.Zero(t, l.state.Load())
	})
}

// A writer whose time comes at the very instant at which it is served, or gives up, is counted once.
func TestOverdueAtTheSameInstant(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			l := newLock(t, Config{MaxWriterWait: time.Second})
			l.Lock()
			go func() { time.Sleep(time.Second); l.Unlock() }()
			l.Lock()
			assert.Equal(t, uint64(1), l.Stats().Overdue)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, l.LockContext(ctx), context.DeadlineExceeded)
			assert.Equal(t, uint64(2), l.Stats().Overdue)
			l.Unlock()
			assert.Zero(t, l.state.Load())
		})
	}
}

// A writer that is served before its time leaves no timer and no gate behind.
func TestServedInTimeLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{MaxWriterWait: time.Second})
		for range 10 {
			l.RLock()
			w := startLock(l)
			sleep(time.Second - 1)
			l.RUnlock()
			require.Empty(t, waiting(w))
			l.Unlock()
			l.RLock()
			sleep(time.Second)
			require.True(t, l.TryRLock())
			l.RUnlock()
			l.RUnlock()
		}
		assert.Zero(t, l.Stats().Overdue)
		assert.Equal(t, queue{}, l.writers)
	})
}

// The largest bound is valid and never comes.
func TestMaxWriterWaitOfForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{MaxWriterWait: 1<<63 - 1})
		l.RLock()
		w := startLock(l)
		sleep(200 * 365 * 24 * time.Hour)
		require.True(t, w.waits())
		require.True(t, l.TryRLock())
		l.RUnlock()
		l.RUnlock()
		require.Empty(t, waiting(w))
		l.Unlock()
	})
}

// What a downgrade lets in (asked for and declined upstream: golang/go#23513, #38891, #40026, #44049): never a writer; the waiting readers, but under WriterPreferring only if no writer waits.
func TestDowngrade(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.Lock()
		r1 := startRLock(l)
		w := startLock(l)
		r2 := startRLock(l)
		l.Downgrade()
		require.Contains(t, waiting(r1, w, r2), 1)
		if l.policy == WriterPreferring {
			require.Equal(t, []int{0, 1, 2}, waiting(r1, w, r2))
			require.Equal(t, 1, l.Stats().Readers)
			l.RUnlock()
			require.Equal(t, []int{0, 2}, waiting(r1, w, r2))
			l.Unlock()
		} else {
			require.Equal(t, []int{1}, waiting(r1, w, r2))
			require.Equal(t, 3, l.Stats().Readers)
			late := startRLock(l)
			require.Equal(t, l.policy == PhaseFair, late.waits())
			l.RUnlock()
			l.RUnlock()
			l.RUnlock()
			if l.policy == ReaderPreferring {
				l.RUnlock()
			}
			require.Empty(t, waiting(w))
			l.Unlock()
			synctest.Wait()
			if l.policy == PhaseFair {
				l.RUnlock()
			}
		}
		synctest.Wait()
		for l.Stats().Readers > 0 {
			l.RUnlock()
		}
		assert.Zero(t, l.state.Load())
	})
}

// Under WriterPreferring a downgrade with nobody but readers waiting lets them in.
func TestDowngradeWithReadersOnly(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.Lock()
		r := startRLock(l)
		l.Downgrade()
		require.Empty(t, waiting(r))
		l.RUnlock()
		l.RUnlock()
		assert.Zero(t, l.state.Load())
	})
}

// A downgrade while the next writer is overdue keeps later readers out.
func TestDowngradeWithAnOverdueWriterNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{MaxWriterWait: time.Second})
		l.Lock()
		r1, w := startRLock(l), startLock(l)
		sleep(time.Second)
		l.Downgrade()
		require.Equal(t, []int{1}, waiting(r1, w))
		r2 := startRLock(l)
		require.True(t, r2.waits())
		l.RUnlock()
		l.RUnlock()
		require.Equal(t, []int{1}, waiting(w, r2))
		l.Unlock()
		require.Empty(t, waiting(r2))
		l.RUnlock()
	})
}

// An upgrade goes ahead of the writers that wait; the readers behind them wait for it, too.
func TestTryUpgradeGoesFirst(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.RLock()
		w := startLock(l)
		var behind *call
		if l.policy != ReaderPreferring {
			behind = startRLock(l)
			require.True(t, behind.waits())
		}
		require.True(t, l.TryUpgrade())
		require.True(t, l.Stats().Writing)
		late := startRLock(l)
		require.Equal(t, []int{0, 1}, waiting(w, late))
		l.Unlock()
		synctest.Wait()
		if l.policy == WriterPreferring {
			require.Equal(t, []int{1, 2}, waiting(w, late, behind))
			l.Unlock()
			synctest.Wait()
		} else {
			require.True(t, w.waits())
			want := 1 // late, and behind
			if behind != nil {
				want = 2
			}
			require.Equal(t, want, l.Stats().Readers)
		}
		for range l.Stats().Readers {
			l.RUnlock()
		}
		synctest.Wait()
		if l.policy != WriterPreferring {
			require.False(t, w.waits())
			l.Unlock()
		}
		assert.Zero(t, l.state.Load())
	})
}

// Two upgraders are both refused as long as both stay, and keep their read locks.
func TestTwoUpgraders(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.RLock()
		l.RLock()
		for range 10 {
			require.False(t, l.TryUpgrade())
		}
		w := startLock(l)
		require.False(t, l.TryUpgrade())
		l.RUnlock()
		require.True(t, l.TryUpgrade())
		require.True(t, w.waits())
		l.Unlock()
		require.Empty(t, waiting(w))
		l.Unlock()
	})
}

// Cancelled writers let in whom they kept waiting. Locks that forget it: golang/go#37852, marusama/semaphore#2.
func TestCancelledWriterLetsReadersIn(t *testing.T) {
	for _, cfg := range modelConfigs[1:] {
		for _, cancelled := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
			synctest.Test(t, func(t *testing.T) {
				l := newLock(t, cfg)
				l.RLock()
				var cancels []context.CancelFunc
				var writers []*call
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					cancels = append(cancels, cancel)
					writers = append(writers, startLockContext(ctx, l))
				}
				sleep(cfg.MaxWriterWait) // all are overdue
				r := startRLock(l)
				require.True(t, r.waits())
				for i, which := range cancelled {
					require.True(t, r.waits(), "%d writers are left", 3-i)
					cancels[which]()
					synctest.Wait()
					require.ErrorIs(t, writers[which].err, context.Canceled)
				}
				require.False(t, r.waits(), "at once, not when the reader inside leaves")
				require.True(t, l.TryRLock())
				require.Equal(t, int64(3), l.state.Load())
			})
		}
	}
}

// An overdue writer that gives up opens the gate if the next one is not overdue, and leaves it closed if it is.
func TestCancelledOverdueWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{MaxWriterWait: time.Second})
		l.RLock()
		ctx, cancel := context.WithCancel(t.Context())
		w1 := startLockContext(ctx, l)
		sleep(time.Second / 2)
		w2 := startLock(l)
		sleep(time.Second / 2)
		r := startRLock(l)
		require.Equal(t, []int{0, 1, 2}, waiting(w1, w2, r))
		cancel()
		require.Equal(t, []int{1}, waiting(w1, w2, r))
		sleep(time.Second / 2)
		require.False(t, l.TryRLock(), "now the second one is overdue")
		l.RUnlock()
		l.RUnlock()
		require.Empty(t, waiting(w2))
		l.Unlock()
		assert.Equal(t, uint64(2), l.Stats().Overdue)
	})
}

// Readers that were let in by a writer's cancellation while another writer holds the lock are not: they wait for it.
func TestCancelledWriterBehindAWriter(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		w, r := startLockContext(ctx, l), startRLock(l)
		cancel()
		require.Equal(t, []int{1}, waiting(w, r))
		l.Unlock()
		require.Empty(t, waiting(r))
		l.RUnlock()
		assert.Zero(t, l.state.Load())
	})
}

// A crowd of readers behind one writer is let in at once, whatever its size (cockroachdb/cockroach#142625).
func TestRegressionReaderStampede(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		const readers = 1000
		l.Lock()
		calls := make([]*call, readers)
		for i := range calls {
			calls[i] = startRLock(l)
		}
		begin := time.Now()
		l.Unlock()
		require.Empty(t, waiting(calls...))
		require.False(t, slices.ContainsFunc(calls, func(c *call) bool { return !c.at.Equal(begin) }))
		require.Equal(t, readers, l.Stats().Readers)
		for range readers {
			l.RUnlock()
		}
		assert.Zero(t, l.state.Load())
	})
}

// A hundred parked calls take no processor for a year. A bubble lets time pass only while everybody in it is blocked, so
// that one call that yields in a loop, as the RBMutex of puzpuzpuz/xsync does until the readers have left, or that looks
// every few milliseconds keeps this test from ending.
func TestParkedCallsAreIdle(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, cfg := range modelConfigs {
		synctest.Test(t, func(t *testing.T) {
			l := newLock(t, cfg)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l.Lock()
			var calls []*call
			for range 25 {
				calls = append(calls, startLock(l), startRLock(l), startLockContext(ctx, l), startRLockContext(ctx, l))
			}
			time.Sleep(year)
			require.Len(t, waiting(calls...), 100)
			require.Equal(t, year, l.Stats().OldestWriterWait)
			drain(t, l)
			require.Empty(t, waiting(calls...))
		})
	}
}
