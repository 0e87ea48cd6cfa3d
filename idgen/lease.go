package idgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// NodeStore hands out node numbers for a time. MemoryStore, FileStore and
// idgenredis.Store implement it; an own one needs these two methods, which must
// be safe for concurrent use. A done ctx is an error without effect. A panic in
// Extend counts as a failed try.
type NodeStore interface {
	// Claim reserves a number in [0, nodes) for ttl: the lowest that was never
	// used, if there is one, else the one whose reservation ended first; if all
	// are reserved it returns ErrNoNode. The token is larger than every token
	// before it.
	Claim(ctx context.Context, nodes int64, ttl time.Duration) (node, token int64, err error)

	// Extend sets the reservation to end ttl from now, or returns ErrLeaseLost
	// if the number has another token by now. A reservation that ended but was
	// not taken can be extended.
	Extend(ctx context.Context, node, token int64, ttl time.Duration) error
}

// LeaseConfig describes a Lease.
type LeaseConfig struct {
	// Store keeps the registry of all who share the numbers; required.
	Store NodeStore

	// Nodes is how many numbers there are: 0 means 1024, at most 1<<24. It must
	// be the same for all who share the store.
	Nodes int64

	// TTL is how long after sending the last successful claim or extension the
	// lease still holds: 0 means 30s, 1s to 24h.
	TTL time.Duration

	// Guard is how much longer the store keeps the number: 0 means 15s, at most
	// 48h. It covers MaxAhead and the difference between the clocks of two
	// machines, since the next holder's clock may be behind this one's.
	Guard time.Duration
}

// The limits of a LeaseConfig.
const (
	defaultNodes = 1024
	maxNodes     = 1 << maxFieldBits
	defaultTTL   = 30 * time.Second
	minTTL       = time.Second
	maxTTL       = 24 * time.Hour
	defaultGuard = 15 * time.Second
	maxGuard     = 48 * time.Hour
)

// A goroutine extends the lease when a third of its time is over, so that two
// tries may fail, and after a failure every tenth.
const (
	heartbeats = 3
	retries    = 10
)

// filled returns cfg with its defaults, or an error.
func (cfg LeaseConfig) filled() (LeaseConfig, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = defaultNodes
	}
	if cfg.TTL == 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Guard == 0 {
		cfg.Guard = defaultGuard
	}
	switch {
	case cfg.Store == nil:
		return cfg, configError("Store", "set", nil)
	case cfg.Nodes < 1 || cfg.Nodes > maxNodes:
		return cfg, configError("Nodes", "1 to 1<<24, or 0 for 1024", cfg.Nodes)
	case cfg.TTL < minTTL || cfg.TTL > maxTTL:
		return cfg, configError("TTL", "1s to 24h, or 0 for 30s", cfg.TTL)
	case cfg.Guard < 0 || cfg.Guard > maxGuard:
		return cfg, configError("Guard", "at most 48h, or 0 for 15s", cfg.Guard)
	}
	return cfg, nil
}

// Lease is a node number held for this process by a goroutine that extends it
// every TTL/3 until Close. All methods may be called concurrently; a nil Lease
// panics, a zero one is lost.
//
//	         sent       TTL/3          TTL                TTL+Guard
//	process   |-----------+-------------|  no more ids
//	store        |----------------------------------------|  free for others
//	              received
//
// The lease holds until TTL after the *start* of the last successful claim or
// extension, by the monotonic clock of this process; at exactly that instant it
// no longer does. A process that was stopped, starved or cut off therefore
// knows by itself, without a word from anybody, that its time is over, and the
// store keeps the number for Guard longer. The wall clock is asked as well: if
// that says that TTL is over, as it does after the machine slept while its
// monotonic clock stood, the lease does not hold either, until it is extended.
type Lease struct {
	_ [0]func() // not comparable

	cfg   LeaseConfig
	node  int64
	token int64
	wall  func() time.Time
	base  time.Time // monotonic zero

	until     atomic.Int64 // time since base from which the lease does not hold; 0 when closed or lost
	wallUntil atomic.Int64 // the same in Unix nanoseconds

	claimed atomic.Bool   // set by the first Close: it alone does the work
	closing chan struct{} // closed by the first Close
	stopped chan struct{} // closed when the goroutine has ended
	closed  chan struct{} // closed when the first Close is done, after which err is set
	err     error         // of that Close

	mu   sync.Mutex // mu guards over: no extension may revive a lease that was closed
	over bool       // closed, or lost for good
}

// NewLease claims a node number and starts the goroutine that keeps it. The
// errors are that of ctx, one that matches ErrConfig and names the field, or
// that of the store, for instance ErrNoNode. Close the lease to end the
// goroutine and to give the number back.
func NewLease(ctx context.Context, cfg LeaseConfig) (*Lease, error) {
	return newLease(ctx, cfg, wallNow)
}

