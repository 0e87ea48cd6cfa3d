package idgen

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
	"github.com/mainstay-go/mainstay/internal/invariants"
)

// cacheLine is the size of the line that two cores exchange when both write.
// The word that every id moves has one for itself, away from the fields that
// every id only reads. BenchmarkNeighbours shows the price.
const cacheLine = 64

// Generator makes ids. Create it with New; there is nothing to close. All
// methods may be called concurrently. They panic on a nil or zero Generator.
type Generator struct {
	_ [0]func() // not comparable

	clock
	composer
	lease      *Lease
	leaseShift time.Duration // from the base of the lease to the base of the clock
	ahead      uint64        // MaxAhead in ticks
	waits      atomic.Uint64

	_ [cacheLine]byte

	// last is the position of the last id that was handed out, in the order of
	// tick and sequence:
	//
	//	tick << SequenceBits | sequence
	//
	// so that the next one is last+1, also where the sequence is full and the
	// carry goes into the tick. It only grows. A successful compare-and-swap
	// from one position to a higher one passes the positions in between, and
	// the ids made of them, to the caller. Time and sequence in two words, with
	// a swap each, are two decisions, and two callers can be given one id.
	last atomic.Uint64

	_ [cacheLine - 8]byte
}

// Next returns the next id. It waits only while the tick is used up, until the
// start of the first tick that has room within MaxAhead; nothing is reserved
// for who waits, and the order of those who wait is not promised.
//
// A done ctx is an error that matches ctx.Err() and context.Cause, and nothing
// is taken; when it is done during the wait, Next returns at once. If its
// deadline does not lie after the start of the tick, Next does not wait and
// returns an error that matches ErrExhausted and context.DeadlineExceeded.
//
// Other errors are ErrLeaseLost, ErrClockBackwards and ErrExpired; none of them
// is worth a retry at once. O(1), no allocation unless it waits.
func (g *Generator) Next(ctx context.Context) (ID, error) {
	if ctx.Err() != nil {
		return 0, ctxerr.Of(ctx)
	}
	position, got, err := g.reserve(1)
	if got == 0 {
		return g.nextSlow(ctx, err)
	}
	return g.compose(position), nil
}

// nextSlow waits, unless there is an error. It is apart so that Next is small
// and has no local variable whose address is taken.
func (g *Generator) nextSlow(ctx context.Context, err error) (ID, error) {
	if err != nil {
		return 0, err
	}
	var dst [1]ID
	_, err = g.fill(ctx, dst[:])
	return dst[0], err
}

// TryNext returns the next id, or ErrExhausted if the tick is used up; it never
// waits. The other errors are those of Next. O(1), no allocation.
func (g *Generator) TryNext() (ID, error) {
	position, got, err := g.reserve(1)
	switch {
	case err != nil:
		return 0, err
	case got == 0:
		return 0, ErrExhausted
	}
	return g.compose(position), nil
}

// NextN fills dst with ids, waiting as Next does. It takes as many as there are
// in one step, so that they are consecutive except where it had to wait. n is
// how many it has made, less than len(dst) only with an error; dst[:n] are
// valid and strictly increasing in any case, and no id is lost beyond them. An
// empty dst is filled at once. An id costs a fraction of a Next; no allocation
// unless it waits.
func (g *Generator) NextN(ctx context.Context, dst []ID) (n int, err error) {
	g.mustBeMade()
	if ctx.Err() != nil {
		return 0, ctxerr.Of(ctx)
	}
	return g.fill(ctx, dst)
}

// fill is NextN after the first look at ctx.
func (g *Generator) fill(ctx context.Context, dst []ID) (n int, err error) {
	waited := false
	for n < len(dst) {
		first, got, err := g.reserve(uint64(len(dst) - n))
		if err == nil && got == 0 {
			err = g.sleep(ctx, first, &waited)
		}
		if err != nil {
			return n, err
		}
		g.composeAll(dst[n:n+int(got)], first)
		n += int(got)
	}
	return n, nil
}

// sleep waits until the position is in a tick that may be used. It gives up at
// once if the deadline of ctx comes before that or with it: at the deadline ctx
// is done, and to let chance decide between the two would help nobody. A call
// is counted once, however often it sleeps.
func (g *Generator) sleep(ctx context.Context, position uint64, waited *bool) error {
	wait := g.until(position)
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left <= wait {
			return &deadlineError{wait, left}
		}
	}
	if !*waited {
		*waited = true
		g.waits.Add(1)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctxerr.Of(ctx)
	}
}

