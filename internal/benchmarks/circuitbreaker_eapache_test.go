package benchmarks

import (
	"context"

	"github.com/eapache/go-resiliency/breaker"
)

var circuitbreakerEapache = circuitbreakerImpl{
	name: "eapache",
	doer: func(r circuitbreakerRule) circuitbreakerDoer {
		if r != circuitbreakerConsecutive {
			return nil
		}
		return circuitbreakerEapacheDoer{breaker.New(5, 1, circuitbreakerOpenTime)}
	},
}

type circuitbreakerEapacheDoer struct{ b *breaker.Breaker }

func (d circuitbreakerEapacheDoer) Do(ctx context.Context, fn func(context.Context) error) error {
	return d.b.Run(func() error { return fn(ctx) })
}
