package idgen

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fake is a NodeStore whose calls the test decides and whose extensions it sees.
type fake struct {
	claim  func(ctx context.Context, nodes int64, ttl time.Duration) (int64, int64, error)
	extend func(ctx context.Context, n int, ttl time.Duration) error

	mu    sync.Mutex
	calls []extension
}

type extension struct {
	at  time.Time
	ttl time.Duration
}

func (f *fake) Claim(ctx context.Context, nodes int64, ttl time.Duration) (node, token int64, err error) {
	if f.claim == nil {
		return 3, 7, nil
	}
	return f.claim(ctx, nodes, ttl)
}

func (f *fake) Extend(ctx context.Context, node, token int64, ttl time.Duration) error {
	f.mu.Lock()
	f.calls = append(f.calls, extension{time.Now(), ttl})
	n := len(f.calls)
	f.mu.Unlock()
	if node != 3 || token != 7 {
		return errOther
	}
	if f.extend == nil {
		return nil
	}
	return f.extend(ctx, n, ttl)
}

func (f *fake) log(start time.Time) (at, ttl []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		at, ttl = append(at, c.at.Sub(start)), append(ttl, c.ttl)
	}
	return at, ttl
}

var (
	errDown  = errors.New("store is down")
	errOther = errors.New("another node or token")
)

// lease is one of 9 s and a guard of 5 s: a heartbeat every 3 s, a retry after 900 ms.
func lease(t *testing.T, store NodeStore) *Lease {
	t.Helper()
	l, err := NewLease(t.Context(), LeaseConfig{Store: store, TTL: 9 * time.Second, Guard: 5 * time.Second})
	require.NoError(t, err)
	return l
}

func seconds(s ...float64) (d []time.Duration) {
	for _, x := range s {
		d = append(d, time.Duration(x*float64(time.Second)))
	}
	return d
}

func TestNewLeaseRejects(t *testing.T) {
	ok := &fake{}
	for _, c := range []struct {
		field string
		cfg   LeaseConfig
	}{
		{"Store", LeaseConfig{}},
		{"Nodes", LeaseConfig{Store: ok, Nodes: -1}},
		{"Nodes", LeaseConfig{Store: ok, Nodes: 1<<24 + 1}},
		{"Nodes", LeaseConfig{Store: ok, Nodes: math.MinInt64}},
		{"TTL", LeaseConfig{Store: ok, TTL: -1}},
		{"TTL", LeaseConfig{Store: ok, TTL: time.Second - 1}},
		{"TTL", LeaseConfig{Store: ok, TTL: 24*time.Hour + 1}},
		{"TTL", LeaseConfig{Store: ok, TTL: math.MaxInt64}},
		{"Guard", LeaseConfig{Store: ok, Guard: -1}},
		{"Guard", LeaseConfig{Store: ok, Guard: 48*time.Hour + 1}},
		{"Guard", LeaseConfig{Store: ok, Guard: math.MinInt64}},
	} {
		l, err := NewLease(t.Context(), c.cfg)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, "idgen: invalid config: "+c.field+" must be ")
		assert.Nil(t, l)
	}
}

func TestNewLeaseClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nodes int64
		var ttl time.Duration
		store := &fake{claim: func(_ context.Context, n int64, d time.Duration) (int64, int64, error) {
			nodes, ttl = n, d
			return 3, 7, nil
		}}
		l, err := NewLease(t.Context(), LeaseConfig{Store: store})
		require.NoError(t, err)
		assert.Equal(t, int64(1024), nodes)
		assert.Equal(t, 45*time.Second, ttl)
		assert.Equal(t, int64(3), l.Node())
		assert.Equal(t, int64(7), l.Token())
		require.NoError(t, l.Err())
		require.NoError(t, l.Close())
	})
}

func TestNewLeasePassesErrorsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []error{errDown, ErrNoNode} {
			_, err := NewLease(t.Context(), LeaseConfig{Store: &fake{claim: func(context.Context, int64, time.Duration) (int64, int64, error) {
				return 0, 0, want
			}}})
			require.ErrorIs(t, err, want)
		}
		for _, node := range []int64{-1, 1024, math.MaxInt64} {
			_, err := NewLease(t.Context(), LeaseConfig{Store: &fake{claim: func(context.Context, int64, time.Duration) (int64, int64, error) {
				return node, 1, nil
			}}})
			require.ErrorContains(t, err, "of 1024")
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errDown)
		_, err := NewLease(ctx, LeaseConfig{Store: &fake{claim: func(context.Context, int64, time.Duration) (int64, int64, error) {
			t.Error("claimed under a done context")
			return 0, 0, nil
		}}})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errDown)
		assert.Panics(t, func() {
			_, _ = NewLease(t.Context(), LeaseConfig{Store: &fake{claim: func(context.Context, int64, time.Duration) (int64, int64, error) { panic("x") }}})
		})
	})
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, store := time.Now(), &fake{}
		l := lease(t, store)
		time.Sleep(10 * time.Second)
		require.NoError(t, l.Close())
		at, ttl := store.log(start)
		assert.Equal(t, seconds(3, 6, 9, 10), at, "every TTL/3, and when it is closed")
		assert.Equal(t, seconds(14, 14, 14, 5), ttl, "TTL+Guard, and at last Guard")
	})
}

// The lease holds until TTL after the last success was sent; at that very instant it does not.
func TestLeaseLapsesAtTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := &fake{extend: func(context.Context, int, time.Duration) error { return errDown }}
		l := lease(t, store)
		defer l.Close()
		g := newGen(t, Config{Lease: l})
		time.Sleep(9*time.Second - 1)
		require.NoError(t, l.Err())
		id, err := g.TryNext()
		require.NoError(t, err)
		assert.Equal(t, int64(3), g.Layout().Decode(id).Node)
		time.Sleep(1)
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		_, err = g.TryNext()
		require.ErrorIs(t, err, ErrLeaseLost)
		_, err = g.Next(t.Context())
		require.ErrorIs(t, err, ErrLeaseLost)
		n, err := g.NextN(t.Context(), make([]ID, 2))
		require.ErrorIs(t, err, ErrLeaseLost)
		assert.Zero(t, n)
		at, _ := store.log(start)
		assert.Equal(t, seconds(3, 3.9, 4.8, 5.7, 6.6, 7.5, 8.4), at, "after a failure every TTL/10")
	})
}

// The time that the answer takes belongs to the store: the deadline counts from the start of the call.
func TestLeaseCountsFromTheStartOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := &fake{
			claim: func(context.Context, int64, time.Duration) (int64, int64, error) {
				time.Sleep(2 * time.Second)
				return 3, 7, nil
			},
			extend: func(_ context.Context, n int, _ time.Duration) error {
				if n == 1 {
					time.Sleep(2900 * time.Millisecond)
					return nil
				}
				return errDown
			},
		}
		l := lease(t, store)
		defer l.Close()
		time.Sleep(12*time.Second - 1 - time.Since(start)) // sent at 3, answered at 5.9
		require.NoError(t, l.Err())
		time.Sleep(1)
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		at, _ := store.log(start)
		assert.Equal(t, seconds(3, 6), at[:2])
	})
}

func TestClaimThatTookTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fake{claim: func(context.Context, int64, time.Duration) (int64, int64, error) {
			time.Sleep(9 * time.Second)
			return 3, 7, nil
		}}
		l := lease(t, store)
		defer l.Close()
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		g := newGen(t, Config{Lease: l})
		synctest.Wait()
		require.NoError(t, l.Err(), "extended at once")
		time.Sleep(ms)
		_, err := g.TryNext()
		require.NoError(t, err)
	})
}

// A lapsed lease whose extension succeeds later holds again, and the generator goes on.
func TestLapsedLeaseHoldsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fake{extend: func(_ context.Context, n int, _ time.Duration) error {
			if n <= 8 {
				return errDown
			}
			return nil
		}}
		l := lease(t, store)
		defer l.Close()
		g := newGen(t, Config{Lease: l})
		time.Sleep(9 * time.Second)
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		time.Sleep(1200 * ms) // 3 + 8*0.9 = 10.2
		synctest.Wait()
		require.NoError(t, l.Err())
		_, err := g.TryNext()
		require.NoError(t, err)
	})
}

