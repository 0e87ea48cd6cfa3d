package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mainstay-go/mainstay/ratelimit"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// The answer on the whiteboard: each client has its own bucket.
func Example() {
	l, err := ratelimit.New(ratelimit.Config[string]{
		Limit: ratelimit.Limit{Rate: tokenbucket.PerHour(1), Burst: 2},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		fmt.Println("alice:", l.Allow("alice"))
	}
	fmt.Println("bob:", l.Allow("bob"))
	// Output:
	// alice: true
	// alice: true
	// alice: false
	// bob: true
}

// What to tell the client: how much is left, and when to come back.
func ExampleLimiter_Take() {
	l, _ := ratelimit.New(ratelimit.Config[string]{
		Algorithm: ratelimit.FixedWindow,
		Limit:     ratelimit.Limit{Rate: tokenbucket.PerHour(3)},
	})
	for _, cost := range []int64{2, 2, 1, 4} {
		r, err := l.Take(context.Background(), "alice", cost)
		fmt.Printf("%d: ok %v, %d of %d left, retry %v, %v\n", cost, r.OK, r.Remaining, r.Limit,
			(r.RetryAfter + time.Minute - 1).Truncate(time.Minute), err)
	}
	// Output:
	// 2: ok true, 1 of 3 left, retry 0s, <nil>
	// 2: ok false, 1 of 3 left, retry 1h0m0s, <nil>
	// 1: ok true, 0 of 3 left, retry 0s, <nil>
	// 4: ok false, 0 of 3 left, retry 0s, ratelimit: cost exceeds the limit: 4 of 3
}

// Where a refusal has to be an error.
func ExampleResult_Err() {
	l, _ := ratelimit.New(ratelimit.Config[string]{Limit: ratelimit.Limit{Rate: tokenbucket.PerHour(1)}})
	l.Allow("alice")
	r, _ := l.Take(context.Background(), "alice", 1)
	err := fmt.Errorf("login: %w", r.Err())
	fmt.Println(errors.Is(err, ratelimit.ErrLimited))
	if limited, ok := errors.AsType[*ratelimit.LimitError](err); ok {
		fmt.Println(limited.Result.RetryAfter > 59*time.Minute)
	}
	// Output:
	// true
	// true
}

// A call that failed for our own reasons should not count.
func ExampleLimiter_Return() {
	l, _ := ratelimit.New(ratelimit.Config[string]{Limit: ratelimit.Limit{Rate: tokenbucket.PerHour(1)}})
	fmt.Println(l.Allow("alice"), l.Allow("alice"))
	l.Return("alice", 1)
	fmt.Println(l.Allow("alice"))
	// Output:
	// true false
	// true
}

// A limit is changed while the service runs: what was spent stays spent.
func ExampleLimiter_SetLimit() {
	l, _ := ratelimit.New(ratelimit.Config[string]{Limit: ratelimit.Limit{Rate: tokenbucket.PerHour(10)}})
	l.AllowN("alice", 6)
	for _, quota := range []int64{20, 4} {
		_ = l.SetLimit(ratelimit.Limit{Rate: tokenbucket.PerHour(quota)})
		r, _ := l.Take(context.Background(), "alice", 0)
		fmt.Println(r.Remaining, "of", r.Limit)
	}
	// Output:
	// 14 of 20
	// 0 of 4
}

// The usual trap: an attacker who has spent his quota makes up names until his own is forgotten. Here the names forget
// one another.
func ExampleStats() {
	l, _ := ratelimit.New(ratelimit.Config[string]{
		Limit:   ratelimit.Limit{Rate: tokenbucket.PerHour(100)},
		MaxKeys: 100,
	})
	l.AllowN("attacker", 100)
	for i := range 10_000 {
		l.Allow(fmt.Sprint("made up ", i))
	}
	s := l.Stats()
	fmt.Println(s.Keys, s.EvictedActive, l.Allow("attacker"))
	// Output: 100 9901 false
}

// unlimited lets the keys of a plan pass and asks the limiter for all others.
type unlimited struct {
	ratelimit.Taker[string]
	plan map[string]bool
}

func (u unlimited) Take(ctx context.Context, key string, n int64) (ratelimit.Result, error) {
	if u.plan[key] {
		return ratelimit.Result{OK: true}, ctx.Err()
	}
	return u.Taker.Take(ctx, key, n)
}

// A Taker is wrapped to make exceptions.
func ExampleTaker() {
	l, _ := ratelimit.New(ratelimit.Config[string]{Limit: ratelimit.Limit{Rate: tokenbucket.PerHour(1)}})
	u := unlimited{Taker: l, plan: map[string]bool{"gold": true}}
	for _, key := range []string{"gold", "gold", "alice", "alice"} {
		r, _ := u.Take(context.Background(), key, 1)
		fmt.Println(key, r.OK)
	}
	// Output:
	// gold true
	// gold true
	// alice true
	// alice false
}
