package postgresserver

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mainstay-go/mainstay/internal/integration/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, s *Server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) }) // the server may be gone
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func count(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM jobs").Scan(&n))
	return n
}

func TestRoundTripAndRestart(t *testing.T) {
	s := Start(t, "-c", "max_connections=7")
	conn := connect(t, s)
	var limit string
	require.NoError(t, conn.QueryRow(t.Context(), "SHOW max_connections").Scan(&limit))
	assert.Equal(t, "7", limit, "arguments reach the server")
	execute(t, conn, "CREATE TABLE jobs (id int)")
	execute(t, conn, "INSERT INTO jobs VALUES (1)")

	dsn, pid := s.DSN(), s.PID()
	s.Restart()
	assert.Equal(t, dsn, s.DSN(), "the port stays")
	assert.NotEqual(t, pid, s.PID())
	require.Error(t, conn.Ping(t.Context()), "the old connection was cut")
	assert.Equal(t, 1, count(t, connect(t, s)))
}

// The kill hits a server with one committed and one open transaction.
func TestKillKeepsWhatWasCommitted(t *testing.T) {
	s := Start(t)
	conn := connect(t, s)
	execute(t, conn, "CREATE TABLE jobs (id int)")
	execute(t, conn, "INSERT INTO jobs VALUES (1), (2)")
	open := connect(t, s)
	execute(t, open, "BEGIN")
	execute(t, open, "INSERT INTO jobs VALUES (3)")

	s.Kill()
	_, err := pgx.Connect(t.Context(), s.DSN())
	require.Error(t, err)
	s.Restart()
	assert.Equal(t, 2, count(t, connect(t, s)))
}

func TestNothingIsLeftBehind(t *testing.T) {
	var s *Server
	t.Run("server", func(t *testing.T) { s = Start(t) })
	if s == nil {
		t.Skip("the server was skipped")
	}
	require.ErrorIs(t, syscall.Kill(s.PID(), 0), syscall.ESRCH, "the process")
	assert.NoDirExists(t, filepath.Dir(s.data))
}

func TestStartSaysWhyAServerDoesNotStart(t *testing.T) {
	if _, err := binaries(); err != nil {
		t.Skip("PostgreSQL is not installed")
	}
	r := &process.Recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Start(r, "-c", "no_such_setting=1")
	}()
	<-done
	assert.Contains(t, r.FatalText, "no_such_setting")
}

func TestBinariesPrefersThePath(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "initdb"), []byte("#!/bin/sh\n"), 0o755))
	t.Setenv("PATH", dir)
	bin, err := binaries()
	require.NoError(t, err)
	assert.Equal(t, dir, bin)
}

func TestVersionIsNumeric(t *testing.T) {
	assert.Greater(t, version("/usr/lib/postgresql/15/bin/initdb"), version("/usr/lib/postgresql/9.6/bin/initdb"))
	assert.Greater(t, version("/usr/lib/postgresql/15/bin/initdb"), version("/usr/lib/postgresql/9/bin/initdb"))
}