// ErrLeaseLost is final: no further call, no revival, and Close has nothing to give back.
func TestLostLeaseIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := &fake{extend: func(context.Context, int, time.Duration) error { return errors.Join(errDown, ErrLeaseLost) }}
		l := lease(t, store)
		g := newGen(t, Config{Lease: l})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		_, err := g.TryNext()
		require.ErrorIs(t, err, ErrLeaseLost)
		time.Sleep(time.Hour)
		require.NoError(t, l.Close())
		at, _ := store.log(start)
		assert.Equal(t, seconds(3), at)
		again, err := New(Config{Lease: l})
		require.NoError(t, err, "New works with a lost lease")
		_, err = again.TryNext()
		require.ErrorIs(t, err, ErrLeaseLost)
	})
}

func TestLostWhileWaitingForATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fake{extend: func(context.Context, int, time.Duration) error { return errDown }}
		l := lease(t, store)
		defer l.Close()
		g := newGen(t, Config{Lease: l, Layout: Layout{Unit: 10 * time.Second, TimeBits: 32, NodeBits: 10, SequenceBits: 1}})
		start := time.Now()
		_, err := g.Next(t.Context())
		require.ErrorIs(t, err, ErrLeaseLost)
		assert.Equal(t, 10*time.Second, time.Since(start), "when it wakes")
	})
}

func TestEachTryIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := &fake{extend: func(ctx context.Context, _ int, _ time.Duration) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		l := lease(t, store)
		time.Sleep(8 * time.Second)
		closing := time.Now()
		err := l.Close()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(closing), "the call in progress is cancelled, the last one is limited")
		at, _ := store.log(start)
		assert.Equal(t, seconds(3, 6.9, 8), at, "TTL/3 each, TTL/10 between")
	})
}

// A store that ignores its context delays the heartbeat, not the generator; a late success counts from its start.
func TestStoreThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := &fake{extend: func(_ context.Context, n int, _ time.Duration) error {
			if n == 1 {
				time.Sleep(20 * time.Second)
			}
			return nil
		}}
		l := lease(t, store)
		g := newGen(t, Config{Lease: l})
		time.Sleep(9 * time.Second)
		_, err := g.TryNext()
		require.ErrorIs(t, err, ErrLeaseLost)
		time.Sleep(14*time.Second - 1)
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		time.Sleep(1)
		synctest.Wait()
		require.NoError(t, l.Err())
		require.NoError(t, l.Close())
		at, _ := store.log(start)
		assert.Equal(t, seconds(3, 23, 23), at)
	})
}

func TestStoreThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		store := &fake{extend: func(context.Context, int, time.Duration) error { <-stuck; return nil }}
		l := lease(t, store)
		time.Sleep(time.Hour)
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		start := time.Now()
		require.Error(t, l.Close())
		assert.Equal(t, 9*time.Second, time.Since(start), "3 s for the call in progress, twice 3 s for the last one")
		close(stuck)
		synctest.Wait()
		require.ErrorIs(t, l.Err(), ErrLeaseLost, "a late answer revives nothing")
	})
}

func TestStorePanicsOrExits(t *testing.T) {
	for name, misbehave := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			store := &fake{extend: func(_ context.Context, n int, _ time.Duration) error {
				if n != 2 {
					misbehave()
				}
				return nil
			}}
			l := lease(t, store)
			time.Sleep(4 * time.Second)
			require.NoError(t, l.Err(), name)
			err := l.Close()
			require.ErrorContains(t, err, "idgen: NodeStore", name)
			at, _ := store.log(start)
			assert.Equal(t, seconds(3, 3.9, 4), at, "a failed try")
		})
	}
}

