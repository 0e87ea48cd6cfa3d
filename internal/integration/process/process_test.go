package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell starts a script that is killed when the test ends.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	dir := t.TempDir()
	p, err := Start(Command{Path: "/bin/sh", Args: []string{"-c", script}, Dir: dir, Log: filepath.Join(dir, "log")})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Kill()) })
	return p
}

// written succeeds when the process's log has the text.
func written(p *Process, text string) func() error {
	return func() error {
		log, err := os.ReadFile(p.log)
		if err == nil && !strings.Contains(string(log), text) {
			return errors.New("not yet")
		}
		return err
	}
}

func TestStartReportsAMissingProgram(t *testing.T) {
	_, err := Start(Command{Path: "/does/not/exist", Log: filepath.Join(t.TempDir(), "log")})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Start(Command{Path: "/bin/sh", Log: t.TempDir()})
	assert.Error(t, err, "the log is a folder")
}

func TestReadyWaitsForTheCheck(t *testing.T) {
	p := shell(t, "echo listening; exec cat /dev/zero >/dev/null")
	require.NoError(t, p.Ready(written(p, "listening")))
}

func TestReadyReportsAnEarlyEnd(t *testing.T) {
	p := shell(t, "echo bad configuration; exit 1")
	err := p.Ready(func() error { return errors.New("no answer") })
	require.ErrorContains(t, err, "the server ended")
	assert.ErrorContains(t, err, "bad configuration", "the log explains it")
}

func TestKillWaitsUntilTheProcessIsGone(t *testing.T) {
	p := shell(t, "trap '' TERM; exec cat /dev/zero >/dev/null")
	require.NoError(t, p.Kill())
	<-p.Exited()
	require.ErrorIs(t, syscall.Kill(p.PID(), 0), syscall.ESRCH)
	require.NoError(t, p.Kill(), "a second time")
	assert.NoError(t, p.Signal(syscall.SIGTERM))
}

func TestEndThawsAFrozenProcess(t *testing.T) {
	p := shell(t, "exec cat /dev/zero >/dev/null")
	require.NoError(t, p.Freeze())
	if runtime.GOOS == "linux" {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		require.NoError(t, err)
		assert.Contains(t, string(stat), ") T ")
	}
	require.NoError(t, p.End(syscall.SIGTERM))
	assert.ErrorIs(t, syscall.Kill(p.PID(), 0), syscall.ESRCH)
}

func TestFreePort(t *testing.T) {
	port, err := FreePort()
	require.NoError(t, err)
	assert.Positive(t, port)
}

func missing(t *testing.T, require string) *Recorder {
	t.Helper()
	t.Setenv("REQUIRE_SERVERS", require)
	r := &Recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Missing(r, "redis-server", "redis")
	}()
	<-done
	return r
}

func TestMissingSkipsAndSaysWhatToInstall(t *testing.T) {
	r := missing(t, "")
	assert.Equal(t, "redis-server is not installed: apt-get install redis", r.SkipText)
	assert.Empty(t, r.FatalText)
}

func TestMissingFailsWhereServersAreRequired(t *testing.T) {
	r := missing(t, "1")
	assert.Equal(t, "redis-server is not installed: apt-get install redis (REQUIRE_SERVERS=1)", r.FatalText)
	assert.Empty(t, r.SkipText)
}

func TestUnprivileged(t *testing.T) {
	user, err := Unprivileged("no-such-user", "nobody")
	require.NoError(t, err)
	if os.Geteuid() != 0 {
		assert.Nil(t, user)
		return
	}
	assert.NotZero(t, user.Uid)
	_, err = Unprivileged("no-such-user")
	assert.ErrorContains(t, err, "no-such-user")
}
