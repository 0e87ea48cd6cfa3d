package slidingwindow

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// modes runs a test with the average and with the worst-case bound.
func modes(t *testing.T, test func(t *testing.T, worst bool)) {
	t.Helper()
	for _, worst := range []bool{false, true} {
		t.Run(fmt.Sprintf("worst=%v", worst), func(t *testing.T) { test(t, worst) })
	}
}

// letters pushes single letters and expects the window to be spelt in order: Combine is not commutative, has no identity,
// and the empty string, which nobody pushes, must never reach it (a wrong identity: IBM/sliding-window-aggregators#84).
type letters struct {
	t     *testing.T
	fold  *Fold[string]
	model []string
	calls int
}

func newLetters(t *testing.T, size int, worst bool) *letters {
	l := &letters{t: t}
	l.fold = newFold(t, FoldConfig[string]{Size: size, WorstCase: worst, Combine: func(older, newer string) string {
		l.calls++
		require.NotEmpty(t, older, "a value that was not pushed")
		require.NotEmpty(t, newer, "a value that was not pushed")
		return older + newer
	}})
	return l
}

func (l *letters) push(v string) {
	l.model = append(l.model, v)
	l.model = window(l.model, len(l.model), l.fold.Cap())
	require.Equal(l.t, strings.Join(l.model, ""), l.fold.Push(v))
	l.check()
}

func (l *letters) pop() {
	require.Equal(l.t, len(l.model) > 0, l.fold.Pop())
	if len(l.model) > 0 {
		l.model = l.model[1:]
	}
	l.check()
}

func (l *letters) check() {
	got, ok := l.fold.Value()
	require.Equal(l.t, len(l.model) > 0, ok)
	require.Equal(l.t, strings.Join(l.model, ""), got)
	require.Equal(l.t, len(l.model), l.fold.Len())
	if d := l.fold.daba; d != nil {
		require.NoError(l.t, d.validate())
	}
}

func TestFoldSpellsTheWindow(t *testing.T) {
	modes(t, func(t *testing.T, worst bool) {
		for size := 1; size <= 20; size++ {
			l := newLetters(t, size, worst)
			rng := rand.New(rand.NewPCG(uint64(size), 7))
			for i := range 400 {
				switch pops := (i / 50) % 4; {
				case rng.IntN(4) < pops:
					l.pop()
				case rng.IntN(100) == 0:
					l.fold.Reset()
					l.model = nil
					l.check()
				default:
					l.push(string(rune('a' + i%26)))
				}
			}
			for l.fold.Len() > 0 {
				l.pop()
			}
			l.pop()
		}
	})
}

func TestFoldOfOneNeverCombines(t *testing.T) {
	modes(t, func(t *testing.T, worst bool) {
		l := newLetters(t, 1, worst)
		for range 50 {
			l.push("x")
		}
		assert.Zero(t, l.calls)
		wide := newLetters(t, 9, worst)
		for range 50 {
			wide.push("x")
			wide.pop()
		}
		assert.Zero(t, wide.calls)
	})
}

// counted is a Fold of ints that counts its calls of Combine.
func counted(tb testing.TB, size int, worst bool) (fold *Fold[int], calls *int) {
	tb.Helper()
	calls = new(int)
	return newFold(tb, FoldConfig[int]{Size: size, WorstCase: worst, Combine: func(a, b int) int {
		*calls++
		return max(a, b)
	}}), calls
}

var foldSizes = []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 100, 257, 1000, 2000}

func TestWorstCaseBoundsEveryCall(t *testing.T) {
	cost := func(calls *int, op func()) int {
		*calls = 0
		op()
		return *calls
	}
	for _, size := range foldSizes {
		fold, calls := counted(t, size, true)
		rng := rand.New(rand.NewPCG(uint64(size), 3))
		for i := range 5*size + 200 {
			if pops := i / (size + 40) % 3; rng.IntN(4) < pops {
				require.LessOrEqual(t, cost(calls, func() { fold.Pop() }), 2, "Pop at size %d", size)
			} else {
				require.LessOrEqual(t, cost(calls, func() { fold.Push(i) }), 6, "Push at size %d", size)
			}
			require.LessOrEqual(t, cost(calls, func() { fold.Value() }), 1, "Value at size %d", size)
		}
	}
}

