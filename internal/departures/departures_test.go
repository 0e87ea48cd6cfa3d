package departures

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

type told struct {
	key, value int
	reason     string
}

// Departures beyond those kept on the stack are reported in the same order.
func TestListSpills(t *testing.T) {
	for n := range 3 * Few {
		var l List[int, int, string]
		want, got := []told{}, []told{}
		for i := range n {
			l.Add(i, -i, "left")
			want = append(want, told{i, -i, "left"})
		}
		assert.Equal(t, n, l.Len())
		l.Report(func(k, v int, r string) { got = append(got, told{k, v, r}) })
		assert.Equal(t, want, got)
		for i := range n {
			assert.Equal(t, "left", l.Reason(i))
		}
	}
}

func TestNilListTakesNothing(t *testing.T) {
	var nobody *List[int, int, string]
	assert.NotPanics(t, func() { nobody.Add(1, 1, "left") })
}

func TestFewDeparturesDoNotAllocate(t *testing.T) {
	sum := 0
	hook := func(key, _ int, _ string) { sum += key }
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		var l List[int, int, string]
		for i := range Few {
			l.Add(i, i, "left")
		}
		l.Report(hook)
	}))
}

// Whatever mixture of failures: all are told, and the last failure goes on.
func TestReportSurvivesFailures(t *testing.T) {
	for letters, want := range map[string]any{
		"....": "returned", "p...": 0, "...p": 3, "pp..": 1, "g...": nil, "...g": nil,
		"p..g": nil, "g..p": 3, ".pgp": 3, "gggg": nil, "pppp": 3, "pgpg": nil,
	} {
		t.Run(letters, func(t *testing.T) {
			var l List[int, int, string]
			for i := range len(letters) {
				l.Add(i, i, "left")
			}
			var keys []int
			var wg sync.WaitGroup
			var end any
			wg.Go(func() {
				defer func() {
					if end == nil {
						end = recover()
					}
				}()
				l.Report(func(key, _ int, _ string) {
					keys = append(keys, key)
					switch letters[key] {
					case 'p':
						panic(key)
					case 'g':
						runtime.Goexit()
					}
				})
				end = "returned"
			})
			wg.Wait()
			assert.Equal(t, want, end)
			assert.Equal(t, []int{0, 1, 2, 3}, keys)
		})
	}
}

// The depth of the stack must not grow with the number of panics.
func TestManyPanics(t *testing.T) {
	const n = 150_000
	var l List[int, int, string]
	for i := range n {
		l.Add(i, i, "left")
	}
	calls := 0
	assert.PanicsWithValue(t, n-1, func() {
		l.Report(func(key, _ int, _ string) {
			calls++
			panic(key)
		})
	})
	assert.Equal(t, n, calls)
}
