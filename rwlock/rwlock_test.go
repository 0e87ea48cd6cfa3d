//nolint:staticcheck // sections are empty on purpose (SA2001)
package rwlock

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewRejects(t *testing.T) {
	for want, cfg := range map[string]Config{
		"Policy must be ReaderPreferring, WriterPreferring or PhaseFair, got 3":                   {Policy: 3},
		"Policy must be ReaderPreferring, WriterPreferring or PhaseFair, got 255":                 {Policy: 255},
		"MaxWriterWait must not be negative, got -1s":                                             {MaxWriterWait: -time.Second},
		"MaxWriterWait must not be negative, got -1ns":                                            {MaxWriterWait: -1, Policy: PhaseFair},
		"MaxWriterWait must not be negative, got -2562047h47m16.854775808s":                       {MaxWriterWait: math.MinInt64},
		"MaxWriterWait must be 0 unless Policy is ReaderPreferring, got 1ns":                      {MaxWriterWait: 1, Policy: WriterPreferring},
		"MaxWriterWait must be 0 unless Policy is ReaderPreferring, got 1s":                       {MaxWriterWait: time.Second, Policy: PhaseFair},
		"MaxWriterWait must be 0 unless Policy is ReaderPreferring, got 2562047h47m16.854775807s": {MaxWriterWait: math.MaxInt64, Policy: PhaseFair},
	} {
		l, err := New(cfg)
		assert.Nil(t, l)
		require.ErrorIs(t, err, ErrConfig)
		assert.EqualError(t, err, "rwlock: invalid config: "+want)
	}
}

func TestNewAccepts(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Policy: WriterPreferring}, {Policy: PhaseFair}, {MaxWriterWait: 1}, {MaxWriterWait: math.MaxInt64},
	} {
		l, err := New(cfg)
		require.NoError(t, err)
		l.Lock()
		l.Unlock()
	}
}

func TestZeroValueIsTheZeroConfig(t *testing.T) {
	var zero RWLock
	l := newLock(t, Config{})
	assert.Equal(t, &zero, l)
	assert.Equal(t, Stats{}, zero.Stats())
}

// The runtime panics, and nothing hangs; also under the race detector, which must not stay switched off.
func TestNilPanics(t *testing.T) {
	var l *RWLock
	for name, f := range map[string]func(){
		"Lock": l.Lock, "Unlock": l.Unlock, "RLock": l.RLock, "RUnlock": l.RUnlock, "Downgrade": l.Downgrade,
		"TryLock":      func() { l.TryLock() },
		"TryRLock":     func() { l.TryRLock() },
		"TryUpgrade":   func() { l.TryUpgrade() },
		"Stats":        func() { l.Stats() },
		"LockContext":  func() { _ = l.LockContext(t.Context()) },
		"RLockContext": func() { _ = l.RLockContext(t.Context()) },
		"RLocker":      func() { l.RLocker().Lock() },
	} {
		assert.PanicsWithError(t, "runtime error: invalid memory address or nil pointer dereference", f, name)
	}
}

// At most 128 bytes; the race detector needs two more.
func TestSize(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(RWLock{}), uintptr(128))
}

// sync.Locker, twice.
func TestLockers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l RWLock
		var writer sync.Locker = &l
		reader := l.RLocker()
		reader.Lock()
		reader.Lock()
		require.Equal(t, 2, l.Stats().Readers)
		w := start(func() error { writer.Lock(); return nil })
		require.True(t, w.waits())
		reader.Unlock()
		reader.Unlock()
		require.Empty(t, waiting(w))
		require.True(t, l.Stats().Writing)
		writer.Unlock()
		assert.Zero(t, l.state.Load())
	})
}

// In which state what may be tried.
func TestTry(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		require.True(t, l.TryRLock())
		require.True(t, l.TryRLock())
		require.False(t, l.TryLock())
		l.RUnlock()
		l.RUnlock()
		require.True(t, l.TryLock())
		require.False(t, l.TryLock())
		require.False(t, l.TryRLock())
		require.Equal(t, held, l.state.Load(), "no trace")
		w := startLock(l)
		require.False(t, l.TryLock())
		l.Unlock()
		synctest.Wait()
		require.False(t, w.waits())
		l.Unlock()
		l.RLock()
		w = startLock(l)
		require.False(t, l.TryLock())
		require.Equal(t, l.policy == ReaderPreferring, l.TryRLock())
		for range l.Stats().Readers {
			l.RUnlock()
		}
		synctest.Wait()
		require.False(t, w.waits())
		l.Unlock()
		assert.Zero(t, l.state.Load())
	})
}

