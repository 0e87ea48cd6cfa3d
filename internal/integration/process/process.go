// Package process runs a server for a test: it waits until the server is ready,
// sends it the signals that a bad day sends, and leaves nothing behind. It
// knows no protocol; the packages of the servers do.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to stop: far more than it
// needs, since it only bounds failures.
const patience = 30 * time.Second

// poll is how often a condition is looked at that sends no event.
const poll = 5 * time.Millisecond

// Command is how a server is started.
type Command struct {
	Path string
	Args []string
	Dir  string
	Log  string              // file that standard output and error are appended to
	User *syscall.Credential // nil for the user of the test
}

// Process is a server that was started. It is not safe for concurrent use, but
// for Exited.
type Process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

// Start runs the command and does not wait for it.
func Start(c Command) (*Process, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own copy
	cmd := exec.CommandContext(context.Background(), c.Path, c.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Dir, log, log
	// A group of its own keeps a Ctrl-C at the terminal from reaching the
	// server before the test's cleanup does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.User}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, log: c.Log, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // a server that a test kills has no exit code worth reading
	}()
	return p, nil
}

// PID is the number of the server's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended and has been waited for.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Ready waits until the check succeeds. The error carries the check's last
// complaint and the server's log.
func (p *Process) Ready(check func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.explain(errors.New("the server ended"))
		case <-deadline.C:
			return p.explain(fmt.Errorf("the server is not ready after %s: %w", patience, err))
		case <-ticker.C:
		}
	}
}

// explain adds what the server said.
func (p *Process) explain(err error) error {
	log, _ := os.ReadFile(p.log) // no log is no reason to hide the error
	return fmt.Errorf("%s: %w\n%s", p.cmd.Path, err, log)
}

// Signal sends one signal; a process that is gone already has got what it
// deserved.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Freeze stops the process where it is, with its connections open, and waits
// until it stands: a signal only asks.
func (p *Process) Freeze() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return p.Ready(p.frozen)
}

// frozen reads the state from /proc, where a stopped process is in state T. A
// system without /proc is trusted.
func (p *Process) frozen() error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && !bytes.Contains(stat, []byte(") T ")) {
		return fmt.Errorf("not stopped: %s", stat)
	}
	return err
}

// Kill ends the process as a crash would, and waits until it is gone.
func (p *Process) Kill() error { return p.End(syscall.SIGKILL) }

// End sends a signal that ends the process, and waits until it is gone. A
// frozen process is thawed, since it could not obey; one that does not obey is
// killed, which is an error.
func (p *Process) End(sig syscall.Signal) error {
	if err := errors.Join(p.Signal(sig), p.Signal(syscall.SIGCONT)); err != nil {
		return err
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-p.exited:
		return nil
	case <-deadline.C:
		err := p.explain(fmt.Errorf("the server did not end within %s of %s", patience, sig))
		return errors.Join(err, p.Signal(syscall.SIGKILL))
	}
}

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on now.
func FreePort() (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// Missing ends a test whose server is not installed: it skips, or fails where
// REQUIRE_SERVERS=1 says that a skip would hide something.
func Missing(tb testing.TB, program, debianPackage string) {
	tb.Helper()
	const text = "%s is not installed: apt-get install %s"
	if os.Getenv("REQUIRE_SERVERS") == "1" {
		tb.Fatalf(text+" (REQUIRE_SERVERS=1)", program, debianPackage)
	}
	tb.Skipf(text, program, debianPackage)
}

// Unprivileged returns the first of the named users if the test runs as root,
// else nil: some servers refuse root.
func Unprivileged(names ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	}
	return nil, fmt.Errorf("none of the users %v exists", names)
}
