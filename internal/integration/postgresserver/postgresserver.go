// Package postgresserver starts a real PostgreSQL for a test and lets the test
// kill and restart it.
//
//	server := postgresserver.Start(t)
//	conn, err := pgx.Connect(ctx, server.DSN())
package postgresserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mainstay-go/mainstay/internal/integration/process"
)

// Server is a PostgreSQL of one test. Its methods fail the test on error; they
// are for the test's own goroutine.
type Server struct {
	tb      testing.TB
	command process.Command
	data    string
	port    int
	running *process.Process
}

// Start makes a cluster in a temporary folder and runs it on a free port of
// 127.0.0.1; the arguments go to postgres ("-c", "max_connections=10"). It
// returns when the server accepts connections, and ends it when the test ends.
// As root it runs the server as another user, since PostgreSQL refuses root.
// Without PostgreSQL the test is skipped, or fails if REQUIRE_SERVERS=1.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	bin, err := binaries()
	if err != nil {
		process.Missing(tb, "PostgreSQL", "postgresql")
		return nil
	}
	s := &Server{tb: tb}
	owner, err := process.Unprivileged("postgres", "nobody")
	s.check(err)
	dir := s.folder(owner)
	s.port, err = process.FreePort()
	s.check(err)
	s.data = filepath.Join(dir, "data")
	s.initdb(filepath.Join(bin, "initdb"), dir, owner)
	s.command = process.Command{
		Path: filepath.Join(bin, "postgres"),
		Args: append([]string{
			"-D", s.data, "-p", strconv.Itoa(s.port), "-k", dir, "-c", "listen_addresses=127.0.0.1",
			"-c", "dynamic_shared_memory_type=mmap", // in the folder, so that a killed server leaves nothing in /dev/shm
		}, args...),
		Dir:  dir,
		Log:  filepath.Join(dir, "postgres.log"),
		User: owner,
	}
	s.start()
	tb.Cleanup(s.stop)
	return s
}

// Addr is the host and port to connect to; it stays the same after Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// DSN is the address of the database postgres for its superuser, without a
// password.
func (s *Server) DSN() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", s.Addr())
}

// PID is the number of the server's first process; Restart changes it.
func (s *Server) PID() int { return s.running.PID() }

// Kill ends the server with SIGKILL, as a crash would. The server's children
// end by themselves when they notice.
func (s *Server) Kill() {
	s.tb.Helper()
	s.check(s.running.Kill())
}

// Restart ends the server if it still runs, starts it again on the same port
// and data, and returns when it accepts connections, after crash recovery if it
// was killed.
func (s *Server) Restart() {
	s.tb.Helper()
	s.stop()
	s.start()
}

// stop is a fast shutdown: open transactions are rolled back, clients are cut
// off.
func (s *Server) stop() {
	s.tb.Helper()
	s.check(s.running.End(syscall.SIGINT))
}

// start runs the server until it accepts connections. After a kill the server
// refuses to start as long as a child of the killed one is alive, and ends; it
// is started again until that child is gone.
func (s *Server) start() {
	s.tb.Helper()
	const attempts = 100
	for range attempts {
		p, err := process.Start(s.command)
		s.check(err)
		s.running = p
		err = p.Ready(s.ready)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "shared memory block") {
			s.check(errors.Join(err, p.Kill()))
		}
		s.check(os.Truncate(s.command.Log, 0))
	}
	s.tb.Fatalf("postgresserver: processes of the killed server do not end")
}

// ready looks at the status that the server writes into its lock file for
// pg_ctl: line 1 is the process, line 8 "ready".
func (s *Server) ready() error {
	text, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 8 || lines[0] != strconv.Itoa(s.PID()) || strings.TrimSpace(lines[7]) != "ready" {
		return fmt.Errorf("the lock file says %q", text)
	}
	return nil
}

// folder makes the server's folder, which belongs to its user. It is not the
// test's TempDir: that stands in a folder only root can enter, and its path may
// be too long for a Unix socket.
func (s *Server) folder(owner *syscall.Credential) string {
	s.tb.Helper()
	dir, err := os.MkdirTemp("", "pg-")
	s.check(err)
	s.tb.Cleanup(func() { s.check(os.RemoveAll(dir)) })
	if owner != nil {
		s.check(os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	}
	return dir
}

// initdb makes an empty cluster whose superuser needs no password.
func (s *Server) initdb(path, dir string, owner *syscall.Credential) {
	s.tb.Helper()
	cmd := exec.CommandContext(context.Background(), path,
		"-D", s.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if output, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("postgresserver: initdb: %v\n%s", err, output)
	}
}

func (s *Server) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("postgresserver: %v", err)
	}
}

// debian is where Debian keeps the programs of each version, out of the PATH.
const debian = "/usr/lib/postgresql/*/bin/initdb"

// binaries is the folder of initdb and postgres: that in the PATH, else
// Debian's newest.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob(debian)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", exec.ErrNotFound
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// version reads the number in the path of a program of Debian's.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 sorts an odd folder last
	return n
}
