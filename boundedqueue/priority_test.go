package boundedqueue

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPriorityOrder(t *testing.T) {
	q, ctx := newPriority(t, 10), t.Context()
	for i, rank := range []int64{5, math.MaxInt64, 0, 5, math.MinInt64, -1, 0, 5} {
		require.NoError(t, q.Put(ctx, rank, i))
	}
	v, rank, ok := q.Peek()
	require.True(t, ok)
	require.Equal(t, 4, v)
	require.Equal(t, int64(math.MinInt64), rank)
	var got []int
	for range 4 {
		v, err := q.TryGet()
		require.NoError(t, err)
		got = append(got, v)
	}
	require.Equal(t, []int{4, 5, 2, 6}, got)
	require.Equal(t, []int{0, 3, 7, 1}, q.CloseAndDrain())
	require.Nil(t, q.CloseAndDrain())
	_, _, ok = q.Peek()
	require.False(t, ok)
	require.Equal(t, Stats{Cap: 10, HighWater: 8, Puts: 8, Gets: 8, Closed: true}, q.Stats())
	require.ErrorIs(t, q.Put(ctx, 0, 0), ErrClosed)
	require.ErrorIs(t, q.TryPut(0, 0), ErrClosed)
	_, err := q.Get(ctx)
	require.ErrorIs(t, err, ErrClosed)
	_, err = q.TryGet()
	require.ErrorIs(t, err, ErrClosed)
}

// A get takes the best of the admitted values; then the put that has waited longest is admitted, whatever its rank.
func TestPriorityAdmitsInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newPriority(t, 2)
		put := func(rank int64, v int) *call {
			return start(t, true, func(ctx context.Context, c *call) { c.err = q.Put(ctx, rank, v) })
		}
		ended(t, put(5, 1), nil)
		ended(t, put(6, 2), nil)
		late, never, urgent := put(9, 3), put(8, 4), put(0, 5)
		waits(t, late, never, urgent)
		require.ErrorIs(t, q.TryPut(-1, 0), ErrFull)
		take := func(want int) {
			v, err := q.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		take(1) // admits the one of rank 9
		ended(t, late, nil)
		waits(t, urgent)
		never.cancel(errReason)
		ended(t, never, errReason)
		take(2) // rank 6 is the best of those admitted; now rank 0 comes in
		ended(t, urgent, nil)
		take(5)
		take(3)
		require.Equal(t, Stats{Cap: 2, HighWater: 2, Puts: 4, Gets: 4, PutWaits: 3, Rejected: 1}, q.Stats())
	})
}

func TestPriorityWaitingGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newPriority(t, 1)
		get := func(cancellable bool) *call {
			return start(t, cancellable, func(ctx context.Context, c *call) {
				v, err := q.Get(ctx)
				c.got, c.err = []int{v}, err
			})
		}
		first, gone, second, third := get(false), get(true), get(true), get(false)
		_, err := q.TryGet()
		require.ErrorIs(t, err, ErrEmpty)
		gone.cancel(errReason)
		ended(t, gone, errReason)
		require.NoError(t, q.TryPut(9, 1))
		require.NoError(t, q.Put(t.Context(), 0, 2))
		ended(t, first, nil)
		ended(t, second, nil)
		require.Equal(t, []int{1}, first.got)
		require.Equal(t, []int{2}, second.got)
		q.Close()
		q.Close()
		ended(t, third, ErrClosed)

		q = newPriority(t, 1)
		require.NoError(t, q.TryPut(1, 1))
		waiting := start(t, false, func(ctx context.Context, c *call) { c.err = q.Put(ctx, 0, 2) })
		require.Equal(t, []int{1}, q.CloseAndDrain())
		ended(t, waiting, ErrClosed)
	})
}

func TestPriorityAll(t *testing.T) {
	q := newPriority(t, 5)
	for i := range 5 {
		require.NoError(t, q.TryPut(int64(-i), i))
	}
	for v := range q.All(t.Context()) {
		require.Equal(t, 4, v)
		break
	}
	q.Close()
	var got []int
	for v := range q.All(t.Context()) {
		got = append(got, v)
	}
	require.Equal(t, []int{3, 2, 1, 0}, got)
}

// The queue equals a stably sorted slice, beyond the first growth too.
func TestPriorityModel(t *testing.T) {
	type item struct {
		rank int64
		v    int
	}
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.SampledFrom([]int{1, 2, 3, 10, 3000}).Draw(t, "capacity")
		q, err := NewPriority[int](capacity)
		if err != nil {
			t.Fatal(err)
		}
		var model []item
		next := 0
		check := func(want, got any) {
			if want != got {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				rank := rapid.Int64Range(-3, 3).Draw(t, "rank")
				for range rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "times") {
					err := q.TryPut(rank, next)
					check(len(model) == capacity, err != nil)
					if err == nil {
						model = append(model, item{rank, next})
					}
					next++
				}
				slices.SortStableFunc(model, func(a, b item) int { return cmp.Compare(a.rank, b.rank) })
			},
			"get": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 3, 500}).Draw(t, "times") {
					v, err := q.TryGet()
					check(len(model) == 0, err != nil)
					if err == nil {
						check(model[0].v, v)
						model = model[1:]
					}
				}
			},
			"": func(*rapid.T) {
				v, rank, ok := q.Peek()
				check(len(model) > 0, ok)
				if ok {
					check(model[0], item{rank, v})
				}
				check(len(model), q.Len())
			},
		})
		drained := q.CloseAndDrain()
		check(len(model), len(drained))
		for i, v := range drained {
			check(model[i].v, v)
		}
	})
}