// A store may call every method of the lease; Close from within an extension ends, though it waits for that extension.
func TestStoreReentersTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *Lease
		ready := make(chan struct{})
		store := &fake{}
		store.extend = func(context.Context, int, time.Duration) error {
			<-ready
			l.Node()
			l.Token()
			_ = l.Err()
			return l.Close()
		}
		l = lease(t, store)
		close(ready)
		time.Sleep(time.Minute)
		start := time.Now()
		_ = l.Close()
		assert.Zero(t, time.Since(start))
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
	})
}

// A store may make and close other leases, of itself too, while it claims; one that exits leaves nothing running.
func TestClaimReentersTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &MemoryStore{}
		store := &fake{}
		depth := 0
		store.claim = func(ctx context.Context, nodes int64, ttl time.Duration) (int64, int64, error) {
			if depth++; depth < 3 {
				l, err := NewLease(ctx, LeaseConfig{Store: store})
				if err != nil {
					return 0, 0, err
				}
				_, err = New(Config{Lease: l})
				if err := errors.Join(err, l.Close()); err != nil && !errors.Is(err, errOther) {
					return 0, 0, err
				}
			}
			return inner.Claim(ctx, nodes, ttl)
		}
		l, err := NewLease(t.Context(), LeaseConfig{Store: store})
		require.NoError(t, err)
		assert.Equal(t, int64(2), l.Node())
		assert.Equal(t, int64(3), l.Token())
		require.ErrorIs(t, l.Close(), errOther)

		exited := make(chan struct{})
		store.claim = func(context.Context, int64, time.Duration) (int64, int64, error) { runtime.Goexit(); return 0, 0, nil }
		go func() {
			defer close(exited)
			_, _ = NewLease(t.Context(), LeaseConfig{Store: store})
			t.Error("returned from a claim that exited")
		}()
		<-exited
	})
}

func TestCloseIsIdempotentAndConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := &fake{extend: func(context.Context, int, time.Duration) error {
			time.Sleep(time.Second)
			return errDown
		}}
		l := lease(t, store)
		g := newGen(t, Config{Lease: l})
		time.Sleep(ms)
		_, err := g.TryNext()
		require.NoError(t, err)
		var wrong atomic.Int64
		for range 8 {
			go func() {
				if err := l.Close(); !errors.Is(err, errDown) || time.Since(start) != time.Second+ms {
					wrong.Add(1)
				}
			}()
		}
		synctest.Wait()
		require.ErrorIs(t, l.Err(), ErrLeaseLost, "at once")
		_, err = g.TryNext()
		require.ErrorIs(t, err, ErrLeaseLost)
		time.Sleep(time.Hour)
		assert.Zero(t, wrong.Load())
		require.ErrorIs(t, l.Close(), errDown)
		at, _ := store.log(start)
		assert.Equal(t, []time.Duration{ms}, at)
	})
}

func TestCloseOfANumberThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lease(t, &fake{extend: func(context.Context, int, time.Duration) error { return ErrLeaseLost }})
		require.NoError(t, l.Close())
	})
}

// An extension that succeeds while Close runs does not revive the lease.
func TestCloseMeetsAnExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fake{extend: func(_ context.Context, n int, _ time.Duration) error {
			if n == 1 {
				time.Sleep(2 * time.Second)
			}
			return nil
		}}
		l := lease(t, store)
		time.Sleep(4 * time.Second)
		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
	})
}

// After the number is given back it is free when Guard is over, and not before.
func TestGuardKeepsTheNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &MemoryStore{}
		cfg := LeaseConfig{Store: store, Nodes: 1, TTL: 9 * time.Second, Guard: 5 * time.Second}
		first, err := NewLease(t.Context(), cfg)
		require.NoError(t, err)
		_, err = NewLease(t.Context(), cfg)
		require.ErrorIs(t, err, ErrNoNode)
		time.Sleep(time.Hour)
		require.NoError(t, first.Close())
		time.Sleep(5*time.Second - 1)
		_, err = NewLease(t.Context(), cfg)
		require.ErrorIs(t, err, ErrNoNode)
		time.Sleep(1)
		second, err := NewLease(t.Context(), cfg)
		require.NoError(t, err)
		assert.Equal(t, first.Node(), second.Node())
		assert.Greater(t, second.Token(), first.Token())
		require.NoError(t, first.Close())
		require.NoError(t, second.Err(), "a second Close of the first is nothing to the second")
		require.NoError(t, second.Close())
	})
}

