package redisserver

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mainstay-go/mainstay/internal/integration/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a client that neither retries nor hides an error.
func connect(t *testing.T, s *Server) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return client
}

func TestRoundTrip(t *testing.T) {
	client := connect(t, Start(t))
	ctx := t.Context()
	require.NoError(t, client.Set(ctx, "key", "value", 0).Err())
	assert.Equal(t, "value", client.Get(ctx, "key").Val())
}

func TestArgumentsReachTheServer(t *testing.T) {
	client := connect(t, Start(t, "--maxmemory", "7mb"))
	got, err := client.ConfigGet(t.Context(), "maxmemory").Result()
	require.NoError(t, err)
	assert.Equal(t, "7340032", got["maxmemory"])
}

func TestServersDoNotMeet(t *testing.T) {
	a, b := Start(t), Start(t)
	require.NoError(t, connect(t, a).Set(t.Context(), "key", "a", 0).Err())
	assert.ErrorIs(t, connect(t, b).Get(t.Context(), "key").Err(), redis.Nil)
}

func TestRestartKeepsPort(t *testing.T) {
	s := Start(t)
	addr, pid := s.Addr(), s.PID()
	s.Restart()
	assert.Equal(t, addr, s.Addr())
	assert.NotEqual(t, pid, s.PID())
	assert.NoError(t, connect(t, s).Ping(t.Context()).Err())
}

func TestKillForgetsWhatWasNotSaved(t *testing.T) {
	s := Start(t)
	client := connect(t, s)
	require.NoError(t, client.Set(t.Context(), "key", "value", 0).Err())
	s.Kill()
	require.Error(t, client.Ping(t.Context()).Err())
	s.Restart()
	assert.ErrorIs(t, connect(t, s).Get(t.Context(), "key").Err(), redis.Nil)
}

func TestKillKeepsWhatWasLogged(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	require.NoError(t, connect(t, s).Set(t.Context(), "key", "value", 0).Err())
	s.Kill()
	s.Restart()
	assert.Equal(t, "value", connect(t, s).Get(t.Context(), "key").Val())
}

func TestStopMakesAClientTimeOut(t *testing.T) {
	s := Start(t)
	client := connect(t, s)
	require.NoError(t, client.Ping(t.Context()).Err())
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := client.Ping(ctx).Err()
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
	s.Cont()
	assert.NoError(t, connect(t, s).Ping(t.Context()).Err())
}

func TestNothingIsLeftBehind(t *testing.T) {
	var frozen, running *Server
	t.Run("servers", func(t *testing.T) {
		frozen, running = Start(t), Start(t)
		frozen.Stop()
	})
	for _, s := range []*Server{frozen, running} {
		if s == nil {
			t.Skip("the servers were skipped")
		}
		require.ErrorIs(t, syscall.Kill(s.PID(), 0), syscall.ESRCH, "the process")
		assert.NoDirExists(t, s.command.Dir)
	}
}

func TestStartSaysWhyAServerDoesNotStart(t *testing.T) {
	Start(t) // skips where there is no server
	r := &process.Recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Start(r, "--no-such-option", "1")
	}()
	<-done
	assert.Contains(t, r.FatalText, "no-such-option")
}

func TestStartNeedsTheProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("REQUIRE_SERVERS", "")
	r := &process.Recorder{TB: t}
	assert.Nil(t, Start(r))
	assert.Contains(t, r.SkipText, "apt-get install redis-server")
}
