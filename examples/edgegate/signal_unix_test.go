//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInterruptedRunReports(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, stdout := child(t, "-headless", "-docroot", newSite(t, threeFiles))
		first, err := stdout.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, first, "edgegate: page http://")
		begin := time.Now()
		require.NoError(t, cmd.Process.Signal(sig))
		rest, err := io.ReadAll(stdout)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait(), "exit code 0")
		assert.Less(t, time.Since(begin), 3*time.Second)
		assert.Contains(t, string(rest), "until signal")
		assert.True(t, strings.HasSuffix(string(rest), "invariants: 4 of 4 hold\n"), string(rest))
	}
}

// blockedChild waits for a log that nobody writes. The first signal finds it
// busy for ever.
func blockedChild(t *testing.T) *exec.Cmd {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	cmd, _ := child(t, "-headless", "-docroot", newSite(t, threeFiles), "-log", pipe)
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // returns when the program has opened the other end
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, writer.Close()) })
	return cmd
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	cmd := blockedChild(t)
	begin := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
	assert.Less(t, time.Since(begin), forcedExit)
}

func TestBlockedInputCannotHoldTheProgram(t *testing.T) {
	t.Parallel()
	cmd := blockedChild(t)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
}