// Two generators, one after the other under one number, and a store that fails the first: no tick is used twice, although
// the second holder's clock is behind and the first borrowed MaxAhead.
func TestTwoHoldersShareNoTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		registry := &MemoryStore{}
		cut := &fake{}
		cut.claim = registry.Claim
		cut.extend = func(context.Context, int, time.Duration) error { return errDown }
		cfg := LeaseConfig{Store: cut, Nodes: 1, TTL: 9 * time.Second, Guard: 5 * time.Second}
		first, err := NewLease(t.Context(), cfg)
		require.NoError(t, err)
		defer first.Close()
		a := newGen(t, Config{Lease: first, Layout: tiny, MaxAhead: 2 * time.Second})
		var last ID
		for {
			id, err := a.Next(t.Context())
			if errors.Is(err, ErrLeaseLost) {
				break
			}
			require.NoError(t, err)
			last = id
		}
		cfg.Store = registry
		_, err = NewLease(t.Context(), cfg)
		require.ErrorIs(t, err, ErrNoNode)
		time.Sleep(5 * time.Second)
		behind := &wallClock{}
		behind.step(-3 * time.Second) // 2 s of MaxAhead and 3 s of clock are the 5 s of Guard
		second, err := NewLeaseWithWall(t.Context(), cfg, behind.now)
		require.NoError(t, err)
		defer second.Close()
		b, err := NewWithWall(Config{Lease: second, Layout: tiny}, behind.now)
		require.NoError(t, err)
		id, err := b.Next(t.Context())
		require.NoError(t, err)
		assert.Greater(t, tiny.Decode(id).Time, tiny.Decode(last).Time)
	})
}

// A machine that slept wakes with a monotonic clock that stood: the wall clock says that the lease is over.
func TestLeaseAfterSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		wall, store := &wallClock{}, &fake{}
		l, err := NewLeaseWithWall(t.Context(), LeaseConfig{Store: store, TTL: 9 * time.Second, Guard: 5 * time.Second}, wall.now)
		require.NoError(t, err)
		defer l.Close()
		g, err := NewWithWall(Config{Lease: l}, wall.now)
		require.NoError(t, err)
		time.Sleep(ms)
		_, err = g.TryNext()
		require.NoError(t, err)
		wall.step(9*time.Second - ms)
		require.ErrorIs(t, l.Err(), ErrLeaseLost)
		slept := g.Layout().FirstAt(wall.now())
		for {
			id, err := g.TryNext()
			if err != nil {
				require.ErrorIs(t, err, ErrLeaseLost)
				break
			}
			require.Less(t, id, slept, "until the second is over its ids are dated before the sleep")
			time.Sleep(100 * ms)
		}
		fresh, err := NewWithWall(Config{Lease: l}, wall.now)
		require.NoError(t, err)
		time.Sleep(ms)
		_, err = fresh.TryNext()
		require.ErrorIs(t, err, ErrLeaseLost, "a generator that is made after the sleep knows as well")
		time.Sleep(3 * time.Second)
		require.NoError(t, l.Err(), "extended")
		id, err := g.TryNext()
		require.NoError(t, err)
		assert.Greater(t, id, slept)
	})
}

// A hundred thousand leases leave nothing behind.
func TestManyLeasesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &MemoryStore{}
		run := func(n int) {
			for range n {
				l, err := NewLease(t.Context(), LeaseConfig{Store: store, Nodes: 4, Guard: time.Nanosecond})
				require.NoError(t, err)
				require.NoError(t, l.Close())
				time.Sleep(1)
			}
		}
		run(100)
		before := heap()
		run(manyLeases)
		after := heap()
		assert.Less(t, float64(after), float64(before)*1.1+64<<10)
		assert.Len(t, store.Nodes, 4, "each number was used")
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
