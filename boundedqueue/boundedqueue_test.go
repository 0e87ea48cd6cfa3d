package boundedqueue

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

func newQueue[T any](tb testing.TB, cfg Config[T]) *Queue[T] {
	tb.Helper()
	q, err := New(cfg)
	require.NoError(tb, err)
	return q
}

func newPriority(tb testing.TB, capacity int) *Priority[int] {
	tb.Helper()
	q, err := NewPriority[int](capacity)
	require.NoError(tb, err)
	return q
}

// filled returns a queue of the given capacity with 1..n in it.
func filled(tb testing.TB, capacity, n int) *Queue[int] {
	tb.Helper()
	q := newQueue(tb, Config[int]{Capacity: capacity})
	for i := range n {
		require.NoError(tb, q.TryPut(i+1))
	}
	return q
}

// rest takes everything that is in q without waiting.
func rest(tb testing.TB, q *Queue[int]) (got []int) {
	tb.Helper()
	for {
		v, err := q.TryGet()
		if err != nil {
			return got
		}
		got = append(got, v)
	}
}

// count returns from..to.
func count(from, to int) (ns []int) {
	for i := from; i <= to; i++ {
		ns = append(ns, i)
	}
	return ns
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errReason)
	return ctx
}

var errReason = errors.New("shut down")

func TestNewRejects(t *testing.T) {
	cases := map[string]struct {
		cfg  Config[int]
		text string
	}{
		"zero value":    {Config[int]{}, "Capacity must be at least 1, got 0"},
		"negative":      {Config[int]{Capacity: -3}, "Capacity must be at least 1, got -3"},
		"smallest":      {Config[int]{Capacity: math.MinInt}, "Capacity must be at least 1, got -"},
		"policy 3":      {Config[int]{Capacity: 1, Overflow: 3}, "Overflow must be Block, Reject or DropOldest, got 3"},
		"policy 255":    {Config[int]{Capacity: 1, Overflow: 255}, "Overflow must be Block, Reject or DropOldest, got 255"},
		"both, a hook":  {Config[int]{Overflow: 3, OnDrop: func(int) {}}, "Overflow"},
		"capacity only": {Config[int]{Capacity: -1, Overflow: DropOldest}, "Capacity must be at least 1, got -1"},
	}
	for name, c := range cases {
		q, err := New(c.cfg)
		require.ErrorIs(t, err, ErrConfig, name)
		assert.Nil(t, q, name)
		assert.True(t, strings.HasPrefix(err.Error(), "boundedqueue: invalid config: "+c.text), err)
	}
	for _, capacity := range []int{0, -1, math.MinInt} {
		q, err := NewPriority[int](capacity)
		require.ErrorIs(t, err, ErrConfig)
		assert.Nil(t, q)
		assert.ErrorContains(t, err, "boundedqueue: invalid config: capacity must be at least 1, got ")
	}
}

func TestNewAccepts(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 1000, math.MaxInt} {
		for _, overflow := range []Overflow{Block, Reject, DropOldest} {
			q := newQueue(t, Config[string]{Capacity: capacity, Overflow: overflow, OnDrop: func(string) { t.Error("told") }})
			assert.Equal(t, capacity, q.Cap())
			assert.Equal(t, Stats{Cap: capacity}, q.Stats())
		}
		assert.Equal(t, capacity, newPriority(t, capacity).Cap())
	}
}

