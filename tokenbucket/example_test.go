package tokenbucket_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

// The answer on the whiteboard: a burst of three, then nothing until the refill, here an hour away.
func Example() {
	b, err := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 4 {
		fmt.Println(b.Allow())
	}
	// Output:
	// true
	// true
	// true
	// false
}

// Every setting that cannot be held is an error that names the field and the value.
func ExampleNew_invalid() {
	for _, cfg := range []tokenbucket.Config{
		{Rate: tokenbucket.PerSecond(0)},
		{Rate: tokenbucket.PerSecond(10), Burst: -1},
	} {
		_, err := tokenbucket.New(cfg)
		fmt.Println(errors.Is(err, tokenbucket.ErrConfig), err)
	}
	// Output:
	// true tokenbucket: invalid config: Rate must be at least 1 token, got 0 per 1s
	// true tokenbucket: invalid config: Burst must be at least 1, or 0 for Rate.Tokens, got -1
}

// A request may cost several tokens; it takes all of them or none.
func ExampleBucket_AllowN() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 10})
	fmt.Println(b.AllowN(7), b.AllowN(7), b.AllowN(3))
	// Output: true false true
}

// A batch is admitted in part.
func ExampleBucket_AllowUpTo() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 10})
	batch := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	n := b.AllowUpTo(int64(len(batch)))
	fmt.Println("now:", batch[:n], "later:", batch[n:])
	// Output: now: [a b c d e f g h i j] later: [k l]
}

// A wait that the deadline cannot cover is refused at once, and matches both what it is and what the caller looks for.
func ExampleBucket_Wait() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 1})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(b.Wait(ctx))
	err := b.Wait(ctx)
	fmt.Println(errors.Is(err, tokenbucket.ErrWouldExceedDeadline), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// <nil>
	// true true
}

// When to come back, rounded up, as a Retry-After header would say.
func ExampleBucket_RetryAfter() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 1})
	b.Allow()
	wait, ok := b.RetryAfter(1)
	fmt.Println(ok, (wait + time.Minute - 1).Truncate(time.Minute))
	_, ok = b.RetryAfter(2)
	fmt.Println(ok, "a bucket of one never holds two")
	// Output:
	// true 1h0m0s
	// false a bucket of one never holds two
}

// What was taken and not used goes back.
func ExampleBucket_Return() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 5})
	taken := b.AllowUpTo(5)
	used := int64(2)
	b.Return(taken - used)
	fmt.Println(b.Tokens())
	// Output: 3
}

// Rate and burst change together; the tokens stay as far as they fit.
func ExampleBucket_SetLimit() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(10), Burst: 10})
	b.AllowN(4)
	_ = b.SetLimit(tokenbucket.PerHour(100), 100)
	fmt.Println(b.Tokens())
	_ = b.SetLimit(tokenbucket.PerHour(1), 2)
	fmt.Println(b.Tokens())
	// Output:
	// 6
	// 2
}

// A scheduler asks for a place in the queue instead of blocking, and gives it up again.
func ExampleReservation() {
	b, _ := tokenbucket.New(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 1})
	first, _ := b.Reserve(1, 0)
	fmt.Println(first.Delay())
	_, err := b.Reserve(1, time.Minute)
	fmt.Println(errors.Is(err, tokenbucket.ErrWouldExceedDeadline))
	second, _ := b.Reserve(1, 2*time.Hour)
	fmt.Println(second.Delay() > 59*time.Minute, b.Stats().Waiting)
	first.Cancel()
	fmt.Println(b.Stats().Waiting)
	// Output:
	// 0s
	// true
	// true 1
	// 0
}

func ExampleRate() {
	fmt.Println(tokenbucket.PerSecond(100))
	fmt.Println(tokenbucket.Every(250 * time.Millisecond))
	fmt.Println(tokenbucket.PerMinute(60) == tokenbucket.PerSecond(1))
	// Output:
	// 100 per 1s
	// 1 per 250ms
	// false
}