func TestAverageOfCombineCalls(t *testing.T) {
	for _, size := range foldSizes {
		fold, calls := counted(t, size, false)
		for i := range 5 * size {
			before := *calls
			fold.Push(i)
			require.LessOrEqual(t, *calls-before, max(fold.Len(), 2), "one Push at size %d", size)
			require.LessOrEqual(t, *calls, 3*(i+1), "%d pushes at size %d", i+1, size)
		}
	}
}

type fault struct{ name string }

// A Combine that fails in any of its calls leaves a Fold that works on, and as new after Reset.
func TestCombineFails(t *testing.T) {
	for _, goexit := range []bool{false, true} {
		modes(t, func(t *testing.T, worst bool) {
			for size := 1; size <= 9; size++ {
				for failing := 1; failing < 30; failing++ {
					failOnce(t, size, failing, worst, goexit)
				}
			}
		})
	}
}

func failOnce(t *testing.T, size, failing int, worst, goexit bool) {
	t.Helper()
	calls := 0
	fold := newFold(t, FoldConfig[string]{Size: size, WorstCase: worst, Combine: func(older, newer string) string {
		if calls++; calls == failing {
			if goexit {
				runtime.Goexit()
			}
			panic(fault{"combine"})
		}
		require.True(t, older != "" && newer != "", "a value that was not pushed")
		return older + newer
	}})
	for i := 0; calls < failing && i < 40; i++ {
		guarded(t, func() { fold.Push("v") })
		if i%7 == 6 {
			guarded(t, func() { fold.Pop() })
		}
		require.True(t, fold.Len() >= 0 && fold.Len() <= size)
	}
	failing = -1
	for range 3 * size { // goes on with whatever is left
		before := fold.Len()
		got := fold.Push("w")
		require.Equal(t, min(before+1, size), fold.Len())
		require.Len(t, got, fold.Len(), "the aggregate is that of the values held")
	}
	fold.Reset()
	require.Zero(t, fold.Len())
	require.False(t, fold.Pop())
	for i := range 3 * size {
		require.Equal(t, strings.Repeat("n", min(i+1, size)), fold.Push("n"))
	}
}

// guarded runs f, which may panic with fault or end its goroutine.
func guarded(t *testing.T, f func()) {
	t.Helper()
	done := make(chan any)
	go func() {
		var value any
		defer func() { done <- value }()
		defer func() { value = recover() }()
		f()
	}()
	if value := <-done; value != nil {
		require.Equal(t, fault{"combine"}, value, "the panic reaches the caller")
	}
}

func TestFoldMemoryGrowsWithTheValues(t *testing.T) {
	f := newFold(t, FoldConfig[int64]{Size: 1000, Combine: func(a, b int64) int64 { return a + b }})
	for i := range int64(5000) {
		f.Push(i)
		require.LessOrEqual(t, len(f.two.buf), min(1000, max(8, 2*int(i+1))))
	}
	w := newFold(t, FoldConfig[int64]{Size: 1000, WorstCase: true, Combine: func(a, b int64) int64 { return a + b }})
	for i := range int64(5000) {
		w.Push(i)
		require.LessOrEqual(t, len(w.daba.buf), min(1024, max(8, 2*int(i+1))))
	}
}

// The values of a Fold that has been emptied, and those that have left it, are garbage.
func TestFoldLetsGo(t *testing.T) {
	type big struct{ body *[1 << 10]byte }
	newest := func(_, newer big) big { return newer }
	modes(t, func(t *testing.T, worst bool) {
		for name, empty := range map[string]func(f *Fold[big]){
			"Pop": func(f *Fold[big]) {
				for f.Pop() {
					continue
				}
			},
			"Reset":    func(f *Fold[big]) { f.Reset() },
			"eviction": func(f *Fold[big]) { pushMany(f, 9, func() big { return big{} }) },
		} {
			freed := make(chan int, 100)
			f := newFold(t, FoldConfig[big]{Size: 9, Combine: newest, WorstCase: worst})
			i := 0
			pushMany(f, 30, func() big {
				body := new([1 << 10]byte)
				runtime.AddCleanup(body, func(i int) { freed <- i }, i)
				i++
				return big{body}
			})
			empty(f)
			collect(t, freed, 30, name)
			runtime.KeepAlive(f)
		}
	})
}

func pushMany[T any](f *Fold[T], n int, value func() T) {
	for range n {
		f.Push(value())
	}
}

// collect waits until n cleanups have run.
func collect(t *testing.T, freed chan int, n int, name string) {
	t.Helper()
	for round := 0; len(freed) < n; round++ {
		require.Less(t, round, 1000, "%s: %d of %d values collected", name, len(freed), n)
		runtime.GC()
	}
}