// methods calls every method; all tells which of them a zero value must panic in.
func methods(q *Queue[int], p *Priority[int]) (waiting, others map[string]func()) {
	ctx := context.Background()
	waiting = map[string]func(){
		"Put":              func() { _ = q.Put(ctx, 1) },
		"Get":              func() { _, _ = q.Get(ctx) },
		"TryPut":           func() { _ = q.TryPut(1) },
		"TryGet":           func() { _, _ = q.TryGet() },
		"PutBatch":         func() { _, _ = q.PutBatch(ctx, []int{1}) },
		"PutBatch(nil)":    func() { _, _ = q.PutBatch(ctx, nil) },
		"GetBatch":         func() { _, _ = q.GetBatch(ctx, make([]int, 1)) },
		"GetBatch(nil)":    func() { _, _ = q.GetBatch(ctx, nil) },
		"Put, done":        func() { _ = q.Put(cancelled(), 1) },
		"Get, done":        func() { _, _ = q.Get(cancelled()) },
		"PutBatch, done":   func() { _, _ = q.PutBatch(cancelled(), nil) },
		"GetBatch, done":   func() { _, _ = q.GetBatch(cancelled(), nil) },
		"Priority.Put":     func() { _ = p.Put(ctx, 1, 1) },
		"Priority.Get":     func() { _, _ = p.Get(ctx) },
		"Priority.TryPut":  func() { _ = p.TryPut(1, 1) },
		"Priority.TryGet":  func() { _, _ = p.TryGet() },
		"Priority.Put, x":  func() { _ = p.Put(cancelled(), 1, 1) },
		"Priority.Get, x":  func() { _, _ = p.Get(cancelled()) },
		"Put, a full turn": func() { _ = q.Put(ctx, 1) },
	}
	others = map[string]func(){
		"All": func() {
			for range q.All(ctx) {
				panic("a value")
			}
		},
		"Peek":          func() { mustBeZero(q.Peek()) },
		"Len":           func() { mustBeZero(q.Len()) },
		"Cap":           func() { mustBeZero(q.Cap()) },
		"Close":         func() { q.Close() },
		"CloseAndDrain": func() { mustBeZero(q.CloseAndDrain()) },
		"Stats":         func() { mustBeZero(q.Stats()) },
		"Priority.All": func() {
			for range p.All(ctx) {
				panic("a value")
			}
		},
		"Priority.Peek":          func() { mustBeZero(p.Peek()) },
		"Priority.Len":           func() { mustBeZero(p.Len()) },
		"Priority.Cap":           func() { mustBeZero(p.Cap()) },
		"Priority.Close":         func() { p.Close() },
		"Priority.CloseAndDrain": func() { mustBeZero(p.CloseAndDrain()) },
		"Priority.Stats":         func() { mustBeZero(p.Stats()) },
	}
	return waiting, others
}

func mustBeZero(results ...any) {
	for _, r := range results {
		if !reflect.ValueOf(r).IsZero() {
			panic("not zero")
		}
	}
}

func panicText(call func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text, _ = p.(string)
			if text == "" {
				text = "not a string"
			}
		}
	}()
	call()
	return "returned"
}

func TestNilAndZeroPanic(t *testing.T) {
	waiting, others := methods(nil, nil)
	for _, calls := range []map[string]func(){waiting, others} {
		for name, call := range calls {
			assert.True(t, strings.HasPrefix(panicText(call), "boundedqueue: nil "), name)
		}
	}
	for range 2 { // after Close and a refused Put as well
		waiting, others = methods(new(Queue[int]), new(Priority[int]))
		for name, call := range waiting {
			assert.True(t, strings.HasPrefix(panicText(call), "boundedqueue: "), name)
		}
		for name, call := range others {
			assert.Equal(t, "returned", panicText(call), name)
		}
		for name, call := range waiting {
			assert.Contains(t, panicText(call), "not made by New", name)
		}
	}
}

func TestVetReportsCopies(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Queue[int]](), reflect.TypeFor[Priority[int]]()} {
		mu, ok := typ.FieldByName("mu")
		require.True(t, ok)
		assert.Equal(t, reflect.TypeFor[sync.Mutex](), mu.Type)
	}
}

func TestFIFO(t *testing.T) {
	for capacity := 1; capacity <= 9; capacity++ {
		q := newQueue(t, Config[int]{Capacity: capacity})
		next, want := 1, 1
		for step := range 100 { // wraps at every offset
			for range step % (capacity + 1) {
				if q.TryPut(next) == nil {
					next++
				}
			}
			for range step % 3 {
				if v, err := q.TryGet(); err == nil {
					require.Equal(t, want, v)
					want++
				}
			}
		}
		require.Equal(t, count(want, next-1), rest(t, q))
	}
}

