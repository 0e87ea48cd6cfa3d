package ttlcache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

var (
	// ErrNotFound is for loaders: an error that matches it says that the key
	// has no value. GetOrLoad returns it for an absence that it remembers
	// (Config.NegativeTTL).
	ErrNotFound = errors.New("ttlcache: not found")

	// ErrGoexit is returned by GetOrLoad when the loader ended its goroutine
	// with runtime.Goexit.
	ErrGoexit = errors.New("ttlcache: loader called runtime.Goexit")
)

// PanicError is returned by GetOrLoad, to every caller of that load, when the
// loader panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // the stack of the loader's goroutine
}

// Error returns a text that starts with "ttlcache: loader panicked: ".
func (e *PanicError) Error() string {
	return fmt.Sprintf("ttlcache: loader panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns Value if it is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// flight is one call of a loader. All fields but the first two are guarded by
// the lock of the cache; value and err are also safe to read once done is
// closed.
type flight[V any] struct {
	done       chan struct{}      // closed when value and err are set
	cancel     context.CancelFunc // of the loader's context; set by whoever starts it
	waiters    int                // callers that have not given up
	background bool               // nobody asked to wait for it, so nobody can cancel it
	joinable   bool               // new callers join; the result will be stored
	clears     uint64             // of the store when it started: after a Clear it is not stored
	finished   bool
	value      V
	err        error
}

// outcome is what a loader came to.
type outcome[V any] struct {
	value  V
	err    error
	weight int64
	how    ending
}

// ending tells apart what the cache does about an outcome.
type ending uint8

const (
	crashed  ending = iota // it panicked or called Goexit, or Weigh did
	loaded                 // it returned a value
	notFound               // it returned an error that matches ErrNotFound
	failed                 // it returned another error
)

// GetOrLoad returns the live value of key, or calls loader, once for all
// concurrent callers of the key, and stores what it returns with a life of
// Config.TTL.
//
// In this order: a ctx that is done is an error, even if the key is cached. A
// live value is returned and promoted. An absence that is remembered
// (Config.NegativeTTL) gives ErrNotFound. An expired value is returned while
// Config.StaleWhileRevalidate lasts, and one load is started in the background.
// Otherwise the caller joins the load of the key that is in flight, or starts
// one, and waits for it or for its own ctx.
//
// The loader runs on a goroutine of its own and under no lock. It may use the
// cache; but GetOrLoad of its own key waits for itself. Its context has the
// values of the ctx of the first caller, not its deadline and not its
// cancellation: whoever gives up returns at once and harms nobody else. When the
// last of the waiting callers has given up, the context of the loader is
// cancelled, its result will be discarded, and the next caller starts anew. A
// load in the background is cancelled by nobody; bound its time in the loader.
//
// Every caller of a load gets its value, even if it could not be stored. A Set,
// SetTTL, Delete or Clear, or a GetOrSet that stores, of the key in the meantime
// is newer than what is being loaded: the result is then given to those who wait
// but not stored, and later callers do not join. So a loader that knows how long
// its value lives calls SetTTL itself and returns the value.
//
// An error is given to every caller of the load, unchanged, and is not stored;
// the next call loads again. There are two exceptions. One that matches
// ErrNotFound removes an expired value and is remembered for Config.NegativeTTL.
// Any other, within Config.StaleIfError after the expiry, gives the callers the
// expired value and no error. If loader panics, its callers get a *PanicError;
// if it calls runtime.Goexit, ErrGoexit.
//
// Hooks caused by a load run on the goroutine of the loader, after its callers
// have been released; a panic in one of them ends the program, as in any
// goroutine. A nil loader panics. O(1) amortised; a hit allocates nothing.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K, loader func(context.Context, K) (V, error)) (value V, err error) {
	c.check()
	if loader == nil {
		panic("ttlcache: GetOrLoad: nil loader")
	}
	if ctx.Err() != nil {
		return value, ctxerr.Of(ctx)
	}
	hash := c.hash(key)
	now := c.clock()
	c.mu.Lock()
	c.store.enter(now)
	if i := c.store.find(hash, key); i != 0 {
		value = c.store.hit(i, &c.store.table.At(i).Value)
		c.mu.Unlock()
		return value, nil
	}
	a := c.store.ask(hash, key)
	c.mu.Unlock()
	if a.starts {
		var inner context.Context
		inner, a.flight.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go c.fly(inner, a.flight, hash, key, loader)
	}
	if a.known {
		return a.value, a.err
	}
	return c.wait(ctx, key, a.flight)
}

// answer is what a GetOrLoad finds: a value or an error if it is known, else the
// flight to wait for. starts tells that the caller has to start that flight,
// which it need not wait for if it is one in the background.
type answer[V any] struct {
	known  bool
	starts bool
	value  V
	err    error
	flight *flight[V]
}

// ask answers for a key that has no live value.
func (s *store[K, V]) ask(hash uint32, key K) (a answer[V]) {
	if i := s.table.Find(hash, key); i != 0 {
		it := &s.table.At(i).Value
		if it.state == stale && s.wheel.len == 0 { // it never leaves, but is not returned at once for ever
			s.refresh()
		}
		switch {
		case it.state == absent && it.deadline > s.now:
			s.stats.Hits++
			s.table.MoveToFront(i)
			return answer[V]{known: true, err: ErrNotFound}
		case it.state != absent && s.now < after(it.deadline, s.staleWhileRevalidate):
			s.stats.Stale++
			s.table.MoveToFront(i)
			a.known, a.value = true, it.value
			if s.flights[key] == nil {
				a.flight, a.starts = s.launch(key), true
				a.flight.background = true
			}
			return a
		}
	}
	s.stats.Misses++
	if a.flight = s.flights[key]; a.flight == nil {
		a.flight, a.starts = s.launch(key), true
	}
	a.flight.waiters++
	return a
}

// launch registers a load. One of a key that is not equal to itself cannot be
// joined, and would never be found in the map again.
func (s *store[K, V]) launch(key K) *flight[V] {
	s.stats.Loads++
	f := &flight[V]{done: make(chan struct{}), joinable: true, clears: s.clears}
	if same := key; key == same {
		if s.flights == nil {
			s.flights = map[K]*flight[V]{}
		}
		s.flights[key] = f
	}
	return f
}

// land ends the part of a load in which others may join it.
func (s *store[K, V]) land(key K, f *flight[V]) {
	f.joinable = false
	if s.flights[key] != f {
		return
	}
	delete(s.flights, key)
	if len(s.flights) == 0 {
		s.flights = nil // a map does not give memory back
	}
}

// discardLoad sees to it that a load of key that is in flight is not stored over
// what the caller is about to do.
func (s *store[K, V]) discardLoad(key K) {
	if len(s.flights) == 0 {
		return
	}
	if f := s.flights[key]; f != nil {
		s.land(key, f)
	}
}

// wait returns the result of f, or gives up with ctx. A result that is there
// when ctx ends is not thrown away.
func (c *Cache[K, V]) wait(ctx context.Context, key K, f *flight[V]) (value V, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
	}
	chaos.Point("ttlcache: gives up, has not yet left")
	c.mu.Lock()
	finished, last := f.finished, false
	if !finished {
		f.waiters--
		last = f.waiters == 0 && !f.background
	}
	if last {
		c.store.land(key, f)
	}
	c.mu.Unlock()
	switch {
	case finished:
		return f.value, f.err
	case last:
		f.cancel()
	}
	return value, ctxerr.Of(ctx)
}

