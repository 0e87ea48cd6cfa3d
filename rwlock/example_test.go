package rwlock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/rwlock"
)

// The answer on the whiteboard: a map that many read and few write. The zero value prefers readers, so that Sum may call
// Get for each key while it holds the read lock itself.
func ExampleRWLock() {
	settings := newSettings()
	settings.Set("limit", 100)
	settings.Set("burst", 20)

	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() { settings.Get("limit") })
	}
	readers.Wait()
	limit, ok := settings.Get("limit")
	fmt.Println(limit, ok, settings.Sum("limit", "burst"))
	// Output: 100 true 120
}

type settings struct {
	mu     rwlock.RWLock
	values map[string]int
}

func newSettings() *settings { return &settings{values: map[string]int{}} }

func (s *settings) Set(name string, value int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = value
}

func (s *settings) Get(name string) (int, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok := s.values[name]
	return value, ok
}

// Sum reads recursively; with a sync.RWMutex it would wait for ever if a Set came between.
func (s *settings) Sum(names ...string) (sum int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range names {
		value, _ := s.Get(name)
		sum += value
	}
	return sum
}

// Who starves, and how do you bound it? Readers that overlap keep a writer out of a reader-preferring lock; with
// MaxWriterWait they queue behind it after that time.
func ExampleNew() {
	l, err := rwlock.New(rwlock.Config{MaxWriterWait: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	l.RLock() // the first of readers without end
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		l.Lock()
		defer l.Unlock()
		fmt.Println("written")
	}()
	for l.TryRLock() { // a reader may come in as long as the writer is not overdue
		l.RUnlock()
	}
	fmt.Println("overdue:", l.Stats().Overdue)
	l.RUnlock()
	<-writer
	// Output:
	// overdue: 1
	// written
}

// What cannot be a lock is an error that names the field.
func ExampleNew_invalid() {
	for _, cfg := range []rwlock.Config{
		{Policy: 3},
		{MaxWriterWait: -time.Second},
		{Policy: rwlock.PhaseFair, MaxWriterWait: time.Second},
	} {
		_, err := rwlock.New(cfg)
		fmt.Println(errors.Is(err, rwlock.ErrConfig), err)
	}
	// Output:
	// true rwlock: invalid config: Policy must be ReaderPreferring, WriterPreferring or PhaseFair, got 3
	// true rwlock: invalid config: MaxWriterWait must not be negative, got -1s
	// true rwlock: invalid config: MaxWriterWait must be 0 unless Policy is ReaderPreferring, got 1s
}

// How do you cancel a wait? The writer gives up with its context, and has not touched the lock.
func ExampleRWLock_LockContext() {
	var l rwlock.RWLock
	l.RLock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := l.LockContext(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), l.Stats().WaitingWriters)
	l.RUnlock()
	fmt.Println(l.TryLock())
	// Output:
	// true 0
	// true
}

// How do you go from writing to reading? What was written is read by the writer itself before any other can change it,
// while other readers are already inside.
func ExampleRWLock_Downgrade() {
	var l rwlock.RWLock
	var value int
	l.Lock()
	value = 42
	l.Downgrade()
	fmt.Println(value, l.TryLock(), l.TryRLock())
	l.RUnlock()
	l.RUnlock()
	// Output: 42 false true
}

// And from reading to writing? Only if nobody else reads, since two that wait for each other would wait for ever: else
// leave, lock, and look again.
func ExampleRWLock_TryUpgrade() {
	var l rwlock.RWLock
	cache := map[string]string{}
	get := func(key string) string {
		l.RLock()
		value, ok := cache[key]
		if ok {
			l.RUnlock()
			return value
		}
		if !l.TryUpgrade() {
			l.RUnlock()
			l.Lock()
		}
		defer l.Unlock()
		if value, ok := cache[key]; ok { // somebody else may have been faster
			return value
		}
		cache[key] = "computed " + key
		return cache[key]
	}
	fmt.Println(get("a"), len(cache))
	fmt.Println(get("a"), len(cache))
	// Output:
	// computed a 1
	// computed a 1
}

// What an operator sees.
func ExampleRWLock_Stats() {
	var l rwlock.RWLock
	l.RLock()
	l.RLock()
	s := l.Stats()
	fmt.Println(s.Readers, s.Writing, s.WaitingWriters)
	// Output: 2 false 0
}