// until returns how long it takes until a position may be used.
func (g *Generator) until(position uint64) time.Duration {
	due := (position>>g.seqBits - g.ahead) * g.unit
	return time.Duration(due - g.at(g.elapsed()))
}

// All returns an endless sequence of ids, made by Next when the loop asks for
// one. The first error is the last element, with the id 0. To break out of the
// loop is safe, and so is to run it again.
func (g *Generator) All(ctx context.Context) iter.Seq2[ID, error] {
	g.mustBeMade()
	return func(yield func(ID, error) bool) {
		for {
			id, err := g.Next(ctx)
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// reserve takes up to n positions that follow each other and returns the first
// of them; the caller owns them. If the tick is used up it takes none, got is 0,
// and first is the position that has to be waited for.
func (g *Generator) reserve(n uint64) (first, got uint64, err error) {
	now, err := g.now()
	if err != nil {
		return 0, 0, err
	}
	tick := g.tick(now)
	if tick >= g.end {
		return 0, 0, ErrExpired
	}
	limit := min(tick+g.ahead+1, g.end) << (g.seqBits & 63) // the first position that is too late
	for {
		last := g.last.Load()
		first := max(last+1, tick<<(g.seqBits&63))
		if first >= limit {
			return g.usedUp(first)
		}
		got := min(n, limit-first)
		chaos.Point("idgen: last id read, not yet moved")
		if g.last.CompareAndSwap(last, first+got-1) {
			if invariants.Enabled {
				invariants.Check(g.validate(last, first))
			}
			return first, got, nil
		}
		chaos.Point("idgen: lost the race for an id")
	}
}

// usedUp tells a tick that has to be waited for from one that never comes.
func (g *Generator) usedUp(first uint64) (uint64, uint64, error) {
	if first>>g.seqBits >= g.end {
		return 0, 0, ErrExpired
	}
	return first, 0, nil
}

// now returns the nanoseconds since the epoch, or why no id may be made.
func (g *Generator) now() (uint64, error) {
	elapsed := g.elapsed()
	if g.due(elapsed) {
		if err := g.inspect(elapsed); err != nil {
			return 0, err
		}
	}
	if l := g.lease; l != nil && !l.holds(elapsed+g.leaseShift) {
		return 0, ErrLeaseLost
	}
	return g.at(elapsed), nil
}

// inspect is the part of now that looks at the wall clock. The lease comes
// first: if the clock is about to jump because the machine slept, then the
// lease has aged by as much, and no id with a date from after the sleep may be
// made under it.
func (g *Generator) inspect(elapsed time.Duration) error {
	g.mustBeMade()
	wall := g.wall()
	if g.lease != nil && !g.lease.holdsAt(wall) {
		return ErrLeaseLost
	}
	return g.compare(elapsed, wall)
}

func (g *Generator) mustBeMade() {
	if g.unit == 0 {
		panic("idgen: Generator not made by New")
	}
}

// validate checks what a swap from last to first promises.
func (g *Generator) validate(last, first uint64) error {
	l, id := g.layout, g.compose(first)
	switch p := l.Decode(id); {
	case first <= last:
		return fmt.Errorf("position %d after %d", first, last)
	case id < 0 || p.Node != g.number || p.Sequence != int64(first&g.seqMask):
		return fmt.Errorf("id %d of position %d has the parts %v", id, first, p)
	}
	return nil
}

// Layout returns the layout of the ids, with its defaults filled in.
func (g *Generator) Layout() Layout {
	g.mustBeMade()
	return g.layout
}

// Stats is a copy of the state of a Generator. The fields are read one after
// the other and need not be of one instant.
type Stats struct {
	Node      int64
	Last      time.Time     // no id is dated later: what to persist for NotBefore
	Ahead     time.Duration // from the generator's clock to Last, 0 if Last is not in its future
	Drift     time.Duration // the generator's clock minus the wall clock, when they were last compared
	Waits     uint64        // calls that had to wait for a tick
	Rollbacks uint64        // times that the generator began to refuse because of the clock
}

// Stats returns the state of the generator. Last is the start of a tick. Before
// the first id it may lie in the ticks that are left to a predecessor, see
// Config.NotBefore. O(1), no allocation.
func (g *Generator) Stats() Stats {
	g.mustBeMade()
	tick := g.last.Load() >> g.seqBits
	now := g.at(g.elapsed())
	return Stats{
		Node:      g.number,
		Last:      g.layout.at(tick),
		Ahead:     time.Duration(max(tick*g.unit, now) - now),
		Drift:     time.Duration(g.drift.Load()),
		Waits:     g.waits.Load(),
		Rollbacks: g.rollbacks.Load(),
	}
}
