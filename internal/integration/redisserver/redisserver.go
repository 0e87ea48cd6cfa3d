// Package redisserver starts a real Redis for a test and lets the test kill,
// freeze and restart it.
//
//	server := redisserver.Start(t, "--appendonly", "yes")
//	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-go/mainstay/internal/integration/process"
)

// Server is a Redis of one test. Its methods fail the test on error; they are
// for the test's own goroutine.
type Server struct {
	tb      testing.TB
	command process.Command
	port    int
	running *process.Process
}

// Start runs redis-server on a free port of 127.0.0.1, in a temporary folder,
// without saving anything unless the arguments say so ("--appendonly", "yes").
// It returns when the server answers, and ends it when the test ends. Without a
// redis-server the test is skipped, or fails if REQUIRE_SERVERS=1.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		process.Missing(tb, "redis-server", "redis-server")
		return nil
	}
	dir := tb.TempDir()
	port, err := process.FreePort()
	if err != nil {
		tb.Fatalf("redisserver: %v", err)
	}
	s := &Server{tb: tb, port: port, command: process.Command{
		Path: path,
		Args: append([]string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no",
		}, args...),
		Dir: dir,
		Log: filepath.Join(dir, "redis.log"),
	}}
	s.start()
	tb.Cleanup(func() { s.check(s.running.Kill()) })
	return s
}

// Addr is the host and port to connect to; it stays the same after Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// PID is the number of the server's process; Restart changes it.
func (s *Server) PID() int { return s.running.PID() }

// Kill ends the server with SIGKILL, as a crash would, and returns when it is
// gone.
func (s *Server) Kill() {
	s.tb.Helper()
	s.check(s.running.Kill())
}

// Stop freezes the server with SIGSTOP: connections stay open and nobody
// answers. It returns when the server stands.
func (s *Server) Stop() {
	s.tb.Helper()
	s.check(s.running.Freeze())
}

// Cont lets a frozen server go on.
func (s *Server) Cont() {
	s.tb.Helper()
	s.check(s.running.Signal(syscall.SIGCONT))
}

// Restart ends the server with SIGTERM if it still runs, starts it again on the
// same port and folder, and returns when it answers.
func (s *Server) Restart() {
	s.tb.Helper()
	s.check(s.running.End(syscall.SIGTERM))
	s.start()
}

// start runs the server and waits for its PONG.
func (s *Server) start() {
	s.tb.Helper()
	p, err := process.Start(s.command)
	s.check(err)
	s.running = p
	if err := p.Ready(s.ping); err != nil {
		s.check(errors.Join(err, p.Kill()))
	}
}

func (s *Server) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("redisserver: %v", err)
	}
}

// ping asks once whether the server answers; while it loads its data it says so
// instead.
func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	answer := make([]byte, len("+PONG"))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if string(answer) != "+PONG" {
		return fmt.Errorf("the answer to PING is %q", answer)
	}
	return nil
}
