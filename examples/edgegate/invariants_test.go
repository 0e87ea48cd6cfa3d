package main

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

func TestConservation(t *testing.T) {
	tests := []struct {
		name         string
		in, answered int64
		s            sending
		text         string // "" when it holds
	}{
		{"nothing", 0, 0, sending{}, ""},
		{"all", 10, 10, sending{sent: 10}, ""},
		{"an outcome is missing", 10, 9, sending{sent: 10}, "10 requests arrived, 9 are accounted for, 0 panicked"},
		{"an outcome too many", 10, 11, sending{sent: 10}, "10 requests arrived, 11 are accounted for, 0 panicked"},
		{"lost on the way", 9, 9, sending{sent: 10}, "10 requests were sent, 0 got no answer, 9 arrived"},
		{"out of nowhere", 11, 11, sending{sent: 10}, "10 requests were sent, 0 got no answer, 11 arrived"},
		{"no answer", 10, 10, sending{sent: 10, unanswered: 1}, "1 of 10 requests got no answer"},
		{"cut short, arrived", 10, 10, sending{sent: 10, unanswered: 2, cutShort: true}, ""},
		{"cut short, not arrived", 8, 8, sending{sent: 10, unanswered: 2, cutShort: true}, ""},
		{"cut short, and one more lost", 7, 7, sending{sent: 10, unanswered: 2, cutShort: true}, "10 requests were sent, 2 got no answer, 7 arrived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var books tally
			books.in.Store(tt.in)
			books.outcomes[hit].Store(tt.answered / 2)
			books.outcomes[failed].Store(tt.answered - tt.answered/2)
			broken := checkConservation(&books, new(tally), tt.s)
			if tt.text == "" {
				assert.Empty(t, broken)
				return
			}
			assert.Equal(t, []violation{{conservation, tt.text}}, broken)
		})
	}
}

func TestCacheBound(t *testing.T) {
	assert.Empty(t, checkCache(256, 256))
	assert.Equal(t, []violation{{cacheBound, "the cache held 257 entries, capacity 256"}}, checkCache(257, 256))
}

func TestPeak(t *testing.T) {
	var p peak
	for _, n := range []int{3, 7, 5, 7, 2} {
		p.observe(n)
	}
	assert.EqualValues(t, 7, p.highest.Load())
}

func TestNothingLeft(t *testing.T) {
	assert.Empty(t, checkNothingLeft(t.Context(), math.MaxInt, nil, time.Minute))

	broken := checkNothingLeft(t.Context(), 0, nil, 20*time.Millisecond)
	require.Len(t, broken, 1)
	assert.Equal(t, nothingLeft, broken[0].ID)
	assert.Contains(t, broken[0].Text, "TestNothingLeft", "the stacks show who it is")
}

func TestNothingLeftWaitsForTheLastOnes(t *testing.T) {
	const lingering = 50
	release := make(chan struct{})
	for range lingering {
		go func() { <-release }()
	}
	all := runtime.NumGoroutine() // from here on there are only fewer
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	assert.Empty(t, checkNothingLeft(t.Context(), all-lingering, nil, time.Minute))
}

func TestListenerLeft(t *testing.T) {
	var s servers
	srv, err := s.start(t.Context(), "gateway", nil)
	require.NoError(t, err)
	assert.True(t, srv.listening())
	broken := checkNothingLeft(t.Context(), math.MaxInt, s.all, time.Minute)
	assert.Equal(t, []violation{{nothingLeft, "gateway still listens on " + srv.address()}}, broken)
	require.NoError(t, s.stop(t.Context()))
	assert.False(t, srv.listening())
	assert.Empty(t, checkNothingLeft(t.Context(), math.MaxInt, s.all, time.Minute))
}

// fullestOfAll is the definition of fullest: it looks at every window.
func fullestOfAll(decisions []decision, rate float64) float64 {
	best := 0.0
	for i := range decisions {
		latest := time.Duration(0)
		for _, d := range decisions[:i] {
			latest = max(latest, d.end)
		}
		for j := i; j < len(decisions); j++ {
			latest = max(latest, decisions[j].end)
			best = max(best, float64(j-i+1)-rate*float64(latest-decisions[i].begin))
		}
	}
	return best
}

func TestFullestLooksAtEveryWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		rate := rng.Float64() / 50
		var decisions []decision
		at := time.Duration(0)
		for range rng.IntN(60) {
			at += time.Duration(rng.IntN(120))
			decisions = append(decisions, decision{at, at + time.Duration(rng.IntN(30))})
		}
		want := fullestOfAll(decisions, rate)
		shuffled := append([]decision(nil), decisions...)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got := fullest(shuffled, rate)
		require.InDelta(t, want, got.burst, 1e-9, "in whatever order they were written down")
		if len(decisions) > 0 {
			require.InDelta(t, got.burst, float64(got.admitted)-rate*float64(got.length), 1e-9, "the window it names is the one it means")
		}
	}
}

