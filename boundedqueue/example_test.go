package boundedqueue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/boundedqueue"
)

// The answer on the whiteboard: producers wait for room, Close ends the work, and the consumer sees every value.
func ExampleQueue() {
	q, err := boundedqueue.New(boundedqueue.Config[int]{Capacity: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	var producers sync.WaitGroup
	for p := range 2 {
		producers.Go(func() {
			for i := range 50 {
				if err := q.Put(ctx, 100*p+i); err != nil {
					fmt.Println(err)
				}
			}
		})
	}
	go func() {
		producers.Wait()
		q.Close()
	}()
	n, sum := 0, 0
	for v := range q.All(ctx) {
		n++
		sum += v
	}
	fmt.Println(n, sum)
	// Output: 100 7450
}

// Every setting that cannot be held is an error that names the field and the value.
func ExampleNew_invalid() {
	_, err := boundedqueue.New(boundedqueue.Config[int]{Capacity: -3})
	fmt.Println(errors.Is(err, boundedqueue.ErrConfig), err)
	// Output: true boundedqueue: invalid config: Capacity must be at least 1, got -3
}

// A wait ends with its context, and the error says so.
func ExampleQueue_Put() {
	q, _ := boundedqueue.New(boundedqueue.Config[string]{Capacity: 1})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(q.Put(ctx, "first"))
	fmt.Println(q.Put(ctx, "second"))
	fmt.Println(q.Len())
	// Output:
	// <nil>
	// context deadline exceeded
	// 1
}

// Calls that do not wait say why they could not.
func ExampleQueue_TryPut() {
	q, _ := boundedqueue.New(boundedqueue.Config[string]{Capacity: 1})
	_, err := q.TryGet()
	fmt.Println(err)
	fmt.Println(q.TryPut("a"), "-", q.TryPut("b"))
	q.Close()
	fmt.Println(q.TryPut("c"))
	v, _ := q.TryGet()
	_, err = q.TryGet()
	fmt.Println(v, "-", err)
	// Output:
	// boundedqueue: queue empty
	// <nil> - boundedqueue: queue full
	// boundedqueue: queue closed
	// a - boundedqueue: queue closed
}

// A batch goes in under one lock, stays together, and may be longer than the queue: it waits for room as it goes.
func ExampleQueue_PutBatch() {
	q, _ := boundedqueue.New(boundedqueue.Config[int]{Capacity: 4})
	ctx := context.Background()
	go func() {
		n, err := q.PutBatch(ctx, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
		if n != 10 || err != nil {
			fmt.Println(n, err)
		}
		q.Close()
	}()
	dst := make([]int, 3)
	var got []int
	for {
		n, err := q.GetBatch(ctx, dst)
		if err != nil {
			fmt.Println(got, err)
			return
		}
		got = append(got, dst[:n]...)
	}
	// Output: [1 2 3 4 5 6 7 8 9 10] boundedqueue: queue closed
}

// A log pipeline would rather lose old lines than wait, and knows how many it lost.
func ExampleConfig() {
	lost := 0
	q, _ := boundedqueue.New(boundedqueue.Config[string]{
		Capacity: 2,
		Overflow: boundedqueue.DropOldest,
		OnDrop:   func(string) { lost++ },
	})
	for _, line := range []string{"a", "b", "c", "d", "e"} {
		_ = q.Put(context.Background(), line)
	}
	fmt.Println(q.CloseAndDrain(), "lost:", lost)
	// Output: [d e] lost: 3
}

// What is left at the end of a shutdown is not lost but returned, for instance to be saved.
func ExampleQueue_CloseAndDrain() {
	q, _ := boundedqueue.New(boundedqueue.Config[string]{Capacity: 10})
	_ = q.TryPut("job 1")
	_ = q.TryPut("job 2")
	_ = q.TryPut("job 3")
	done, _ := q.TryGet()
	fmt.Println("done:", done)
	fmt.Println("left:", q.CloseAndDrain())
	fmt.Println(q.TryPut("job 4"))
	// Output:
	// done: job 1
	// left: [job 2 job 3]
	// boundedqueue: queue closed
}

// The counters agree with each other.
func ExampleStats() {
	q, _ := boundedqueue.New(boundedqueue.Config[int]{Capacity: 2, Overflow: boundedqueue.Reject})
	for i := range 5 {
		_ = q.Put(context.Background(), i)
	}
	_, _ = q.TryGet()
	s := q.Stats()
	fmt.Printf("%d put, %d rejected, %d got, %d left, at most %d\n", s.Puts, s.Rejected, s.Gets, s.Len, s.HighWater)
	// Output: 2 put, 3 rejected, 1 got, 1 left, at most 2
}

// A job scheduler: the most urgent lane first, and in each lane first come first served.
func ExamplePriority() {
	const interactive, batch = 0, 10
	q, _ := boundedqueue.NewPriority[string](10)
	ctx := context.Background()
	_ = q.Put(ctx, batch, "report")
	_ = q.Put(ctx, interactive, "login")
	_ = q.Put(ctx, batch, "backup")
	_ = q.Put(ctx, interactive, "search")
	q.Close()
	for job := range q.All(ctx) {
		fmt.Println(job)
	}
	// Output:
	// login
	// search
	// report
	// backup
}