func newLease(ctx context.Context, cfg LeaseConfig, wall func() time.Time) (*Lease, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctxerr.Of(ctx)
	}
	l := &Lease{
		cfg: cfg, wall: wall, base: time.Now(),
		closing: make(chan struct{}), stopped: make(chan struct{}), closed: make(chan struct{}),
	}
	sent := l.read()
	l.node, l.token, err = cfg.Store.Claim(ctx, cfg.Nodes, cfg.TTL+cfg.Guard)
	if err != nil {
		return nil, err
	}
	if l.node < 0 || l.node >= cfg.Nodes {
		return nil, fmt.Errorf("idgen: NodeStore gave node %d of %d", l.node, cfg.Nodes)
	}
	l.hold(sent)
	go l.keep(sent) //nolint:contextcheck // the lease outlives ctx, which is for the claim
	return l, nil
}

// reading is one instant on both clocks.
type reading struct {
	mono time.Duration // since base
	wall time.Time
}

func (l *Lease) read() reading { return reading{time.Since(l.base), l.wall()} }

// hold makes the lease hold until TTL after sent, unless it is over.
func (l *Lease) hold(sent reading) {
	chaos.Point("idgen: extended, not yet held")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.wallUntil.Store(sent.wall.Add(l.cfg.TTL).UnixNano())
	l.until.Store(int64(sent.mono + l.cfg.TTL))
}

// drop ends the lease for good and tells whether it had not ended before.
func (l *Lease) drop() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.over
	l.over = true
	l.until.Store(0)
	return first
}

// holds and holdsAt tell what the two clocks say; both have to agree.
func (l *Lease) holds(mono time.Duration) bool { return int64(mono) < l.until.Load() }

func (l *Lease) holdsAt(wall time.Time) bool { return wall.UnixNano() < l.wallUntil.Load() }

// Node is the number that is, or was, held.
func (l *Lease) Node() int64 { return l.node }

// Token is the fencing token: it grows with every claim in the store, so that
// whoever is shown it can refuse a holder that has been replaced.
func (l *Lease) Token() int64 { return l.token }

// Err returns nil while the lease holds, else ErrLeaseLost. A lapsed lease
// holds again when the store can be reached again and has not given the number
// to somebody else.
func (l *Lease) Err() error {
	if l.cfg.Store == nil {
		return ErrLeaseLost
	}
	if now := l.read(); l.holds(now.mono) && l.holdsAt(now.wall) {
		return nil
	}
	return ErrLeaseLost
}

// keep extends the lease until Close, or until it is lost for good.
func (l *Lease) keep(sent reading) {
	defer close(l.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for wait := l.tillHeartbeat(sent); l.pause(wait); {
		sent := l.read()
		switch err := l.extend(ctx, l.cfg.TTL+l.cfg.Guard, l.closing); {
		case err == nil:
			l.hold(sent)
			wait = l.tillHeartbeat(sent)
		case errors.Is(err, ErrLeaseLost):
			l.drop()
			return
		default:
			wait = l.cfg.TTL / retries
		}
	}
}

// tillHeartbeat returns how long to wait after a success: none if the answer
// took longer than the wait.
func (l *Lease) tillHeartbeat(sent reading) time.Duration {
	return sent.mono + l.cfg.TTL/heartbeats - time.Since(l.base)
}

// pause waits and tells whether the lease is still open.
func (l *Lease) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closing:
		return false
	}
}

// errAbandoned is the outcome of a call that Close did not wait for any longer.
var errAbandoned = errors.New("idgen: NodeStore did not return")

// errExited is the outcome of a call that ended its goroutine.
var errExited = errors.New("idgen: NodeStore called runtime.Goexit")

// extend asks the store, with a limit of TTL/3. It waits for a store that
// ignores its context rather than ask again meanwhile, until enough is closed;
// then it is patient for TTL/3 once more. The call has a goroutine of its own,
// so that a store may panic, exit, or call Close.
func (l *Lease) extend(ctx context.Context, ttl time.Duration, enough <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.TTL/heartbeats)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		err := errExited
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("idgen: NodeStore panicked: %v", r)
			}
			result <- err
		}()
		err = l.cfg.Store.Extend(ctx, l.node, l.token, ttl)
	}()
	select {
	case err := <-result:
		return err
	case <-enough:
		cancel()
	}
	timer := time.NewTimer(l.cfg.TTL / heartbeats)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return errAbandoned
	}
}

// Close ends the lease at once, ends its goroutine, cancelling a call in
// progress, and sets the reservation to end after Guard, when the number is
// free for others. It returns the error of that last call, nil if the number
// was lost already. Later and concurrent calls wait for the first and return
// the same. A store that ignores its context can hold Close up for TTL, and is
// then left alone.
func (l *Lease) Close() error {
	if l.cfg.Store == nil {
		return nil
	}
	chaos.Point("idgen: about to close")
	if !l.claimed.CompareAndSwap(false, true) {
		<-l.closed
		return l.err
	}
	held := l.drop()
	close(l.closing)
	<-l.stopped
	if held {
		l.err = l.giveBack()
	}
	close(l.closed)
	return l.err
}

func (l *Lease) giveBack() error {
	enough, cancel := context.WithTimeout(context.Background(), l.cfg.TTL/heartbeats)
	defer cancel()
	err := l.extend(enough, l.cfg.Guard, enough.Done())
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	return err
}