// Capacity is exact: neither n-1 (hedzr/go-ringbuf), nor rounded up to a power of two (xsync), nor a minimum
// (cameron314/concurrentqueue#189).
func TestCapacityIsExact(t *testing.T) {
	for capacity := 1; capacity <= 70; capacity++ {
		q := newQueue(t, Config[int]{Capacity: capacity})
		p := newPriority(t, capacity)
		for i := range capacity {
			require.NoError(t, q.TryPut(i))
			require.NoError(t, p.TryPut(0, i))
		}
		for range 3 {
			require.ErrorIs(t, q.TryPut(-1), ErrFull)
			require.ErrorIs(t, p.TryPut(0, -1), ErrFull)
		}
		require.Equal(t, capacity, q.Len())
		require.Equal(t, capacity, p.Len())
		require.Equal(t, count(0, capacity-1), rest(t, q))
	}
}

func TestTrySaysWhy(t *testing.T) {
	q := newQueue(t, Config[int]{Capacity: 1})
	_, err := q.TryGet()
	require.ErrorIs(t, err, ErrEmpty)
	require.NoError(t, q.TryPut(1))
	require.ErrorIs(t, q.TryPut(2), ErrFull)
	q.Close()
	require.ErrorIs(t, q.TryPut(2), ErrClosed, "closed comes before full")
	v, err := q.TryGet()
	require.NoError(t, err)
	require.Equal(t, 1, v)
	for range 2 {
		_, err = q.TryGet()
		require.ErrorIs(t, err, ErrClosed, "never ErrEmpty on a closed queue")
		require.ErrorIs(t, q.TryPut(2), ErrClosed)
	}
}

// A done context wins over room, values, ErrClosed and an empty batch, and leaves no trace, not even in Stats.
func TestDoneContextHasNoEffect(t *testing.T) {
	for name, prepare := range map[string]func(q *Queue[int], p *Priority[int]){
		"room and values": func(q *Queue[int], p *Priority[int]) { _, _ = q.TryPut(1), p.TryPut(1, 1) },
		"full": func(q *Queue[int], p *Priority[int]) {
			_, _, _, _ = q.TryPut(1), q.TryPut(2), p.TryPut(1, 1), p.TryPut(2, 2)
		},
		"empty":  func(*Queue[int], *Priority[int]) {},
		"closed": func(q *Queue[int], p *Priority[int]) { q.Close(); p.Close() },
	} {
		q, p := newQueue(t, Config[int]{Capacity: 2}), newPriority(t, 2)
		prepare(q, p)
		before, beforeP := q.Stats(), p.Stats()
		ctx, dst := cancelled(), []int{-1}
		check := func(err error) {
			require.ErrorIs(t, err, context.Canceled, name)
			require.ErrorIs(t, err, errReason, name)
		}
		check(q.Put(ctx, 9))
		_, err := q.Get(ctx)
		check(err)
		for _, vs := range [][]int{nil, {9}} {
			n, err := q.PutBatch(ctx, vs)
			check(err)
			require.Zero(t, n)
			n, err = q.GetBatch(ctx, dst[:len(vs)])
			check(err)
			require.Zero(t, n)
		}
		require.Equal(t, []int{-1}, dst)
		check(p.Put(ctx, 1, 9))
		_, err = p.Get(ctx)
		check(err)
		for range q.All(ctx) {
			t.Fatal("a step with a done context")
		}
		for range p.All(ctx) {
			t.Fatal("a step with a done context")
		}
		require.Equal(t, before, q.Stats(), name)
		require.Equal(t, beforeP, p.Stats(), name)
	}
}

// custom is a context of the user.
type custom struct {
	context.Context
	err error
}

func (c custom) Err() error { return c.err }

func TestContextErrors(t *testing.T) {
	q := newQueue(t, Config[int]{Capacity: 1})
	plain, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, q.Put(plain, 1))
	deadline, cancel := context.WithTimeoutCause(t.Context(), -1, errReason)
	defer cancel()
	require.ErrorIs(t, q.Put(deadline, 1), context.DeadlineExceeded)
	require.ErrorIs(t, q.Put(deadline, 1), errReason)
	own := errors.New("own")
	require.ErrorIs(t, q.Put(custom{t.Context(), own}, 1), own)
	assert.Equal(t, context.Canceled, ctxerr.Of(context.Background()), "done, says the caller, and the context has no reason")
}

// asked is a context that counts how often it is asked for its Done channel, which the contexts of the library allocate
// when they are asked first.
type asked struct {
	context.Context
	times *int
}

