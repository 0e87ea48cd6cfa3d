package circuitbreaker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errDown = errors.New("down")

func ok(context.Context) error   { return nil }
func fail(context.Context) error { return errDown }

// log is what OnStateChange reported.
type log struct {
	mu      sync.Mutex
	changes []Change
}

func (l *log) add(c Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
}

// take returns what has been reported since the last take, "from->to: reason" each, once nobody runs.
func (l *log) take() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, c := range l.changes {
		all = append(all, c.From.String()+"->"+c.To.String()+": "+c.Reason.String())
	}
	l.changes = nil
	return all
}

// bubble runs f with a breaker in a bubble.
func bubble(t *testing.T, c Config, f func(t *testing.T, b *Breaker, l *log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		if c.OnStateChange == nil {
			c.OnStateChange = l.add
		}
		f(t, mustNew(t, c), l)
	})
}

// do runs fn n times and returns how many were not rejected.
func do(b *Breaker, n int, fn func(context.Context) error) (admitted int) {
	for range n {
		if err := b.Do(context.Background(), fn); !errors.Is(err, ErrOpen) {
			admitted++
		}
	}
	return admitted
}

// allow admits one call.
func allow(t *testing.T, b *Breaker) *Ticket {
	t.Helper()
	ticket, err := b.Allow()
	require.NoError(t, err)
	return &ticket
}

// sleep passes time and lets the timers of that instant do their work.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// halfOpen makes b HalfOpen: it must open for a second.
func halfOpen(t *testing.T, b *Breaker) {
	t.Helper()
	b.Trip(time.Second)
	sleep(time.Second)
	require.Equal(t, HalfOpen, b.State())
}

// exits runs f in a goroutine of its own and returns its panic, if it ended by one; f may Goexit.
func exits(f func()) (panicked any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
	}()
	<-done
	return panicked
}

var quick = Config{ConsecutiveFailures: 3, OpenDuration: time.Second, NoJitter: true, ProbeTimeout: 30 * time.Second}

func (c *Counts) sub(other Counts) {
	c.Successes -= other.Successes
	c.Failures -= other.Failures
	c.Slow -= other.Slow
	c.Ignored -= other.Ignored
}