// Every wrong release, in every state of the lock: a panic that says what is wrong, and a lock that goes on as before.
func TestMisusePanics(t *testing.T) {
	const of = " of an RWLock that is not locked for "
	wrong := map[string]func(*RWLock){
		"rwlock: Unlock" + of + "writing":     (*RWLock).Unlock,
		"rwlock: Downgrade" + of + "writing":  (*RWLock).Downgrade,
		"rwlock: RUnlock" + of + "reading":    (*RWLock).RUnlock,
		"rwlock: TryUpgrade" + of + "reading": func(l *RWLock) { l.TryUpgrade() },
	}
	for text, misused := range wrong {
		read := text[len(text)-7:] == "reading"
		for _, waitsReader := range []bool{false, true} {
			for _, waitsWriter := range []bool{false, true} {
				bubbles(t, func(t *testing.T, l *RWLock) {
					require.PanicsWithValue(t, text, func() { misused(l) }, "unlocked")
					require.Zero(t, l.state.Load())
					lock, unlock := l.RLock, l.RUnlock
					if read {
						lock, unlock = l.Lock, l.Unlock
					}
					lock()
					var calls []*call
					if waitsWriter {
						calls = append(calls, startLock(l))
					}
					if waitsReader {
						calls = append(calls, startRLock(l))
					}
					before, word, waits := l.Stats(), l.state.Load(), waiting(calls...)
					for range 3 {
						require.PanicsWithValue(t, text, func() { misused(l) })
					}
					require.Equal(t, before, l.Stats())
					require.Equal(t, word, l.state.Load())
					require.Equal(t, waits, waiting(calls...))
					unlock()
					drain(t, l)
					require.Empty(t, waiting(calls...))
				})
			}
		}
	}
	var l RWLock
	assert.PanicsWithValue(t, notRead, l.RLocker().Unlock)
}

// drain unlocks until nobody is inside.
func drain(t *testing.T, l *RWLock) {
	t.Helper()
	for {
		synctest.Wait()
		switch s := l.Stats(); {
		case s.Writing:
			l.Unlock()
		case s.Readers > 0:
			l.RUnlock()
		default:
			require.Zero(t, l.state.Load())
			return
		}
	}
}

// A mistaken RUnlock that is under way has borrowed from the bits above; whoever comes meanwhile is served once the 1 is
// back, and the bits above come out right.
func TestBorrowIntoTheFlags(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		l.state.Add(-1) // as RUnlock does
		w := startLock(l)
		require.True(t, w.waits())
		require.PanicsWithValue(t, notRead, func() { l.runlockSlow(l.state.Load()) })
		require.Empty(t, waiting(w))
		require.Equal(t, held, l.state.Load())

		before := l.state.Add(-1)
		readers, flags := split(before)
		require.Equal(t, int64(-1), readers)
		require.Equal(t, held, flags)
		r := startRLock(l)
		require.True(t, r.waits())
		require.False(t, l.TryRLock())
		require.False(t, l.TryLock())
		require.PanicsWithValue(t, notRead, func() { l.runlockSlow(before) })
		require.Equal(t, held+1, l.state.Load()&^wait)

		before = l.state.Add(-1) // the Unlock comes in between
		l.Unlock()
		require.PanicsWithValue(t, notRead, func() { l.runlockSlow(before) })
		require.Empty(t, waiting(r))
		require.Equal(t, int64(1), l.state.Load())
		l.RUnlock()
	})
}

// What the manual warns of: a reader that comes while an RUnlock by mistake is under way is not counted, a writer comes in
// beside it, and if the reader leaves first its 1 stays. Nobody is left asleep, and one RUnlock more repairs the count.
func TestMistakenRUnlockMeetsAReader(t *testing.T) {
	bubbles(t, func(t *testing.T, l *RWLock) {
		before := l.state.Add(-1) // as RUnlock does
		l.RLock()
		require.True(t, l.TryLock(), "and a writer beside it")
		require.PanicsWithValue(t, notRead, func() { l.runlockSlow(before) })
		require.Equal(t, held+1, l.state.Load())
		require.PanicsWithValue(t, notRead, l.RUnlock, "the reader leaves first")
		l.Unlock()
		require.Equal(t, 1, l.Stats().Readers)
		w := startLock(l)
		require.True(t, w.waits())
		l.RUnlock()
		require.Empty(t, waiting(w))
		l.Unlock()
		assert.Zero(t, l.state.Load())

		before = l.state.Add(-1)
		l.RLock()
		require.True(t, l.TryLock())
		require.PanicsWithValue(t, notRead, func() { l.runlockSlow(before) })
		l.Unlock() // the writer leaves first: all is well
		l.RUnlock()
		assert.Zero(t, l.state.Load())
	})
}

