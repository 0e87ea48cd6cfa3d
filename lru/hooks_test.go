package lru

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder is a hook that keeps what it is told.
type recorder struct{ events []event }

func (r *recorder) hook(key, value int, reason Reason) {
	r.events = append(r.events, event{key, value, reason})
}

func (r *recorder) take() []event {
	events := r.events
	r.events = nil
	return events
}

func TestReasonString(t *testing.T) {
	for reason, want := range map[Reason]string{
		Evicted: "evicted", Replaced: "replaced", Deleted: "deleted", Rejected: "rejected", 0: "unknown", 99: "unknown",
	} {
		assert.Equal(t, want, reason.String())
	}
}

func TestHookReasons(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 2, Shards: shards, OnEvict: r.hook})
		c.Set(1, 10)
		c.Set(2, 20)
		assert.Empty(t, r.take(), "nothing has left")
		c.Set(3, 30)
		assert.Equal(t, []event{{1, 10, Evicted}}, r.take())
		c.Set(3, 30)
		assert.Equal(t, []event{{3, 30, Replaced}}, r.take(), "an equal value too")
		c.GetOrSet(3, 99)
		assert.Empty(t, r.take(), "a hit takes no value")
		c.GetOrSet(4, 40)
		assert.Equal(t, []event{{2, 20, Evicted}}, r.take())
		c.Delete(3)
		assert.Equal(t, []event{{3, 30, Deleted}}, r.take())
		c.Delete(3)
		assert.Empty(t, r.take())
		c.DeleteOldest()
		assert.Equal(t, []event{{4, 40, Deleted}}, r.take())
		c.DeleteOldest()
		assert.Empty(t, r.take())
	})
}

func TestHookOrderOfClearAndResize(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 20, Shards: shards, OnEvict: r.hook})
		for k := range 20 {
			c.Set(k, k)
		}
		c.Get(0)
		evicted, err := c.Resize(10)
		require.NoError(t, err)
		want := []event{}
		for k := 1; k <= 10; k++ {
			want = append(want, event{k, k, Evicted})
		}
		assert.Equal(t, 10, evicted)
		assert.Equal(t, want, r.take())
		c.Clear()
		want = want[:0]
		for k := 11; k <= 19; k++ {
			want = append(want, event{k, k, Deleted})
		}
		assert.Equal(t, append(want, event{0, 0, Deleted}), r.take())
	})
}

// golang-lru's expirable deadlocks when its callback calls back (hashicorp/golang-lru#230). Here every method may.
func TestHookMayUseTheCache(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		var c *Cache[int, int]
		calls := 0
		cfg := Config[int, int]{Capacity: 3, Shards: shards}
		cfg.OnEvict = func(key, value int, reason Reason) {
			if calls++; calls > 20 {
				return
			}
			assert.False(t, reason == Evicted && c.Contains(key), "the change is visible before it is reported")
			c.Get(1)
			c.Peek(1)
			c.GetOrSet(100+calls, calls)
			c.Set(key, value)
			c.Delete(2)
			c.Oldest()
			c.DeleteOldest()
			c.Len()
			c.Cap()
			c.Weight()
			c.Stats()
			for range c.All() {
				c.Set(200+calls, calls)
			}
			_, err := c.Resize(3)
			require.NoError(t, err)
			c.Clear()
		}
		c = mustNew(t, cfg)
		for k := range 10 {
			c.Set(k, k)
		}
		assert.Greater(t, calls, 20)
		validate(t, c)
	})
}

// Whichever call a departure comes from, its hook runs without a lock.
func TestHookOfEveryCallMayUseTheCache(t *testing.T) {
	for name, call := range map[string]func(c *Cache[int, int]){
		"Set, replaced":     func(c *Cache[int, int]) { c.Set(1, 2) },
		"Set, evicted":      func(c *Cache[int, int]) { c.Set(9, 9) },
		"GetOrSet, evicted": func(c *Cache[int, int]) { c.GetOrSet(9, 9) },
		"Delete":            func(c *Cache[int, int]) { c.Delete(1) },
		"DeleteOldest":      func(c *Cache[int, int]) { c.DeleteOldest() },
		"Clear":             func(c *Cache[int, int]) { c.Clear() },
		"Resize": func(c *Cache[int, int]) {
			_, err := c.Resize(1)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachForm(t, func(t *testing.T, shards int) {
				var c *Cache[int, int]
				told := 0
				c = mustNew(t, Config[int, int]{Capacity: 2, Shards: shards, OnEvict: func(int, int, Reason) {
					told++
					c.Get(1)
					c.Set(1, c.Len()) // departs again only where 1 is present
					c.Stats()
				}})
				c.onEvict = onceOnly(c.onEvict)
				c.Set(1, 1)
				c.Set(2, 2)
				call(c)
				assert.Equal(t, 1, told)
				validate(t, c)
			})
		})
	}
}

