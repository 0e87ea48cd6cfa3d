package benchmarks

import (
	"context"
	"time"

	"github.com/sony/gobreaker/v2"
)

var circuitbreakerGobreaker = circuitbreakerImpl{
	name: "gobreaker",
	doer: func(r circuitbreakerRule) circuitbreakerDoer {
		if r == circuitbreakerCount {
			return nil
		}
		return newCircuitbreakerGobreaker(r, circuitbreakerOpenTime)
	},
	twoStep: func(r circuitbreakerRule) circuitbreakerTwoStep {
		if r == circuitbreakerCount {
			return nil
		}
		return circuitbreakerGobreakerTwoStep{gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreakerSettings(r, circuitbreakerOpenTime))}
	},
	busy: func() (circuitbreakerDoer, func()) {
		d := newCircuitbreakerGobreaker(circuitbreakerConsecutive, time.Nanosecond)
		for range 5 {
			_ = d.Do(context.Background(), circuitbreakerFail)
		}
		begun, release := make(chan struct{}), make(chan struct{})
		go func() {
			_ = d.Do(context.Background(), func(context.Context) error { close(begun); <-release; return nil })
		}()
		<-begun
		return d, func() { close(release) }
	},
	group: func(keys int) func(int) circuitbreakerDoer {
		return circuitbreakerMap(keys, func() circuitbreakerDoer {
			return newCircuitbreakerGobreaker(circuitbreakerTime, circuitbreakerOpenTime)
		})
	},
}

func gobreakerSettings(r circuitbreakerRule, open time.Duration) gobreaker.Settings {
	s := gobreaker.Settings{Timeout: open, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 }}
	if r == circuitbreakerTime {
		s.Interval, s.BucketPeriod = 10*time.Second, time.Second
		s.ReadyToTrip = func(c gobreaker.Counts) bool { return c.Requests >= 20 && 2*c.TotalFailures >= c.Requests }
	}
	return s
}

type circuitbreakerGobreakerDoer struct {
	b *gobreaker.CircuitBreaker[struct{}]
}

func newCircuitbreakerGobreaker(r circuitbreakerRule, open time.Duration) circuitbreakerGobreakerDoer {
	return circuitbreakerGobreakerDoer{gobreaker.NewCircuitBreaker[struct{}](gobreakerSettings(r, open))}
}

func (d circuitbreakerGobreakerDoer) Do(ctx context.Context, fn func(context.Context) error) error {
	_, err := d.b.Execute(func() (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

type circuitbreakerGobreakerTwoStep struct {
	b *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func (s circuitbreakerGobreakerTwoStep) Call(err error) bool {
	done, rejection := s.b.Allow()
	if rejection != nil {
		return false
	}
	done(err)
	return true
}
