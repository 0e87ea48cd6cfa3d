// Package idgen makes ids.
package idgen

import "time"

// Config configures New. The zero value is a valid generator for a program of
// which one process runs.
type Config struct {
	// Node is this generator's number, 0 to Layout.MaxNode(). 0 is a real
	// number, not "unset": two processes that both forget it make duplicates.
	// Nothing is ever derived from an address or a host name. With more than one
	// process prefer Lease.
	Node int64

	// Lease, if set, gives the node number, and its loss stops the generator.
	// Node must then be 0.
	Lease *Lease

	// Layout divides the ids; the zero value is Snowflake().
	Layout Layout

	// MaxAhead is how far past the clock ids may be dated when a tick is used
	// up: 0 to 1h, and at most the Guard of the Lease. 0 waits for the next
	// tick.
	MaxAhead time.Duration

	// MaxRollback is how far the wall clock may lie behind the generator's
	// before it refuses: 0 means 10s, at most 24h.
	MaxRollback time.Duration

	// NotBefore: every id is dated in a later tick. Persist Stats().Last and
	// pass it on restart to survive a clock that went back meanwhile. If it is
	// later than the clock by more than MaxRollback, New refuses; with a
	// MaxAhead above MaxRollback that happens after a busy life and a quick
	// restart, too.
	NotBefore time.Time
}

// The limits of a Config.
const (
	maxAhead        = time.Hour
	defaultRollback = 10 * time.Second
	maxRollback     = 24 * time.Hour
)

// New returns a generator. An error matches ErrConfig and names the field, or
// ErrClockBackwards if the clock is more than MaxRollback behind NotBefore, or
// ErrExpired.
//
// The first id is dated after the tick in which New ran, since a predecessor
// with the same node number may have used that tick up to its death: a process
// that is restarted at once makes no id twice, at the price of at most one tick
// of waiting. Without a Lease the predecessor may also have used the ticks of
// MaxAhead, so that the room for borrowing is empty at first and fills as time
// passes; with a Lease, Guard has passed since.
func New(cfg Config) (*Generator, error) { return newGenerator(cfg, wallNow) }

func newGenerator(cfg Config, wall func() time.Time) (*Generator, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, err
	}
	at, base := wall(), time.Now()
	if at.Before(cfg.Layout.Epoch) {
		return nil, configError("Layout.Epoch", "in the past", cfg.Layout.Epoch)
	}
	if late := cfg.NotBefore.Round(0); late.After(at) {
		if behind := late.Sub(at); behind > cfg.MaxRollback {
			return nil, rollbackError(behind, cfg.MaxRollback)
		}
		at = late
	}
	g := &Generator{composer: newComposer(cfg.Layout, cfg.Node), lease: cfg.Lease}
	g.ahead = uint64(cfg.MaxAhead / cfg.Layout.Unit)
	g.epoch, g.wall, g.maxRollback = cfg.Layout.Epoch, wall, cfg.MaxRollback
	g.start(base, at)
	if g.lease != nil {
		g.leaseShift = base.Sub(g.lease.base)
		g.next.Store(0) // the lease may have lapsed by the wall clock
	}
	tick := g.tick(g.at(0))
	if tick >= g.end {
		return nil, ErrExpired
	}
	g.last.Store(min(tick+g.quarantine(), g.end-1)<<g.seqBits | g.seqMask)
	return g, nil
}

// quarantine is how many ticks after the present one a predecessor with the
// same node number may have used.
func (g *Generator) quarantine() uint64 {
	if g.lease != nil {
		return 0
	}
	return g.ahead
}

// filled returns cfg with its defaults, and the node of the lease, or an error.
func (cfg Config) filled() (Config, error) {
	if err := cfg.Layout.Validate(); err != nil {
		return cfg, err
	}
	cfg.Layout = cfg.Layout.filled()
	if cfg.MaxRollback == 0 {
		cfg.MaxRollback = defaultRollback
	}
	switch {
	case cfg.Node < 0 || cfg.Node > cfg.Layout.MaxNode():
		return cfg, configError("Node", "0 to Layout.MaxNode()", cfg.Node)
	case cfg.MaxAhead < 0 || cfg.MaxAhead > maxAhead:
		return cfg, configError("MaxAhead", "0 to 1h", cfg.MaxAhead)
	case cfg.MaxRollback < 0 || cfg.MaxRollback > maxRollback:
		return cfg, configError("MaxRollback", "at most 24h, or 0 for 10s", cfg.MaxRollback)
	case cfg.Lease == nil:
		return cfg, nil
	}
	switch l := cfg.Lease; {
	case l.cfg.Store == nil:
		return cfg, configError("Lease", "made by NewLease", "a zero Lease")
	case cfg.Node != 0:
		return cfg, configError("Node", "0 beside a Lease", cfg.Node)
	case l.node > cfg.Layout.MaxNode():
		return cfg, configError("Node", "0 to Layout.MaxNode()", l.node)
	case cfg.MaxAhead > l.cfg.Guard:
		return cfg, configError("MaxAhead", "at most the Guard of the Lease", cfg.MaxAhead)
	}
	cfg.Node = cfg.Lease.node
	return cfg, nil
}