// onceOnly is a hook that answers its first call, and not those that its own doing brings.
func onceOnly(hook func(int, int, Reason)) func(int, int, Reason) {
	done := false
	return func(key, value int, reason Reason) {
		if !done {
			done = true
			hook(key, value, reason)
		}
	}
}

// A hook that fails leaves the state complete and unlocked, and the other departures of the call are still reported.
func TestHookPanics(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		var r recorder
		fail := map[int]bool{}
		c := mustNew(t, Config[int, int]{Capacity: 6, Shards: shards, OnEvict: func(k, v int, reason Reason) {
			r.hook(k, v, reason)
			if fail[k] {
				panic(k)
			}
		}})
		for k := range 6 {
			c.Set(k, k)
		}
		fail[0], fail[2] = true, true
		assert.PanicsWithValue(t, 2, func() { c.Clear() }, "the last panic reaches the caller")
		require.Len(t, r.take(), 6)
		assert.Empty(t, keys(t, c))

		fail = map[int]bool{1: true}
		c.Set(1, 1)
		assert.PanicsWithValue(t, 1, func() { c.Set(1, 2) })
		value, ok := c.Get(1)
		assert.True(t, ok, "the update was complete")
		assert.Equal(t, 2, value)
		assert.PanicsWithValue(t, 1, func() { c.Delete(1) })
		assert.False(t, c.Contains(1))
		c.Set(1, 3)
		assert.PanicsWithValue(t, 1, func() { c.DeleteOldest() })
		assert.Empty(t, keys(t, c))
	})
}

func TestHookGoexit(t *testing.T) {
	eachForm(t, func(t *testing.T, shards int) {
		var r recorder
		c := mustNew(t, Config[int, int]{Capacity: 8, Shards: shards, OnEvict: func(k, v int, reason Reason) {
			r.hook(k, v, reason)
			if k == 1 {
				runtime.Goexit()
			}
		}})
		for k := range 8 {
			c.Set(k, k)
		}
		var wg sync.WaitGroup
		returned := false
		wg.Go(func() {
			c.Clear()
			returned = true
		})
		wg.Wait()
		assert.False(t, returned, "the Goexit goes on in the caller")
		assert.Len(t, r.take(), 8)
		assert.Empty(t, keys(t, c))
	})
}

// The depth of the stack must not grow with the number of panics: with a frame of
// 8 KiB each, these would not fit into the gigabyte that a stack may have.
func TestManyPanickingHooks(t *testing.T) {
	const n = 150_000
	told := 0
	c := mustNew(t, Config[int, int]{Capacity: n, OnEvict: func(key, _ int, _ Reason) {
		var frame [8192]byte
		frame[key%len(frame)] = byte(key)
		told += 1 + int(frame[(key+1)%len(frame)])
		panic(key)
	}})
	for k := range n {
		c.Set(k, k)
	}
	assert.PanicsWithValue(t, n-1, c.Clear)
	assert.Equal(t, n, told)
}

// Whatever mixture of failures: all are told, and the last failure goes on.
func TestHookFailuresMixed(t *testing.T) {
	for name, test := range map[string]struct {
		fail func(key int)
		want any // the panic in the caller; nil for a Goexit
	}{
		"panic, Goexit":        {func(k int) { failAs(k, "p..g") }, nil},
		"Goexit, panic":        {func(k int) { failAs(k, "g..p") }, 3},
		"panic, panic":         {func(k int) { failAs(k, "pp..") }, 1},
		"Goexit, Goexit":       {func(k int) { failAs(k, "gg..") }, nil},
		"panic, Goexit, panic": {func(k int) { failAs(k, ".pgp") }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			c := mustNew(t, Config[int, int]{Capacity: 4, OnEvict: func(k, v int, reason Reason) {
				r.hook(k, v, reason)
				test.fail(k)
			}})
			for k := range 4 {
				c.Set(k, k)
			}
			var wg sync.WaitGroup
			var caught any
			returned := false
			wg.Go(func() {
				defer func() { caught = recover() }()
				c.Clear()
				returned = true
			})
			wg.Wait()
			assert.False(t, returned)
			assert.Equal(t, test.want, caught)
			assert.Equal(t, []event{{0, 0, Deleted}, {1, 1, Deleted}, {2, 2, Deleted}, {3, 3, Deleted}}, r.take())
		})
	}
}

// failAs does what the letter of the key says: panic, Goexit, or nothing.
func failAs(key int, letters string) {
	switch letters[key] {
	case 'p':
		panic(key)
	case 'g':
		runtime.Goexit()
	}
}
