package benchmarks

import (
	"time"

	"github.com/mainstay-go/mainstay/circuitbreaker"
)

var circuitbreakerMainstay = circuitbreakerImpl{
	name: "mainstay",
	doer: func(r circuitbreakerRule) circuitbreakerDoer { return newCircuitbreakerMainstay(r) },
	twoStep: func(r circuitbreakerRule) circuitbreakerTwoStep {
		return circuitbreakerMainstayTwoStep{newCircuitbreakerMainstay(r)}
	},
	busy: func() (circuitbreakerDoer, func()) {
		b := newCircuitbreakerMainstay(circuitbreakerConsecutive)
		b.Trip(time.Nanosecond)
		for b.State() != circuitbreaker.HalfOpen {
			time.Sleep(time.Millisecond)
		}
		probe, err := b.Allow()
		if err != nil {
			panic(err)
		}
		return b, func() { probe.Done(nil) }
	},
	group: func(keys int) func(int) circuitbreakerDoer {
		g, err := circuitbreaker.NewGroup[int](circuitbreaker.GroupConfig{MaxKeys: keys})
		if err != nil {
			panic(err)
		}
		for i := range keys {
			g.Get(i)
		}
		return func(key int) circuitbreakerDoer { return g.Get(key) }
	},
}

func newCircuitbreakerMainstay(r circuitbreakerRule) *circuitbreaker.Breaker {
	c := circuitbreaker.Config{OpenDuration: circuitbreakerOpenTime, ProbeTimeout: time.Hour}
	switch r {
	case circuitbreakerConsecutive:
		c.ConsecutiveFailures = 5
	case circuitbreakerCount:
		c.CountWindow = 100
	default:
	}
	b, err := circuitbreaker.New(c)
	if err != nil {
		panic(err)
	}
	return b
}

type circuitbreakerMainstayTwoStep struct{ b *circuitbreaker.Breaker }

func (s circuitbreakerMainstayTwoStep) Call(err error) bool {
	ticket, rejection := s.b.Allow()
	if rejection != nil {
		return false
	}
	ticket.Done(err)
	return true
}
