package benchmarks

import (
	"context"

	"github.com/cenkalti/backoff"
	rubyist "github.com/rubyist/circuitbreaker"
)

var circuitbreakerRubyist = circuitbreakerImpl{
	name: "rubyist",
	doer: func(r circuitbreakerRule) circuitbreakerDoer {
		o := &rubyist.Options{BackOff: backoff.NewConstantBackOff(circuitbreakerOpenTime)}
		switch r {
		case circuitbreakerConsecutive:
			o.ShouldTrip = rubyist.ConsecutiveTripFunc(5)
		case circuitbreakerTime:
			o.ShouldTrip = rubyist.RateTripFunc(0.5, 20)
		default:
			return nil
		}
		return circuitbreakerRubyistDoer{rubyist.NewBreakerWithOptions(o)}
	},
}

type circuitbreakerRubyistDoer struct{ b *rubyist.Breaker }

func (d circuitbreakerRubyistDoer) Do(ctx context.Context, fn func(context.Context) error) error {
	return d.b.Call(func() error { return fn(ctx) }, 0)
}
