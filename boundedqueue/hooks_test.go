package boundedqueue

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHookMayUseTheQueue(t *testing.T) {
	var q *Queue[int]
	var victims []int
	hook := func(v int) {
		victims = append(victims, v)
		_, _ = q.Len(), q.Stats()
		_, _ = q.Peek()
		if v == 1 {
			require.NoError(t, q.Put(t.Context(), 100)) // drops another one, in here
		}
		if v == 3 {
			_, _ = q.TryGet()
		}
		if v == 5 {
			q.Close()
		}
	}
	q = newQueue(t, Config[int]{Capacity: 2, Overflow: DropOldest, OnDrop: hook})
	for i := range 4 {
		require.NoError(t, q.Put(t.Context(), i+1))
	}
	require.Equal(t, []int{1, 2, 3}, victims)
	require.Equal(t, []int{4}, rest(t, q)) // 100 was taken by the hook of 3
	n, err := q.PutBatch(t.Context(), []int{5, 6, 7})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []int{1, 2, 3, 5}, victims)
	require.ErrorIs(t, q.TryPut(8), ErrClosed)
	require.Equal(t, []int{6, 7}, rest(t, q))
}

// fails runs call on a goroutine of its own and returns what it panicked with, and whether it returned.
func fails(call func()) (value any, returned bool) {
	var group sync.WaitGroup
	group.Go(func() {
		defer func() { value = recover() }()
		call()
		returned = true
	})
	group.Wait()
	return value, returned
}

// Whatever OnDrop does with a victim: the put has taken effect, the queue is whole, all victims are reported in order,
// and the first failure goes on.
func TestHookFailures(t *testing.T) {
	cases := map[string]struct {
		fail map[int]string
		want any
	}{
		"panic at the first":   {map[int]string{1: "panic"}, 1},
		"panic in the middle":  {map[int]string{3: "panic"}, 3},
		"panic at the last":    {map[int]string{6: "panic"}, 6},
		"all panic":            {map[int]string{1: "panic", 2: "panic", 3: "panic", 4: "panic", 5: "panic", 6: "panic"}, 1},
		"goexit at the first":  {map[int]string{1: "goexit"}, nil},
		"goexit in the middle": {map[int]string{3: "goexit"}, nil},
		"goexit at the last":   {map[int]string{6: "goexit"}, nil},
		"all exit":             {map[int]string{1: "goexit", 2: "goexit", 3: "goexit", 4: "goexit", 5: "goexit", 6: "goexit"}, nil},
		"goexit, then panic":   {map[int]string{2: "goexit", 4: "panic"}, nil},
		"three panic":          {map[int]string{2: "panic", 3: "panic", 5: "panic"}, 2},
	}
	for name, c := range cases {
		var victims []int
		hook := func(v int) {
			victims = append(victims, v)
			switch c.fail[v] {
			case "panic":
				panic(v)
			case "goexit":
				runtime.Goexit()
			}
		}
		q := newQueue(t, Config[int]{Capacity: 3, Overflow: DropOldest, OnDrop: hook})
		_, err := q.PutBatch(t.Context(), []int{1, 2, 3})
		require.NoError(t, err)
		value, returned := fails(func() { _, _ = q.PutBatch(t.Context(), count(4, 9)) })
		assert.Equal(t, c.want, value, name)
		assert.False(t, returned, name)
		assert.Equal(t, count(1, 6), victims, name)
		assert.Equal(t, Stats{Len: 3, Cap: 3, HighWater: 3, Puts: 9, Dropped: 6}, q.Stats(), name)
		assert.Equal(t, []int{7, 8, 9}, rest(t, q), name)
	}
}

// A Goexit during the report that follows a panic ends the goroutine; nothing is lost.
func TestHookPanicsThenExits(t *testing.T) {
	var victims []int
	q := newQueue(t, Config[int]{Capacity: 1, Overflow: DropOldest, OnDrop: func(v int) {
		victims = append(victims, v)
		switch v {
		case 2, 4:
			panic(v)
		case 3, 5:
			runtime.Goexit()
		}
	}})
	_, returned := fails(func() { _, _ = q.PutBatch(t.Context(), count(1, 8)) })
	assert.False(t, returned)
	assert.Equal(t, count(1, 7), victims)
	assert.Equal(t, []int{8}, rest(t, q))
}

func TestHookFailsInPut(t *testing.T) {
	for _, how := range []string{"panic", "goexit"} {
		for _, try := range []bool{false, true} {
			q := newQueue(t, Config[int]{Capacity: 1, Overflow: DropOldest, OnDrop: func(int) {
				if how == "panic" {
					panic("hook")
				}
				runtime.Goexit()
			}})
			require.NoError(t, q.TryPut(1))
			value, returned := fails(func() {
				if try {
					_ = q.TryPut(2)
					return
				}
				_ = q.Put(t.Context(), 2)
			})
			assert.False(t, returned)
			assert.Equal(t, how == "panic", value == "hook")
			assert.Equal(t, Stats{Len: 1, Cap: 1, HighWater: 1, Puts: 2, Dropped: 1}, q.Stats())
			assert.Equal(t, []int{2}, rest(t, q))
		}
	}
}

// A hundred thousand victims that all panic: the stack does not grow with their number.
func TestManyPanickingHooks(t *testing.T) {
	const n = 100_000
	told := 0
	q := newQueue(t, Config[int]{Capacity: 1, Overflow: DropOldest, OnDrop: func(v int) {
		told++
		panic(v)
	}})
	value, _ := fails(func() { _, _ = q.PutBatch(t.Context(), count(0, n)) })
	assert.Zero(t, value)
	assert.Equal(t, n, told)
}
