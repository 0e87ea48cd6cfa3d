package tokenbucket

import (
	"fmt"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/tokenunits"
)

// frozen in place of a level tells that the level is in Bucket.used, under the
// mutex. It lies above every position, so that to the arithmetic a frozen word
// is an empty bucket: the path that admits need not look for it.
const frozen = tokenunits.End

// cacheLine is the size of the line that two cores exchange when both write. A
// limit fills one exactly, so that a call touches one line of it, and no
// neighbour on the heap takes that line away. BenchmarkNeighbours shows the
// price, on cores with caches of their own; two hyperthreads of one core share
// the line for nothing.
const cacheLine = 64

// limit is one setting of a bucket together with the level measured in its
// units. All but level is immutable. SetLimit replaces the whole, so that
// whoever holds a limit can decide with numbers that belong together; the level
// of a limit that has been replaced stays frozen for ever, which sends those
// who still hold it to the mutex and to its successor.
type limit struct {
	// level is how far the tokens have been consumed, a position on axis, or
	// frozen. A successful compare-and-swap from one position to a higher one
	// passes the tokens between the two to the caller.
	level atomic.Int64

	axis  tokenunits.Axis
	rate  Rate
	burst int64

	_ [cacheLine - 56]byte // the fields above, on 32 and on 64 bits
}

// newLimit returns a frozen limit, or an error that matches ErrConfig.
func newLimit(rate Rate, burst int64) (*limit, error) {
	if burst == 0 {
		burst = rate.Tokens
	}
	if err := tokenunits.Check(rate.Tokens, rate.Per, burst); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	l := &limit{axis: tokenunits.NewAxis(rate.Tokens, rate.Per, burst), rate: rate, burst: burst}
	l.level.Store(frozen)
	return l, nil
}

// SetLimit replaces rate and burst together; burst 0 means rate.Tokens. The
// tokens in the bucket stay, with their fraction of a token, as far as they fit
// into the new burst, and the new rate counts from this instant; lowering a
// limit and raising it again gives nobody a token. What is left of a token is
// rounded down to the new unit, which is less than the refill of a nanosecond.
//
// Whoever waits is planned again at once and may be released earlier or later.
// A blocked Wait that asked for more than the new burst returns
// ErrExceedsBurst; a Wait with a deadline that has become too short is not
// refused now, it ends with the error of its context. A Reservation keeps its
// Delay; if it holds a place for more than the new burst it is charged a full
// bucket when its turn comes.
//
// An error matches ErrConfig and leaves everything as it was. A concurrent
// Allow decides entirely by the old or entirely by the new limit. SetLimit
// takes time in proportion to the number of those who wait.
func (b *Bucket) SetLimit(rate Rate, burst int64) error {
	b.current()
	next, err := newLimit(rate, burst)
	if err != nil {
		return err
	}
	b.lock()
	defer b.unlock()
	b.replace(next)
	return nil
}

// replace publishes next with the tokens of the present limit. It requires mu;
// the level of the old limit has been frozen by lock and that of next is born
// frozen, so that no call can take from either in between.
func (b *Bucket) replace(next *limit) {
	old := b.limit.Load()
	level := old.axis.Level(b.used, old.axis.At(b.now))
	b.used = next.axis.At(b.now) - next.axis.Convert(&old.axis, level)
	b.limit.Store(next)

	// Everybody is counted again, since a place may hold back more or less than
	// before; those behind somebody who is turned away move up. Who can be
	// served by the new limit is served by unlock, which also sets the timer.
	b.line.total = wide{}
	for p := b.line.head; p != nil; {
		following := p.next
		p.need = min(p.n, next.burst)
		b.line.total.add(p.need)
		if p.ready != nil && p.n > next.burst {
			p.err = burstError(p.n, next.burst)
			b.remove(p, gone)
			close(p.ready)
		}
		p = following
	}
}
