package ratelimit

import (
	"math"
	"time"

	"github.com/mainstay-go/mainstay/internal/tokenunits"
)

// bucket is the token bucket of package tokenbucket, without its clock and its
// queue: the state is the position up to which tokens have been consumed on an
// axis on which production advances with time.
type bucket struct{ axis tokenunits.Axis }

func (*bucket) next(l Limit) rules {
	return &bucket{axis: tokenunits.NewAxis(l.Rate.Tokens, l.Rate.Per, l.quota())}
}

// position is where production has come at an instant.
func (b *bucket) position(now int64) int64 { return b.axis.At(time.Duration(now)) }

func (b *bucket) fresh(now int64) state { return state{at: b.position(now) - b.axis.Full} }

func (b *bucket) used(s state, now int64) int64 {
	return b.axis.Full - b.axis.Level(s.at, b.position(now))
}

func (b *bucket) take(s state, now, n int64) (state, bool) {
	at, ok := b.axis.Take(s.at, b.position(now), n*b.axis.Token)
	if !ok {
		return s, false
	}
	return state{at: at}, true
}

func (b *bucket) give(s state, now, n int64) state {
	n = min(n, b.axis.Full/b.axis.Token)
	return state{at: b.axis.Give(s.at, b.position(now), n*b.axis.Token)}
}

func (b *bucket) view(s state, now, n int64) view {
	position := b.position(now)
	at := max(s.at, position-b.axis.Full)
	v := view{
		remaining:  b.axis.Level(at, position) / b.axis.Token,
		resetAfter: b.until(at, now, b.axis.Full),
	}
	if n > 0 {
		v.retryAfter = b.until(at, now, n*b.axis.Token)
	}
	return v
}

// until returns the time until a bucket that has been consumed up to at holds
// units: for ever if that is beyond the years that an axis measures.
func (b *bucket) until(at, now, units int64) int64 {
	due, ok := b.axis.When(at, uint64(units))
	if !ok {
		return math.MaxInt64
	}
	return max(int64(due)-now, 0)
}

func (*bucket) drop(state) {}

// convert keeps the tokens that are spent, rounded up to the new unit.
func (b *bucket) convert(s state, now int64, old rules) state {
	before := old.(*bucket)
	spent := b.axis.ConvertUp(&before.axis, before.used(s, now))
	return state{at: b.position(now) - b.axis.Full + spent}
}
