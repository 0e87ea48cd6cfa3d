package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

// The invariants. A run that breaks one ends with exit code 1.
const (
	conservation = "I1" // every request sent has arrived, every one that arrived has one outcome, none panicked
	limiterBound = "I2" // no client got more than burst + rate*time in any interval
	cacheBound   = "I3" // the response cache held more entries than its capacity at no reading: each 64th request, the end
	nothingLeft  = "I6" // after the end no goroutine and no listener is left

	invariantCount = 4
)

// violation is an invariant that did not hold, and how it did not.
type violation struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// violated returns a broken invariant in the form that the checks share: none
// or one.
func violated(id, format string, args ...any) []violation {
	return []violation{{id, fmt.Sprintf(format, args...)}}
}

// checkConservation compares the replayer's books with the gateway's. A panic
// is a violation even after the request had its outcome. A request without an
// answer is a violation unless the drain was cut short; then it may or may not
// have arrived.
func checkConservation(replayed, strangers *tally, s sending) []violation {
	for _, books := range []*tally{replayed, strangers} {
		if in, accounted, panics := books.in.Load(), books.accounted(), books.panics.Load(); in != accounted || panics > 0 {
			return violated(conservation, "%d requests arrived, %d are accounted for, %d panicked", in, accounted, panics)
		}
	}
	in := replayed.in.Load()
	if s.unanswered > 0 && !s.cutShort {
		return violated(conservation, "%d of %d requests got no answer", s.unanswered, s.sent)
	}
	if in > s.sent || in < s.sent-s.unanswered {
		return violated(conservation, "%d requests were sent, %d got no answer, %d arrived", s.sent, s.unanswered, in)
	}
	return nil
}

// checkCache compares the largest size that was seen with the capacity that was
// asked for, not with the cache's own.
func checkCache(highest, capacity int64) []violation {
	if highest <= capacity {
		return nil
	}
	return violated(cacheBound, "the cache held %d entries, capacity %d", highest, capacity)
}

// checkNothingLeft waits up to limit for goroutines that are about to end. The
// text carries the stacks of the rest.
func checkNothingLeft(ctx context.Context, before int, all []*server, limit time.Duration) []violation {
	for _, s := range all {
		if s.listening() {
			return violated(nothingLeft, "%s still listens on %s", s.name, s.address())
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-retry.C:
		case <-ctx.Done():
			var stacks bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // a bytes.Buffer takes everything
			return violated(nothingLeft, "%d goroutines, %d at the start: %s", runtime.NumGoroutine(), before, stacks.String())
		}
	}
	return nil
}

// history is the recorded past of the limiter: when each admission of each
// client was decided. The check uses nothing else, least of all the limiter's
// own state. Only the replayer's clients are recorded, so its size is that of
// the log.
//
// To count what was admitted per second, or per minute, would not do. A fixed
// window that resets on the minute lets twice its limit pass around the minute,
// and every such count finds it innocent. A token bucket promises more: in any
// interval of length T, wherever it begins, at most burst + rate*T. So every
// interval is checked that begins with one admission and ends with another, and
// no other can be worse.
type history struct {
	base  time.Time
	limit tokenbucket.Config

	mu     sync.Mutex // guards the fields below
	admits map[string][]decision
	evicts map[string]int64
}

// decision is an interval that contains the instant at which a token was taken.
type decision struct{ begin, end time.Duration }

// newHistory starts the clock of the recorded decisions.
func newHistory(limit tokenbucket.Config) *history {
	return &history{base: time.Now(), limit: limit, admits: make(map[string][]decision), evicts: make(map[string]int64)}
}

// now reads the monotonic clock only; a step of the wall clock cannot bend the
// record.
func (h *history) now() time.Duration { return time.Since(h.base) }

// admitted writes down an admission. Denials need no record: no bound says how
// many there must be.
func (h *history) admitted(c caller, begin, end time.Duration) {
	if c.stranger {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.admits[c.name] = append(h.admits[c.name], decision{begin, end})
}

// evicted notes that a client's next bucket will be full again.
func (h *history) evicted(c caller) {
	if c.stranger {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.evicts[c.name]++
}

// check looks at every interval between two admissions of every client. An
// evicted bucket comes back full, so each eviction of a client's bucket allows
// that client one burst more.
func (h *history) check() []violation {
	h.mu.Lock()
	defer h.mu.Unlock()
	rate := float64(h.limit.Rate.Tokens) / float64(h.limit.Rate.Per)
	var worst window
	var over []string
	for _, name := range slices.Sorted(maps.Keys(h.admits)) {
		w := fullest(h.admits[name], rate)
		w.client, w.allowed = name, float64(h.limit.Burst)*float64(1+h.evicts[name]) // the product may exceed an int64
		if w.burst <= w.allowed+1e-6 {
			continue
		}
		over = append(over, name)
		if w.burst-w.allowed > worst.burst-worst.allowed {
			worst = w
		}
	}
	if over == nil {
		return nil
	}
	return violated(limiterBound, "client %s admitted %d, bound %.2f in %v (clients above their bound: %d)",
		worst.client, worst.admitted, worst.allowed+rate*float64(worst.length), worst.length, len(over))
}

// window is a run of admissions of one client.
type window struct {
	client   string
	admitted int
	length   time.Duration
	burst    float64 // admissions that the refill of the window does not explain
	allowed  float64 // largest burst allowed
}

// fullest finds, among all windows i..j, the one that exceeds its refill by
// most:
//
//	burst(i, j) = (j - i + 1) - rate*(end_j - begin_i)
//	            = (j + 1 - rate*end_j) - (i - rate*begin_i)
//
// For each j the best i is the one with the least i - rate*begin_i so far, and
// a running minimum turns n² windows into one pass. Decisions may overlap: the
// end of a window is the latest end of any decision in it.
func fullest(decisions []decision, rate float64) window {
	slices.SortFunc(decisions, func(a, b decision) int { return cmp.Compare(a.begin, b.begin) })
	var (
		best     window
		latest   time.Duration
		lowest   = math.Inf(1)
		lowestAt int
	)
	for j, d := range decisions {
		if low := float64(j) - rate*float64(d.begin); low < lowest {
			lowest, lowestAt = low, j
		}
		latest = max(latest, d.end)
		if burst := float64(j+1) - rate*float64(latest) - lowest; burst > best.burst {
			best = window{admitted: j - lowestAt + 1, length: latest - decisions[lowestAt].begin, burst: burst}
		}
	}
	return best
}
