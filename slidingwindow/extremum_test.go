package slidingwindow

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// window is the model of a count window: the values themselves.
func window[T any](stream []T, pushed, size int) []T { return stream[max(0, pushed-size):pushed] }

func TestClassicExample(t *testing.T) {
	x := newMax[int](t, 3)
	var got []int
	for _, v := range []int{1, 3, -1, -3, 5, 3, 6, 7} {
		got = append(got, x.Push(v))
	}
	assert.Equal(t, []int{1, 3, 3, 3, 5, 5, 6, 7}, got)
}

// same tells floats apart that == does not, and NaNs not.
func same[T comparable](a, b T) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func checkExtremum[T cmp.Ordered](t *testing.T, stream []T, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		most, least := newMax[T](t, size), newMin[T](t, size)
		for round := range 2 {
			_, ok := most.Value()
			require.False(t, ok, "round %d", round)
			for i, v := range stream {
				w := window(stream, i+1, size)
				wantMax, wantMin := w[0], w[0]
				for _, o := range w {
					wantMax, wantMin = max(wantMax, o), min(wantMin, o)
				}
				gotMax, gotMin := most.Push(v), least.Push(v)
				require.True(t, same(wantMax, gotMax), "max of the last %d after %d: %v, want %v", size, i+1, gotMax, wantMax)
				require.True(t, same(wantMin, gotMin), "min of the last %d after %d: %v, want %v", size, i+1, gotMin, wantMin)
				gotMax, ok = most.Value()
				require.True(t, ok && same(wantMax, gotMax), "Value %v, want %v", gotMax, wantMax)
				gotMin, ok = least.Value()
				require.True(t, ok && same(wantMin, gotMin), "Value %v, want %v", gotMin, wantMin)
				require.Equal(t, min(i+1, size), most.Len())
				require.Equal(t, size, most.Cap())
			}
			most.Reset()
			least.Reset()
			require.Zero(t, most.Len())
		}
	}
}

func TestExtremumOfEveryPrefix(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ints, words, floats := make([]int, 300), make([]string, 100), make([]float64, 300)
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1, 1, -1}
	for i := range ints {
		ints[i] = rng.IntN(50)
		floats[i] = special[rng.IntN(len(special))]
		words[i%len(words)] = fmt.Sprint(rng.IntN(100))
	}
	sizes := []int{1, 2, 3, 4, 5, 7, 8, 16, 31, 100, 1000}
	checkExtremum(t, ints, sizes...)
	checkExtremum(t, floats, sizes...)
	checkExtremum(t, words, sizes...)
	for _, sorted := range [][]uint8{{0, 1, 2, 3, 4, 5, 6, 255}, {255, 9, 8, 7, 1, 0}, {7, 7, 7, 7, 7}} {
		checkExtremum(t, sorted, 1, 2, 3, 4, 8)
	}
}

// A NaN makes the result NaN until it has left, exactly size pushes later; a sum that subtracts what leaves would keep it
// for ever (failsafe-go's window).
func TestNaNLeavesWithItsValue(t *testing.T) {
	for size := 1; size <= 6; size++ {
		for at := range 3 * size {
			x := newMax[float64](t, size)
			for i := range at {
				x.Push(float64(i))
			}
			for later := range 2 * size {
				v := 1.0
				if later == 0 {
					v = math.NaN()
				}
				require.Equal(t, later < size, math.IsNaN(x.Push(v)), "size %d, %d pushes before, %d after", size, at, later)
			}
		}
	}
}

func TestSignedZeros(t *testing.T) {
	minus := math.Copysign(0, -1)
	for _, order := range [][]float64{{0, minus}, {minus, 0}} {
		most, least := newMax[float64](t, 2), newMin[float64](t, 2)
		var top, bottom float64
		for _, v := range order {
			top, bottom = most.Push(v), least.Push(v)
		}
		assert.False(t, math.Signbit(top), "+0 is the greater")
		assert.True(t, math.Signbit(bottom))
	}
}

func TestExtremumMemoryGrowsUpToSize(t *testing.T) {
	x := newMax[int64](t, 1000)
	for i := range 10_000 {
		x.Push(int64(i))
		require.LessOrEqual(t, cap(x.buf), min(1000, max(8, 2*(i+1))))
	}
	assert.Equal(t, 1000, cap(x.buf))
	huge := newMax[int64](t, math.MaxInt)
	for i := range 100 {
		huge.Push(int64(i))
	}
	assert.LessOrEqual(t, cap(huge.buf), 200)
}

// Every value of the buffer is one of the window.
func TestExtremumKeepsNothingThatHasLeft(t *testing.T) {
	x := newMax[int](t, 5)
	for i := range 100 {
		x.Push(-i)
		assert.LessOrEqual(t, slices.Max(x.buf), -max(0, i-4), "after %d", i)
	}
	x.Reset()
	assert.Zero(t, slices.Max(x.buf[:cap(x.buf)]))
	assert.Zero(t, x.run)
}
