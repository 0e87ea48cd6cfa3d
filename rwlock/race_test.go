//go:build race

package rwlock

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// racing names the program that TestRaceDetectorSees runs in a child process, since a race that was reported fails the
// process that it was found in.
const racing = "RWLOCK_RACING"

// programs are run in two goroutines each, one after the other in real time, so that only the lock orders them. Both take
// the lock in the fast way.
var programs = map[string]struct {
	one, two func(l *RWLock, value *int)
	race     bool
}{
	"write under RLock": {
		one:  func(l *RWLock, value *int) { l.RLock(); *value++; l.RUnlock() },
		two:  func(l *RWLock, value *int) { l.RLock(); *value++; l.RUnlock() },
		race: true,
	},
	"write under TryRLock": {
		one:  func(l *RWLock, value *int) { l.TryRLock(); *value++; l.RUnlock() },
		two:  func(l *RWLock, value *int) { l.TryRLock(); *value++; l.RUnlock() },
		race: true,
	},
	"write under RLockContext and RLocker": {
		one:  func(l *RWLock, value *int) { _ = l.RLockContext(context.Background()); *value++; l.RUnlock() },
		two:  func(l *RWLock, value *int) { l.RLocker().Lock(); *value++; l.RLocker().Unlock() },
		race: true,
	},
	"write after Downgrade": {
		one:  func(l *RWLock, value *int) { l.Lock(); l.Downgrade(); *value++; l.RUnlock() },
		two:  func(l *RWLock, value *int) { l.RLock(); *value++; l.RUnlock() },
		race: true,
	},
	"write under RLock, read under RLock": {
		one:  func(l *RWLock, value *int) { l.RLock(); *value++; l.RUnlock() },
		two:  func(l *RWLock, value *int) { l.RLock(); _ = *value; l.RUnlock() },
		race: true,
	},
	"write after RUnlock": {
		one:  func(l *RWLock, value *int) { l.RLock(); l.RUnlock(); *value++ },
		two:  func(l *RWLock, value *int) { l.Lock(); *value++; l.Unlock() },
		race: true,
	},
	"read, then write": {
		one: func(l *RWLock, value *int) { l.RLock(); _ = *value; l.RUnlock() },
		two: func(l *RWLock, value *int) { l.Lock(); *value++; l.Unlock() },
	},
	"write, then read": {
		one: func(l *RWLock, value *int) { l.Lock(); *value++; l.Unlock() },
		two: func(l *RWLock, value *int) { l.RLock(); _ = *value; l.RUnlock() },
	},
	"write, then write": {
		one: func(l *RWLock, value *int) { l.TryLock(); *value++; l.Unlock() },
		two: func(l *RWLock, value *int) { _ = l.LockContext(context.Background()); *value++; l.Unlock() },
	},
	"write and downgrade, then read": {
		one: func(l *RWLock, value *int) { l.Lock(); *value++; l.Downgrade() },
		two: func(l *RWLock, value *int) { l.TryRLock(); _ = *value; l.RUnlock(); l.RUnlock() },
	},
	"read, then upgrade and write": {
		one: func(l *RWLock, value *int) { l.RLock(); _ = *value; l.RUnlock() },
		two: func(l *RWLock, value *int) { l.RLock(); l.TryUpgrade(); *value++; l.Unlock() },
	},
	"read and read": {
		one: func(l *RWLock, value *int) { l.RLock(); _ = *value; l.RUnlock() },
		two: func(l *RWLock, value *int) { l.RLock(); _ = *value; l.RUnlock() },
	},
}

// The child runs its program: one before two in real time, by a word that the race detector does not see.
func TestRacing(t *testing.T) {
	program, ok := programs[os.Getenv(racing)]
	if !ok {
		t.Skip("runs as a child of TestRaceDetectorSees")
	}
	var l RWLock
	var turn word
	value := 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for turn.Load() == 0 {
			runtime.Gosched()
		}
		program.two(&l, &value)
	}()
	program.one(&l, &value)
	turn.Add(1)
	<-ended
}

// What sync.RWMutex lets the race detector see, a write under a read lock first of all, a RWLock does, too; and nothing is
// reported of programs that are correct.
func TestRaceDetectorSees(t *testing.T) {
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRacing$")
			cmd.Env = append(os.Environ(), racing+"="+name, "GORACE=atexit_sleep_ms=0 halt_on_error=0")
			out, err := cmd.CombinedOutput()
			if !program.race {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err, "%s", out)
			assert.Contains(t, string(out), "WARNING: DATA RACE")
		})
	}
}
