// Package idgen makes 64-bit ids that are unique across nodes, restarts and
// clock steps, sort by time, and need no coordination per id.
//
//	lease, err := idgen.NewLease(ctx, idgen.LeaseConfig{Store: store}) // a node number of our own
//	if err != nil { ... }
//	defer lease.Close()
//	ids, err := idgen.New(idgen.Config{Lease: lease})
//	if err != nil { ... }
//	id, err := ids.Next(ctx)
//
// The formula of the textbook, time<<22 | node<<10 | sequence, makes duplicates
// as soon as the sequence passes 1023: it spills into the bits of the node. Two
// nodes at 3,000 ids per ms make 2,048 of them twice, every ms. The rest of
// what hurts in production is who owns a node number, what happens when the
// clock goes back, and what happens when a tick is used up; each has an answer
// here that fails closed.
//
// # Choosing
//
//   - [Generator] makes an [ID]: 8 bytes, a BIGINT column, in the order of time
//     up to the difference of the nodes' clocks. It needs a node number.
//   - [UUIDGenerator] makes a [UUID] of version 7: 16 bytes, no node number,
//     unique because 58 of its bits are random.
//   - A sequence of the database, where one database hands out all ids anyway.
//   - crypto/rand.Text, where nobody may guess the next: ids tell when, where
//     and how fast they are made.
//
// Node numbers come from a [Lease] on a [NodeStore]: [MemoryStore] within a
// process, [FileStore] for the processes of a host, package idgenredis for
// many hosts. A number that an orchestrator gives, such as the ordinal of a
// Kubernetes StatefulSet, goes into Config.Node. Nothing is derived from a host
// name or an address: they are not unique, and they leak.
//
// [Generator.Next] waits for a tick with room, [Generator.TryNext] never waits,
// Config.MaxAhead lets both borrow from a bounded future, and
// [Generator.NextN] makes many for the price of a few.
//
// # Algorithm
//
// Snowflake (Twitter, 2010): time, node, sequence. The state of a generator is
// one atomic word, the position of the last id:
//
//	+----------------------+----------+
//	|         tick         | sequence |
//	+----------------------+----------+
//
//	next = max(last+1, tick of the clock with sequence 0)
//
// An id reads the clock and moves the word by compare-and-swap. The carry of
// last+1 out of the sequence goes into the tick, which is how the future is
// borrowed; a position more than MaxAhead past the clock is not taken, and the
// caller waits for the start of the first tick that allows it. Nothing is
// reserved by who waits. Two words for time and sequence cannot do this: they
// need two decisions, and two callers can get one id.
//
// The clock is the wall clock as read by New plus the monotonic time since, so
// that it never goes back; once per second of use it is compared with the wall
// clock. If the wall is ahead, the clock jumps to it; if the wall is behind by
// at most MaxRollback, it runs on; further behind, every call fails with
// [ErrClockBackwards] until the wall has caught up. Uniqueness within the
// process never depends on this: the bound protects the next process, which
// will start from the wall clock.
//
// That next process is safe because the first id is dated after the tick in
// which New ran, and after the MaxAhead that a predecessor may have borrowed.
// What it cannot know is that the clock was set back between the two;
// Stats.Last, persisted now and then and passed as Config.NotBefore, tells it.
//
// A [Lease] is fenced by time: it stops the generator TTL after the last
// extension was sent, by this process's own clock, while the store keeps the
// number for Guard longer. A process that was stopped, starved or cut off makes
// no id once its time is over, whether it knows of anybody else or not.
//
// # Concurrency
//
// All methods may be called concurrently. Calls of Next, TryNext and NextN are
// linearizable: an id is larger than every id whose call returned before this
// call began. They are lock-free but for the comparison of clocks once per
// second. Next, TryNext and NextN allocate nothing unless they wait.
//
// No lock is held while a method of a context or of a NodeStore runs. Inside a
// testing/synctest bubble waits are durable and end at the exact virtual
// instant; the default epoch is where a bubble starts. A generator that was
// made outside of a bubble refuses inside, where the wall clock is 26 years
// behind.
//
// # Limits
//
// The layout is the ceiling: with 12 bits of sequence and ticks of 1 ms, 4096
// ids per ms and node, one per 244 ns. Ids of different nodes are ordered only
// up to the difference of their clocks plus MaxAhead. A step of the wall clock
// may go unnoticed for a second.
//
// An id whose call had read the clock before a lease lapsed may still be
// returned after it, if the process is stopped in between. It is dated before
// the lapse, at most MaxAhead after its call, and Guard keeps its number free of
// others: it is unique. With a Guard shorter than the difference between the
// clocks of two machines plus MaxAhead that does not hold.
//
// The sequence starts at 0 in every tick, so that at low rates id % 2^k is
// nearly always the same: shard by a hash of the id.
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
