package main

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
)

// outcome is how a request ended. Each request has exactly one.
type outcome int

const (
	// hit was answered from the cache.
	hit outcome = iota
	// coalesced was answered by the load of another request. A plain cache has
	// none of these; the report shows the zero.
	coalesced
	// originOK was answered by its own load. A 404 and a 405 are good answers.
	originOK
	// denied was refused by the limiter with a 429.
	denied
	// failed got no usable answer from its origin: a 502, or a 504 in time.
	failed

	outcomeCount
)

// tally counts the requests of the replayer, or those of everybody else.
type tally struct {
	in, panics, bytes atomic.Int64
	outcomes          [outcomeCount]atomic.Int64
	status            counter[int]
	deniedBy          counter[string]
}

// answered counts the status, and the bytes of real answers.
func (t *tally) answered(status, bodyLength int) {
	t.status.add(status)
	if status == http.StatusOK {
		t.bytes.Add(int64(bodyLength))
	}
}

// accounted is the number of requests whose end is known.
func (t *tally) accounted() int64 {
	var sum int64
	for i := range t.outcomes {
		sum += t.outcomes[i].Load()
	}
	return sum
}

// counter counts by key. Its zero value is ready.
type counter[K comparable] struct {
	mu     sync.Mutex
	counts map[K]int64 // guarded by mu
}

// add counts one. A mutex will do: it is held for one map update, and only
// denials and statuses come here.
func (c *counter[K]) add(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[K]int64)
	}
	c.counts[key]++
}

// snapshot returns a copy.
func (c *counter[K]) snapshot() map[K]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := make(map[K]int64, len(c.counts)) // never nil: an empty object in the report, not null
	maps.Copy(counts, c.counts)
	return counts
}

// peak is the largest number observed.
type peak struct{ highest atomic.Int64 }

// observe keeps n if nothing larger was seen. A failed swap means that somebody
// raised the peak: look again.
func (p *peak) observe(n int) {
	for {
		seen := p.highest.Load()
		if int64(n) <= seen || p.highest.CompareAndSwap(seen, int64(n)) {
			return
		}
	}
}