func (a asked) Done() <-chan struct{} {
	*a.times++
	return a.Context.Done()
}

func TestDoneIsAskedForOnlyToWait(t *testing.T) {
	times := 0
	ctx, cancel := context.WithCancel(asked{t.Context(), &times})
	defer cancel()
	ctx, times = asked{ctx, &times}, 0
	q, p, dst := newQueue(t, Config[int]{Capacity: 4}), newPriority(t, 1), make([]int, 9)
	full := newQueue(t, Config[int]{Capacity: 1, Overflow: Reject})
	dropping := newQueue(t, Config[int]{Capacity: 1, Overflow: DropOldest})
	require.NoError(t, q.Put(ctx, 1))
	for _, vs := range [][]int{{2, 3, 4}, nil} {
		_, err := q.PutBatch(ctx, vs)
		require.NoError(t, err)
	}
	_, err := q.Get(ctx)
	require.NoError(t, err)
	for _, n := range []int{0, 1, 9} {
		_, err = q.GetBatch(ctx, dst[:n])
		require.NoError(t, err)
	}
	_, err = full.PutBatch(ctx, []int{1, 2})
	require.ErrorIs(t, err, ErrFull)
	_, err = dropping.PutBatch(ctx, []int{1, 2})
	require.NoError(t, err)
	require.NoError(t, p.Put(ctx, 1, 1))
	_, err = p.Get(ctx)
	require.NoError(t, err)
	q.Close()
	_, err = q.PutBatch(ctx, []int{1})
	require.ErrorIs(t, err, ErrClosed)
	_, err = q.GetBatch(ctx, dst)
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, times)
}

func TestEmptyBatches(t *testing.T) {
	q, ctx := newQueue(t, Config[int]{Capacity: 1}), t.Context()
	check := func(n int, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Zero(t, n)
	}
	check(q.PutBatch(ctx, nil))
	check(q.PutBatch(ctx, []int{}))
	check(q.GetBatch(ctx, nil))
	require.NoError(t, q.TryPut(1))
	check(q.PutBatch(ctx, nil))
	check(q.GetBatch(ctx, []int{}))
	q.Close()
	n, err := q.PutBatch(ctx, nil)
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, n)
	check(q.GetBatch(ctx, nil))
	require.Equal(t, Stats{Len: 1, Cap: 1, HighWater: 1, Puts: 1, Closed: true}, q.Stats())
}

func TestGetBatchWritesWhatItGets(t *testing.T) {
	q, ctx := filled(t, 5, 3), t.Context()
	dst := []int{-1, -1, -1, -1, -1}
	n, err := q.GetBatch(ctx, dst[:2])
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []int{1, 2, -1, -1, -1}, dst)
	n, err = q.GetBatch(ctx, dst)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []int{3, 2, -1, -1, -1}, dst)
	q.Close()
	n, err = q.GetBatch(ctx, dst)
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, n)
	require.Equal(t, []int{3, 2, -1, -1, -1}, dst)
}

// Batches of every length at every offset of rings of every small size, across the wrap.
func TestBatchesAcrossTheWrap(t *testing.T) {
	ctx := t.Context()
	for capacity := 1; capacity <= 7; capacity++ {
		for offset := range capacity {
			for size := 1; size <= capacity; size++ {
				q := newQueue(t, Config[int]{Capacity: capacity})
				for range offset {
					require.NoError(t, q.TryPut(0))
					_, _ = q.TryGet()
				}
				n, err := q.PutBatch(ctx, count(1, size))
				require.NoError(t, err)
				require.Equal(t, size, n)
				dst := make([]int, capacity+1)
				n, err = q.GetBatch(ctx, dst)
				require.NoError(t, err)
				require.Equal(t, count(1, size), dst[:n])
				require.NoError(t, q.validate())
			}
		}
	}
}

