package slidingwindow_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mainstay-go/mainstay/slidingwindow"
)

// The answer on the whiteboard: the maximum of every three values in a row.
func ExampleNewMax() {
	window, err := slidingwindow.NewMax[int](3)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range []int{1, 3, -1, -3, 5, 3, 6, 7} {
		if m := window.Push(v); window.Len() == window.Cap() {
			fmt.Print(m, " ")
		}
	}
	// Output: 3 3 5 5 6 7
}

// A window of one, and sizes that cannot be.
func ExampleNewMin() {
	window, _ := slidingwindow.NewMin[float64](1)
	fmt.Println(window.Push(2), window.Push(1), window.Push(3))
	_, err := slidingwindow.NewMin[int](0)
	fmt.Println(errors.Is(err, slidingwindow.ErrConfig), err)
	// Output:
	// 2 1 3
	// true slidingwindow: invalid config: size must be at least 1, got 0
}

func ExampleExtremum() {
	window, _ := slidingwindow.NewMax[string](2)
	_, ok := window.Value()
	fmt.Println(ok)
	window.Push("pear")
	window.Push("apple")
	fmt.Println(window.Value())
	window.Push("banana")
	fmt.Println(window.Value())
	// Output:
	// false
	// pear true
	// banana true
}

// The mean of the last three values: the aggregate is a sum and a count.
func ExampleFold() {
	type mean struct{ sum, count float64 }
	window, _ := slidingwindow.NewFold(slidingwindow.FoldConfig[mean]{
		Size:    3,
		Combine: func(a, b mean) mean { return mean{a.sum + b.sum, a.count + b.count} },
	})
	for _, v := range []float64{1, 2, 6, 7} {
		m := window.Push(mean{v, 1})
		fmt.Print(m.sum/m.count, " ")
	}
	// Output: 1 1.5 3 5
}

// Combine sees the values in order of age, so that it need not be commutative; here with a bound on every single call.
func ExampleFold_worstCase() {
	window, _ := slidingwindow.NewFold(slidingwindow.FoldConfig[string]{
		Size:      3,
		Combine:   func(older, newer string) string { return older + " " + newer },
		WorstCase: true,
	})
	for word := range strings.FieldsSeq("to be or not to be") {
		fmt.Println(window.Push(word))
	}
	window.Pop()
	fmt.Println(window.Value())
	// Output:
	// to
	// to be
	// to be or
	// be or not
	// or not to
	// not to be
	// to be true
}

// How many requests in the last hour, and how many a second.
func ExampleCounter() {
	requests, err := slidingwindow.NewCounter(slidingwindow.CounterConfig{Window: time.Hour, Buckets: 60})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 120 {
		requests.Add(1)
	}
	fmt.Println(requests.Sum(), "in the last hour,", requests.Rate(), "a second in the first minute")
	// Output: 120 in the last hour, 2 a second in the first minute
}

// Events are counted by their own time, in any order; what comes too late or cannot be true is told apart.
func ExampleCounter_AddAt() {
	c, _ := slidingwindow.NewCounter(slidingwindow.CounterConfig{Window: time.Minute, Buckets: 4, EventTime: true})
	noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	c.AddAt(noon.Add(50*time.Second), 1)
	c.AddAt(noon.Add(10*time.Second), 2)     // out of order
	c.AddAt(noon.Add(-time.Hour), 4)         // late
	c.AddAt(time.Now().Add(24*time.Hour), 8) // a wrong clock
	c.AddAt(noon.Add(time.Minute), 16)       // the bucket of 12:00:00 leaves
	fmt.Println(c.Sum(), c.Stats())
	for start, n := range c.All() {
		fmt.Println(start.UTC().Format(time.TimeOnly), n)
	}
	// Output:
	// 17 {1 1 0}
	// 12:00:15 0
	// 12:00:30 0
	// 12:00:45 1
	// 12:01:00 16
}

// The error ratio that a circuit breaker looks at: all outcomes of the same window.
func ExampleCounters() {
	const success, failure = 0, 1
	calls, _ := slidingwindow.NewCounters(slidingwindow.CountersConfig{Window: time.Hour, Outcomes: 2})
	for i := range 10 {
		if i%5 == 0 {
			calls.Add(failure, 1)
			continue
		}
		calls.Add(success, 1)
	}
	sums := calls.Sums(nil)
	fmt.Println(sums[failure], "of", sums[success]+sums[failure])
	// Output: 2 of 10
}

// The busiest clients of an access log, by the time in the log.
func ExampleTopK() {
	const log = `
10.0.0.7 - - [01/May/2024:12:00:01 +0000] "GET / HTTP/1.1" 200 512
10.0.0.9 - - [01/May/2024:12:00:02 +0000] "GET /a HTTP/1.1" 200 90
10.0.0.7 - - [01/May/2024:12:03:00 +0000] "GET /b HTTP/1.1" 404 17
10.0.0.8 - - [01/May/2024:12:03:30 +0000] "GET / HTTP/1.1" 200 512
10.0.0.8 - - [01/May/2024:12:05:10 +0000] "GET /c HTTP/1.1" 500 33
10.0.0.8 - - [01/May/2024:12:05:10 +0000] "GET /c HTTP/1.1" 500 33
`
	clients, _ := slidingwindow.NewTopK[string](slidingwindow.TopKConfig{Window: 5 * time.Minute, Buckets: 5, EventTime: true})
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		at, err := time.Parse("[02/Jan/2006:15:04:05", fields[3])
		if err != nil {
			continue
		}
		clients.AddAt(at, fields[0], 1)
	}
	for _, e := range clients.Top(2) {
		fmt.Printf("%s %d, at most %d too many\n", e.Key, e.Count, e.Err)
	}
	fmt.Println(clients.Total(), "requests from 12:01 to 12:05:59")
	// Output:
	// 10.0.0.8 3, at most 0 too many
	// 10.0.0.7 1, at most 0 too many
	// 4 requests from 12:01 to 12:05:59
}
