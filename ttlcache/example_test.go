package ttlcache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/ttlcache"
)

// The answer for the whiteboard: a bound on the number of entries, a bound on their age, safe for concurrent use, and no
// goroutine that sweeps.
func Example() {
	cache, err := ttlcache.New(ttlcache.Config[string, int]{Capacity: 2, TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	cache.Set("a", 1)
	cache.Set("b", 2)
	cache.Get("a")    // a is more recent than b now
	cache.Set("c", 3) // so b leaves

	_, ok := cache.Get("b")
	fmt.Println("b is there:", ok)
	fmt.Println("from the oldest:", slices.Collect(cache.Keys()))

	cache.Expire("a", 0)
	_, ok = cache.Get("a")
	fmt.Println("a is there:", ok)
	// Output:
	// b is there: false
	// from the oldest: [a c]
	// a is there: false
}

// Follow-up: a popular key is missing, and a thousand requests want it. The origin is asked once.
func ExampleCache_GetOrLoad() {
	cache, err := ttlcache.New(ttlcache.Config[string, string]{Capacity: 100, TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	var calls atomic.Int64
	started, answer := make(chan struct{}), make(chan struct{})
	origin := func(ctx context.Context, key string) (string, error) {
		calls.Add(1)
		close(started)
		<-answer
		return "page of " + key, ctx.Err()
	}
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := cache.GetOrLoad(context.Background(), "ann", origin); err != nil {
				panic(err)
			}
		})
	}
	<-started
	close(answer)
	wg.Wait()
	page, _ := cache.Get("ann")
	fmt.Println(page, "- the origin was asked", calls.Load(), "time")
	// Output:
	// page of ann - the origin was asked 1 time
}

// Follow-up: the key does not exist, and somebody keeps asking. The absence is remembered.
func ExampleConfig_negativeTTL() {
	cache, err := ttlcache.New(ttlcache.Config[string, string]{Capacity: 100, TTL: time.Hour, NegativeTTL: time.Minute})
	if err != nil {
		panic(err)
	}
	calls := 0
	origin := func(ctx context.Context, key string) (string, error) {
		calls++
		return "", fmt.Errorf("user %q: %w", key, ttlcache.ErrNotFound)
	}
	for range 3 {
		_, err = cache.GetOrLoad(context.Background(), "bob", origin)
		fmt.Println(errors.Is(err, ttlcache.ErrNotFound), calls)
	}
	// Output:
	// true 1
	// true 1
	// true 1
}

// Follow-up: a loader that panics harms nobody but those who wait for it, and they get an error.
func ExamplePanicError() {
	cache, err := ttlcache.New(ttlcache.Config[string, string]{Capacity: 100, TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	_, err = cache.GetOrLoad(context.Background(), "ann", func(context.Context, string) (string, error) {
		panic("no such table")
	})
	if failure, ok := errors.AsType[*ttlcache.PanicError](err); ok {
		fmt.Println("the loader panicked:", failure.Value)
	}
	// Output:
	// the loader panicked: no such table
}

// Follow-up: the answer says itself how long it is valid. What the loader stores is not overwritten by what it returns.
func ExampleCache_SetTTL() {
	cache, err := ttlcache.New(ttlcache.Config[string, string]{Capacity: 100, TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	_, err = cache.GetOrLoad(context.Background(), "token", func(_ context.Context, key string) (string, error) {
		cache.SetTTL(key, "secret", ttlcache.NoExpiry)
		return "secret", nil
	})
	left, ok := cache.TTL("token")
	fmt.Println(left == ttlcache.NoExpiry, ok, err)
	fmt.Println(cache.SetTTL("token", "expired already", -5*time.Second), cache.Contains("token"))
	// Output:
	// true true <nil>
	// false false
}

// Follow-up: who leaves, and why? Each value that is no longer held is reported once.
func ExampleConfig_onEvict() {
	cache, err := ttlcache.New(ttlcache.Config[string, int]{
		Capacity: 2,
		TTL:      time.Hour,
		OnEvict: func(key string, value int, reason ttlcache.Reason) {
			fmt.Println(key, value, reason)
		},
	})
	if err != nil {
		panic(err)
	}
	cache.Set("a", 1)
	cache.Set("a", 2)
	cache.Set("b", 3)
	cache.Set("c", 4)
	cache.Delete("b")
	cache.Expire("c", 0)
	cache.SetTTL("d", 5, 0)
	// Output:
	// a 1 replaced
	// a 2 evicted
	// b 3 deleted
	// c 4 expired
	// d 5 rejected
}

// Follow-up: wrong input is an error that names the field. 0 does not mean for ever.
func ExampleNew_invalid() {
	_, err := ttlcache.New(ttlcache.Config[string, int]{Capacity: 10})
	fmt.Println(err)
	fmt.Println(errors.Is(err, ttlcache.ErrConfig))
	// Output:
	// ttlcache: invalid config: TTL must be positive or NoExpiry, got 0s
	// true
}

func ExampleReason() {
	for _, reason := range []ttlcache.Reason{
		ttlcache.Evicted, ttlcache.Replaced, ttlcache.Deleted, ttlcache.Expired, ttlcache.Rejected,
	} {
		fmt.Println(reason)
	}
	// Output:
	// evicted
	// replaced
	// deleted
	// expired
	// rejected
}

func ExampleCache_Stats() {
	cache, err := ttlcache.New(ttlcache.Config[int, int]{Capacity: 2, TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		cache.Set(i, i)
		cache.Get(0)
	}
	cache.Expire(0, 0)
	stats := cache.Stats()
	fmt.Println("hits", stats.Hits, "inserts", stats.Inserts, "evictions", stats.Evictions, "expirations", stats.Expirations)
	// Output:
	// hits 3 inserts 3 evictions 1 expirations 1
}