// The ring grows while it is wrapped, by single puts and by batches, and keeps the order.
func TestGrowthWhileWrapped(t *testing.T) {
	const first = slotCount
	for _, batch := range []bool{false, true} {
		for _, offset := range []int{0, 1, first / 2, first - 1} {
			q := newQueue(t, Config[int]{Capacity: 5 * first})
			for range offset {
				require.NoError(t, q.TryPut(0))
				_, _ = q.TryGet()
			}
			values := count(1, 5*first)
			if batch {
				k := first - 10
				for _, part := range [][]int{values[:k], values[k : k+30], values[k+30:]} {
					n, err := q.PutBatch(t.Context(), part)
					require.NoError(t, err)
					require.Len(t, part, n)
				}
			} else {
				for _, v := range values {
					require.NoError(t, q.TryPut(v))
				}
			}
			require.ErrorIs(t, q.TryPut(0), ErrFull)
			require.Len(t, q.buf, 5*first)
			require.True(t, slices.Equal(values, q.CloseAndDrain()))
		}
	}
}

// With values of size 0 a ring may be as long as an int can count: sums of two indices must not overflow.
func TestValuesWithoutSize(t *testing.T) {
	q := newQueue(t, Config[struct{}]{Capacity: math.MaxInt})
	n, err := q.PutBatch(t.Context(), make([]struct{}, math.MaxInt))
	require.NoError(t, err)
	require.Equal(t, math.MaxInt, n)
	require.ErrorIs(t, q.TryPut(struct{}{}), ErrFull)
	for i := range 6 { // now the front stands at the end, and the values wrap
		n, err = q.GetBatch(t.Context(), make([]struct{}, math.MaxInt-1))
		require.NoError(t, err)
		require.Equal(t, math.MaxInt-1, n)
		n, err = q.PutBatch(t.Context(), make([]struct{}, math.MaxInt-1))
		require.NoError(t, err)
		require.Equal(t, math.MaxInt-1, n)
		if i%3 == 2 {
			_, err = q.Get(t.Context())
			require.NoError(t, err)
			require.NoError(t, q.Put(t.Context(), struct{}{}))
		}
	}
	require.Equal(t, math.MaxInt, q.Len())
	require.NoError(t, q.validate())
}

func TestPeek(t *testing.T) {
	q := filled(t, 3, 2)
	before := q.Stats()
	for range 2 {
		v, ok := q.Peek()
		require.True(t, ok)
		require.Equal(t, 1, v)
	}
	require.Equal(t, before, q.Stats())
	q.Close()
	require.Equal(t, []int{1, 2}, rest(t, q))
	_, ok := q.Peek()
	require.False(t, ok)
}

func TestReject(t *testing.T) {
	q, ctx := newQueue(t, Config[int]{Capacity: 3, Overflow: Reject, OnDrop: func(int) { t.Error("told") }}), t.Context()
	require.NoError(t, q.Put(ctx, 1))
	n, err := q.PutBatch(ctx, []int{2, 3, 4, 5})
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, 2, n)
	require.ErrorIs(t, q.Put(ctx, 6), ErrFull)
	require.ErrorIs(t, q.TryPut(7), ErrFull)
	require.Equal(t, Stats{Len: 3, Cap: 3, HighWater: 3, Puts: 3, Rejected: 4}, q.Stats())
	require.Equal(t, []int{1, 2, 3}, rest(t, q))
	n, err = q.PutBatch(ctx, []int{8, 9, 10})
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestDropOldest(t *testing.T) {
	var victims []int
	q := newQueue(t, Config[int]{Capacity: 3, Overflow: DropOldest, OnDrop: func(v int) { victims = append(victims, v) }})
	ctx := t.Context()
	for i := range 4 {
		require.NoError(t, q.Put(ctx, i+1))
	}
	require.NoError(t, q.TryPut(5))
	require.Equal(t, []int{1, 2}, victims)
	n, err := q.PutBatch(ctx, []int{6, 7})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []int{1, 2, 3, 4}, victims)
	n, err = q.PutBatch(ctx, count(8, 14)) // longer than the queue: its own first values go through
	require.NoError(t, err)
	require.Equal(t, 7, n)
	require.Equal(t, count(1, 11), victims)
	require.Equal(t, Stats{Len: 3, Cap: 3, HighWater: 3, Puts: 14, Dropped: 11}, q.Stats())
	require.Equal(t, []int{12, 13, 14}, rest(t, q))
	n, err = q.PutBatch(ctx, count(15, 19)) // into an empty queue
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Equal(t, append(count(1, 11), 15, 16), victims)
	require.Equal(t, []int{17, 18, 19}, q.CloseAndDrain())
	require.ErrorIs(t, q.Put(ctx, 20), ErrClosed)
	n, err = q.PutBatch(ctx, []int{20})
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, n)
}

