package lru_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mainstay-go/mainstay/lru"
)

// The answer for the whiteboard: a fixed capacity, O(1) for everything, and the least recently used entry leaves.
func Example() {
	cache, err := lru.New(lru.Config[string, int]{Capacity: 2})
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
	// Output:
	// b is there: false
	// from the oldest: [a c]
}

// Follow-up: who leaves, and why? Each value that is no longer held is reported once.
func ExampleConfig_onEvict() {
	cache, err := lru.New(lru.Config[string, int]{
		Capacity: 2,
		OnEvict: func(key string, value int, reason lru.Reason) {
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
	// Output:
	// a 1 replaced
	// a 2 evicted
	// b 3 deleted
}

// Follow-up: entries of different sizes. The bound is on the sum of the weights; a value that could never fit is refused
// and pushes nobody out.
func ExampleConfig_weigh() {
	cache, err := lru.New(lru.Config[string, string]{
		Capacity:  1000,
		MaxWeight: 10,
		Weigh:     func(key, value string) int64 { return int64(len(value)) },
	})
	if err != nil {
		panic(err)
	}
	cache.Set("a", "12345")
	cache.Set("b", "12345")
	fmt.Println(cache.Set("c", "far too long"), cache.Len(), cache.Weight())
	fmt.Println(cache.Set("c", "123"), cache.Len(), cache.Weight())
	// Output:
	// false 2 10
	// true 2 8
}

// Follow-up: wrong input is an error that names the field.
func ExampleNew_invalid() {
	_, err := lru.New(lru.Config[string, int]{Capacity: 0})
	fmt.Println(err)
	fmt.Println(errors.Is(err, lru.ErrConfig))
	// Output:
	// lru: invalid config: Capacity must be at least 1, got 0
	// true
}

// Follow-up: many goroutines store under one key, and all must agree on one value.
func ExampleCache_GetOrSet() {
	cache, err := lru.New(lru.Config[string, string]{Capacity: 10})
	if err != nil {
		panic(err)
	}
	fmt.Println(cache.GetOrSet("session", "first"))
	fmt.Println(cache.GetOrSet("session", "second"))
	// Output:
	// first false
	// first true
}

// The iterators copy the entries first, so the body may change the cache.
func ExampleCache_All() {
	cache, err := lru.New(lru.Config[int, string]{Capacity: 3})
	if err != nil {
		panic(err)
	}
	for i, name := range []string{"one", "two", "three"} {
		cache.Set(i+1, name)
	}
	for key, value := range cache.All() {
		if key%2 == 1 {
			cache.Delete(key)
		}
		fmt.Println(key, value)
	}
	fmt.Println(cache.Len(), "left")
	// Output:
	// 1 one
	// 2 two
	// 3 three
	// 1 left
}

// Oldest and DeleteOldest let the caller decide who leaves: here, expired sessions from the old end.
func ExampleCache_DeleteOldest() {
	cache, err := lru.New(lru.Config[string, int]{Capacity: 10}) // the value is the time of the last use
	if err != nil {
		panic(err)
	}
	cache.Set("a", 100)
	cache.Set("b", 250)
	cache.Set("c", 300)
	for {
		_, used, ok := cache.Oldest()
		if !ok || used > 200 {
			break
		}
		key, _, _ := cache.DeleteOldest()
		fmt.Println("expired:", key)
	}
	fmt.Println(cache.Len(), "in use")
	// Output:
	// expired: a
	// 2 in use
}

func ExampleCache_Resize() {
	cache, err := lru.New(lru.Config[int, int]{Capacity: 4})
	if err != nil {
		panic(err)
	}
	for i := range 4 {
		cache.Set(i, i)
	}
	evicted, err := cache.Resize(2)
	fmt.Println(evicted, err, slices.Collect(cache.Keys()))
	// Output:
	// 2 <nil> [2 3]
}

func ExampleCache_Stats() {
	cache, err := lru.New(lru.Config[int, int]{Capacity: 2})
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		cache.Set(i, i)
		cache.Get(0)
	}
	stats := cache.Stats()
	fmt.Println("hits", stats.Hits, "misses", stats.Misses, "inserts", stats.Inserts, "evictions", stats.Evictions)
	// Output:
	// hits 3 misses 0 inserts 3 evictions 1
}

// Departures are told apart by reason; String gives the word for a log line or a label.
func ExampleReason() {
	for _, reason := range []lru.Reason{lru.Evicted, lru.Replaced, lru.Deleted, lru.Rejected} {
		fmt.Println(reason)
	}
	// Output:
	// evicted
	// replaced
	// deleted
	// rejected
}