// split is exact for as many readers and as many mistakes as there may be.
func TestSplit(t *testing.T) {
	for _, flags := range []int64{0, held, gate, wait, held | gate, held | wait, gate | wait, held | gate | wait} {
		for _, readers := range []int64{0, 1, -1, 1000, -borrows, maxReaders - 1, maxReaders, maxReaders + 1} {
			gotReaders, gotFlags := split(flags + readers)
			assert.Equal(t, readers, gotReaders)
			assert.Equal(t, flags, gotFlags)
		}
	}
}

// The read lock after the last one panics, in each form, and takes nothing; also while a writer waits.
func TestTooManyReaders(t *testing.T) {
	const text = "rwlock: more than 2^31-1 read locks"
	for _, writer := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var l RWLock
			l.state.Add(maxReaders)
			if writer {
				startLock(&l)
			}
			before := l.state.Load()
			require.PanicsWithValue(t, text, l.RLock)
			require.PanicsWithValue(t, text, func() { l.TryRLock() })
			require.PanicsWithValue(t, text, func() { _ = l.RLockContext(t.Context()) })
			require.Equal(t, before, l.state.Load())
			require.False(t, l.TryUpgrade())
			require.Equal(t, maxReaders, l.Stats().Readers)
			l.RUnlock()
			require.True(t, l.TryRLock())
			l.state.Add(2 - maxReaders)
			drain(t, &l)
		})
	}
}

// A panic or a Goexit between Lock and a deferred Unlock leaves the lock usable.
func TestPanicInsideASection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l RWLock
		assert.Panics(t, func() {
			l.Lock()
			defer l.Unlock()
			panic("section")
		})
		assert.Panics(t, func() {
			l.RLock()
			defer l.RUnlock()
			panic(errors.New("section"))
		})
		assert.True(t, l.TryLock())
		l.Unlock()
	})
}

// One goroutine locks, another unlocks.
func TestLocksAreNotTiedToGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l RWLock
		l.Lock()
		start(func() error { l.Downgrade(); return nil })
		require.True(t, l.TryRLock())
		start(func() error { l.RUnlock(); l.RUnlock(); return nil })
		assert.True(t, l.TryLock())
		start(func() error { l.Unlock(); return nil })
		assert.Zero(t, l.state.Load())
	})
}

// shared belongs to no bubble.
var shared RWLock

// Waits are durable: the clock of the bubble goes on while they last. Those for a mutex are not (golang/go#77687).
func TestOneLockInManyBubbles(t *testing.T) {
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			shared.Lock()
			r, w := startRLock(&shared), startLock(&shared)
			time.Sleep(time.Hour)
			require.Equal(t, time.Hour, shared.Stats().OldestWriterWait)
			shared.Unlock()
			require.Equal(t, []int{1}, waiting(r, w))
			time.Sleep(time.Hour)
			shared.RUnlock()
			require.Empty(t, waiting(w))
			shared.Unlock()
			assert.Equal(t, time.Hour, r.at.Sub(begin))
			assert.Equal(t, 2*time.Hour, w.at.Sub(begin))
		})
	}
	shared.Lock()
	shared.Unlock()
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, Config{Policy: WriterPreferring})
		l.RLock()
		l.RLock()
		assert.Equal(t, Stats{Readers: 2}, l.Stats())
		ctx, cancel := context.WithCancel(t.Context())
		startLockContext(ctx, l)
		time.Sleep(time.Second)
		startLock(l)
		startRLock(l)
		startRLockContext(ctx, l)
		time.Sleep(time.Second)
		assert.Equal(t, Stats{
			Readers: 2, WaitingReaders: 2, WaitingWriters: 2, OldestWriterWait: 2 * time.Second, ReadWaits: 2, WriteWaits: 2,
		}, l.Stats())
		cancel()
		synctest.Wait()
		assert.Equal(t, Stats{
			Readers: 2, WaitingReaders: 1, WaitingWriters: 1, OldestWriterWait: time.Second, ReadWaits: 2, WriteWaits: 2,
		}, l.Stats(), "those who gave up are counted")
		l.RUnlock()
		l.RUnlock()
		synctest.Wait()
		assert.Equal(t, Stats{Writing: true, WaitingReaders: 1, ReadWaits: 2, WriteWaits: 2}, l.Stats())
		drain(t, l)
	})
}

// go vet reports a copy.
func TestVetReportsCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "copy.go")
	require.NoError(t, os.WriteFile(file, []byte(`package main

import "github.com/mainstay-go/mainstay/rwlock"

func main() {
	var l rwlock.RWLock
	l2 := l
	l2.Lock()
}
`), 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-copylocks", file)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "assignment copies lock value to l2")
}