// fly calls the loader and delivers what it comes to, whatever that is.
func (c *Cache[K, V]) fly(ctx context.Context, f *flight[V], hash uint32, key K, loader func(context.Context, K) (V, error)) {
	out := outcome[V]{err: ErrGoexit}
	defer func() {
		if out.how == crashed {
			if value := recover(); value != nil {
				out.err = &PanicError{Value: value, Stack: debug.Stack()}
			}
		}
		c.deliver(f, hash, key, out)
	}()
	out = c.call(ctx, key, loader)
}

// call makes all calls of user code that a load needs.
func (c *Cache[K, V]) call(ctx context.Context, key K, loader func(context.Context, K) (V, error)) outcome[V] {
	value, err := loader(ctx, key)
	switch {
	case err == nil:
		return outcome[V]{value: value, weight: c.weightOf(key, value), how: loaded}
	case errors.Is(err, ErrNotFound):
		return outcome[V]{err: err, how: notFound}
	default:
		return outcome[V]{err: err, how: failed}
	}
}

// deliver stores the outcome and releases those who wait. Both happen before
// the lock is released or joined again by another load of the key.
func (c *Cache[K, V]) deliver(f *flight[V], hash uint32, key K, out outcome[V]) {
	e := entry[K, V]{key: key, value: out.value, hash: hash, weight: out.weight, life: jittered(c.ttl, c.jitter)}
	now := c.readClock()
	var list gone[K, V]
	report := c.listener(&list)
	c.mu.Lock()
	c.store.enter(now)
	c.store.deliver(f, &e, out, report)
	c.mu.Unlock()
	chaos.Point("ttlcache: delivered, nobody released")
	close(f.done)
	f.cancel()
	list.Report(c.onEvict)
}

func (s *store[K, V]) deliver(f *flight[V], e *entry[K, V], out outcome[V], gone *gone[K, V]) {
	f.finished, f.value, f.err = true, out.value, out.err
	if out.how != loaded {
		s.stats.LoadErrors++
	}
	if !f.joinable || f.clears != s.clears {
		return
	}
	s.land(e.key, f)
	i := s.table.Find(e.hash, e.key)
	switch out.how {
	case loaded:
		s.accept(i, e, gone)
	case notFound:
		s.remember(i, e, gone)
	case failed:
		s.excuse(i, f)
	case crashed: // is never covered
	}
}