func TestFullestFindsTheWindow(t *testing.T) {
	ms := func(begin, end int) decision {
		return decision{time.Duration(begin) * time.Millisecond, time.Duration(end) * time.Millisecond}
	}
	rate := 1.0 / float64(10*time.Millisecond)
	tests := []struct {
		name      string
		decisions []decision
		admitted  int
		length    time.Duration
		burst     float64
	}{
		{"none", nil, 0, 0, 0},
		{"one", []decision{ms(5, 5)}, 1, 0, 1},
		{"one that took a while", []decision{ms(5, 8)}, 1, 3 * time.Millisecond, 0.7},
		{"at the rate", []decision{ms(0, 0), ms(10, 10), ms(20, 20)}, 1, 0, 1},
		{"a burst in the middle", []decision{ms(0, 0), ms(100, 100), ms(101, 101), ms(102, 102), ms(200, 200)}, 3, 2 * time.Millisecond, 2.8},
		{"overlapping: the first may be the last to take its token", []decision{ms(0, 30), ms(0, 1)}, 1, 30 * time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := fullest(tt.decisions, rate)
			assert.InDelta(t, tt.burst, max(0, got.burst), 1e-9)
			if got.burst > 0 {
				assert.Equal(t, tt.admitted, got.admitted)
				assert.Equal(t, tt.length, got.length)
			}
		})
	}
}

func TestHistoryNamesTheWorstClient(t *testing.T) {
	h := newHistory(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 2})
	admit := func(name string, n int) {
		for range n {
			h.admitted(caller{name: name}, time.Second, time.Second)
		}
	}
	admit("good", 2)
	assert.Empty(t, h.check())
	admit("bad", 3)
	admit("worst", 7)
	for range 9 {
		h.admitted(caller{name: "stranger", stranger: true}, time.Second, time.Second)
	}
	assert.Equal(t, []violation{{
		limiterBound, "client worst admitted 7, bound 2.00 in 0s (clients above their bound: 2)",
	}}, h.check())
	h.evicted(caller{name: "worst", stranger: true}) // an eviction of somebody else
	assert.Contains(t, h.check()[0].Text, "bound 2.00")
	h.evicted(caller{name: "worst"})
	assert.Contains(t, h.check()[0].Text, "client worst admitted 7, bound 4.00")
}

func TestHistoryCountsTheRefill(t *testing.T) {
	h := newHistory(tokenbucket.Config{Rate: tokenbucket.Rate{Tokens: 1, Per: 5 * time.Millisecond}, Burst: 5})
	admit := func(n int, at time.Duration) {
		for range n {
			h.admitted(caller{name: "c"}, at, at)
		}
	}
	admit(5, time.Second)
	admit(2, time.Second+10*time.Millisecond)
	assert.Empty(t, h.check(), "exactly at the bound")
	admit(1, time.Second+10*time.Millisecond)
	assert.Equal(t, []violation{{
		limiterBound, "client c admitted 8, bound 7.00 in 10ms (clients above their bound: 1)",
	}}, h.check())
}

func TestHistoryOfAHugeBurst(t *testing.T) {
	c := caller{name: "c"}
	h := newHistory(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: math.MaxInt64 / 2})
	h.admitted(c, time.Second, time.Second)
	for range 3 {
		h.evicted(c) // twice the burst still fits an int64, four times it does not
	}
	assert.Empty(t, h.check())
}

func TestHistoryIgnoresStrangers(t *testing.T) {
	h := newHistory(tokenbucket.Config{Rate: tokenbucket.PerHour(1), Burst: 1})
	h.evicted(caller{name: "192.0.2.1", stranger: true})
	assert.Empty(t, h.evicts, "a crowd of strangers must not make the record grow")
}

// TestBucketSatisfiesTheCheck runs a real bucket under contention against the
// recorded history.
func TestBucketSatisfiesTheCheck(t *testing.T) {
	limit := tokenbucket.Config{Rate: tokenbucket.Every(50 * time.Microsecond), Burst: 3}
	g := newTestGateway(t, gatewayConfig{limit: limit})
	done := make(chan struct{})
	for range 4 {
		go func() {
			for range 5000 {
				g.admit(caller{name: "c"})
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	assert.GreaterOrEqual(t, len(g.history.admits["c"]), 3)
	assert.Empty(t, g.history.check())
}