func TestDropOldestWithoutHook(t *testing.T) {
	q := newQueue(t, Config[int]{Capacity: 2, Overflow: DropOldest})
	for i := range 5 {
		require.NoError(t, q.Put(t.Context(), i+1))
	}
	require.Equal(t, Stats{Len: 2, Cap: 2, HighWater: 2, Puts: 5, Dropped: 3}, q.Stats())
	n, err := q.PutBatch(t.Context(), count(6, 8))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, uint64(6), q.Stats().Dropped)
	require.Equal(t, []int{7, 8}, rest(t, q))
}

func TestCloseAndDrain(t *testing.T) {
	q := filled(t, 5, 4)
	_, _ = q.TryGet()
	require.Equal(t, []int{2, 3, 4}, q.CloseAndDrain())
	require.Nil(t, q.CloseAndDrain())
	require.Equal(t, Stats{Cap: 5, HighWater: 4, Puts: 4, Gets: 4, Closed: true}, q.Stats())
	q = filled(t, 5, 3)
	q.Close()
	q.Close()
	_, _ = q.TryGet()
	require.Equal(t, []int{2, 3}, q.CloseAndDrain(), "after Close it takes what is left")
	require.ErrorIs(t, q.TryPut(1), ErrClosed)
	_, err := q.Get(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, q.Len())
	require.Equal(t, 5, q.Cap())
}

func TestAll(t *testing.T) {
	q := filled(t, 5, 5)
	var got []int
	for v := range q.All(t.Context()) { // the body puts, gets and closes
		got = append(got, v)
		switch v {
		case 1:
			require.NoError(t, q.TryPut(6))
		case 2:
			_, _ = q.TryGet()
			q.Close()
		}
	}
	require.Equal(t, []int{1, 2, 4, 5, 6}, got)

	q = filled(t, 5, 5)
	all := q.All(t.Context())
	for v := range all {
		require.Equal(t, 1, v)
		break
	}
	require.Equal(t, 4, q.Len(), "a break leaves the rest")
	require.PanicsWithValue(t, "body", func() {
		for v := range all {
			require.Equal(t, 2, v)
			panic("body")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for v := range q.All(ctx) {
		require.Equal(t, 3, v)
		cancel()
	}
	require.Error(t, ctx.Err())
	q.Close()
	got = nil
	for v := range all { // a third time
		got = append(got, v)
	}
	require.Equal(t, []int{4, 5}, got)
	require.NoError(t, t.Context().Err())
}

// A queue that was made outside of any bubble serves in several, one after the other, with waiters of both kinds each time.
func TestOneQueueInManyBubbles(t *testing.T) {
	q := newQueue(t, Config[int]{Capacity: 1})
	p := newPriority(t, 1)
	use := func(t *testing.T) {
		for _, ctx := range []context.Context{context.Background(), t.Context()} {
			var group sync.WaitGroup
			got := make([]int, 2)
			group.Go(func() { got[0], _ = q.Get(ctx) })
			group.Go(func() { got[1], _ = p.Get(ctx) })
			synctest.Wait() // returns since both are durably blocked
			require.Equal(t, 1, q.Stats().GetWaiters)
			require.Equal(t, 1, p.Stats().GetWaiters)
			for i := range 3 {
				group.Go(func() { _ = q.Put(ctx, i) })
				group.Go(func() { _ = p.Put(ctx, 0, i) })
			}
			synctest.Wait()
			require.Equal(t, 1, q.Stats().PutWaiters)
			require.Equal(t, 1, p.Stats().PutWaiters)
			require.Len(t, rest(t, q), 2)
			for p.Len() > 0 {
				_, _ = p.TryGet()
			}
			group.Wait()
		}
	}
	for range 3 {
		synctest.Test(t, use)
	}
	var group sync.WaitGroup // and outside again
	group.Go(func() { _, _ = q.Get(context.Background()) })
	require.NoError(t, q.Put(context.Background(), 1))
	group.Wait()
}
