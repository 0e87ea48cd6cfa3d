package circuitbreaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mainstay-go/mainstay/circuitbreaker"
)

var errRefused = errors.New("connection refused")

func pay(context.Context) error { return errRefused }

// A service that is down is not called any more after the third failure.
func ExampleBreaker() {
	breaker, err := circuitbreaker.New(circuitbreaker.Config{Name: "payments", ConsecutiveFailures: 3})
	if err != nil {
		panic(err)
	}
	for range 4 {
		fmt.Println(breaker.Do(context.Background(), pay))
	}
	// Output:
	// connection refused
	// connection refused
	// connection refused
	// circuitbreaker: payments is open: connection refused
}

// A rejection says when to come back and what opened the breaker; a fallback answers instead.
func ExampleBreaker_Do_fallback() {
	breaker, err := circuitbreaker.New(circuitbreaker.Config{Name: "prices", ConsecutiveFailures: 1, OpenDuration: time.Hour})
	if err != nil {
		panic(err)
	}
	price := func(ctx context.Context) string {
		err := breaker.Do(ctx, pay)
		if rejection, ok := errors.AsType[*circuitbreaker.OpenError](err); ok {
			return fmt.Sprintf("yesterday's price; retry later: %v", rejection.RetryAfter() > 50*time.Minute)
		}
		return fmt.Sprint(err)
	}
	fmt.Println(price(context.Background()))
	fmt.Println(price(context.Background()))
	// Output:
	// connection refused
	// yesterday's price; retry later: true
}

// A function that returns a value.
func ExampleDo() {
	breaker, err := circuitbreaker.New(circuitbreaker.Config{})
	if err != nil {
		panic(err)
	}
	n, err := circuitbreaker.Do(context.Background(), breaker, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(n, err)
	// Output: 42 <nil>
}

// Where there is no function to wrap, a Ticket ends the call.
func ExampleTicket() {
	breaker, err := circuitbreaker.New(circuitbreaker.Config{})
	if err != nil {
		panic(err)
	}
	ticket, err := breaker.Allow()
	if err != nil {
		panic(err)
	}
	ticket.Done(errRefused)
	ticket.Done(errRefused) // a second end does nothing
	fmt.Printf("%+v\n", breaker.Stats().Total)
	// Output: {Successes:0 Failures:1 Slow:0 Ignored:0}
}

// Not every error speaks against the dependency.
func ExampleConfig_classify() {
	errNotFound := errors.New("not found")
	breaker, err := circuitbreaker.New(circuitbreaker.Config{
		ConsecutiveFailures: 2,
		Classify: func(err error) circuitbreaker.Outcome {
			if err == nil || errors.Is(err, errNotFound) {
				return circuitbreaker.Success
			}
			return circuitbreaker.Failure
		},
	})
	if err != nil {
		panic(err)
	}
	for range 10 {
		_ = breaker.Do(context.Background(), func(context.Context) error { return errNotFound })
	}
	fmt.Println(breaker.State())
	// Output: closed
}

// The changes are told in order, with the reason.
func ExampleChange() {
	breaker, err := circuitbreaker.New(circuitbreaker.Config{
		Name: "db", ConsecutiveFailures: 1,
		OnStateChange: func(c circuitbreaker.Change) {
			fmt.Printf("%s: %v -> %v, %v, %v\n", c.Name, c.From, c.To, c.Reason, c.Cause)
		},
	})
	if err != nil {
		panic(err)
	}
	_ = breaker.Do(context.Background(), pay)
	breaker.Reset()
	breaker.SetMode(circuitbreaker.ModeForcedOpen)
	// Output:
	// db: closed -> open, consecutive failures, connection refused
	// db: open -> closed, reset, <nil>
	// db: closed -> open, mode, <nil>
}

// A hundred hosts fail at once: not a hundred breakers open.
func ExampleGroup() {
	hosts, err := circuitbreaker.NewGroup[string](circuitbreaker.GroupConfig{
		Breaker:         circuitbreaker.Config{ConsecutiveFailures: 1},
		MaxOpenFraction: 0.2,
	})
	if err != nil {
		panic(err)
	}
	for i := range 100 {
		hosts.Get(fmt.Sprint("host", i))
	}
	for _, host := range hosts.All() {
		_ = host.Do(context.Background(), pay)
	}
	fmt.Printf("%+v\n", hosts.Stats())
	// Output: {Len:100 NotClosed:20 Suppressed:80 Evicted:0}
}

// A backend that refuses everything gets a trickle of calls, by which its recovery is seen.
func ExampleThrottle() {
	throttle, err := circuitbreaker.NewThrottle(circuitbreaker.ThrottleConfig{MaxReject: 0.9})
	if err != nil {
		panic(err)
	}
	reached := 0
	for range 1000 {
		_ = throttle.Do(context.Background(), func(context.Context) error { reached++; return errRefused })
	}
	fmt.Println(reached < 150, throttle.Stats().Reject)
	// Output: true 0.9
}

// Wrong settings are errors that name the field.
func ExampleNew_invalid() {
	_, err := circuitbreaker.New(circuitbreaker.Config{FailureRate: 50})
	fmt.Println(err)
	fmt.Println(errors.Is(err, circuitbreaker.ErrConfig))
	// Output:
	// circuitbreaker: invalid config: FailureRate must be in (0, 1], got 50
	// true
}
