package benchmarks

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

var circuitbreakerFailsafe = circuitbreakerImpl{
	name: "failsafe",
	doer: func(r circuitbreakerRule) circuitbreakerDoer {
		return circuitbreakerFailsafeDoer{failsafe.With[struct{}](newCircuitbreakerFailsafe(r))}
	},
	twoStep: func(r circuitbreakerRule) circuitbreakerTwoStep {
		return circuitbreakerFailsafeTwoStep{newCircuitbreakerFailsafe(r)}
	},
	busy: func() (circuitbreakerDoer, func()) {
		b := newCircuitbreakerFailsafe(circuitbreakerConsecutive)
		b.HalfOpen()
		b.TryAcquirePermit()
		return circuitbreakerFailsafeDoer{failsafe.With[struct{}](b)}, b.Close
	},
}

func newCircuitbreakerFailsafe(r circuitbreakerRule) circuitbreaker.CircuitBreaker[struct{}] {
	builder := circuitbreaker.NewBuilder[struct{}]().WithDelay(circuitbreakerOpenTime).WithSuccessThreshold(1)
	switch r {
	case circuitbreakerConsecutive:
		builder = builder.WithFailureThreshold(5)
	case circuitbreakerTime:
		builder = builder.WithFailureRateThreshold(0.5, 20, 10*time.Second)
	default:
		builder = builder.WithFailureThresholdRatio(50, 100)
	}
	return builder.Build()
}

type circuitbreakerFailsafeDoer struct{ executor failsafe.Executor[struct{}] }

func (d circuitbreakerFailsafeDoer) Do(ctx context.Context, fn func(context.Context) error) error {
	_, err := d.executor.Get(func() (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

type circuitbreakerFailsafeTwoStep struct {
	b circuitbreaker.CircuitBreaker[struct{}]
}

func (s circuitbreakerFailsafeTwoStep) Call(err error) bool {
	if !s.b.TryAcquirePermit() {
		return false
	}
	if err != nil {
		s.b.RecordFailure()
	} else {
		s.b.RecordSuccess()
	}
	return true
}
