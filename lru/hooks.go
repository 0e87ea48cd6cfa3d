package lru

// Reason tells Config.OnEvict why a value is no longer held.
type Reason uint8

// The reasons for which a value leaves.
const (
	Evicted  Reason = iota + 1 // the capacity or the weight bound pushed it out: in Set, GetOrSet or Resize
	Replaced                   // Set stored another value under its key, even an equal one
	Deleted                    // Delete, DeleteOldest, Clear, or a Set of the same key that was rejected
	Rejected                   // it was never stored: its weight is negative or above MaxWeight
)

// String returns "evicted", "replaced", "deleted", "rejected", or "unknown".
func (r Reason) String() string {
	switch r {
	case Evicted:
		return "evicted"
	case Replaced:
		return "replaced"
	case Deleted:
		return "deleted"
	case Rejected:
		return "rejected"
	default:
		return "unknown"
	}
}

// few is the number of departures that are kept on the stack of the call. A
// call without weights makes one at most.
const few = 4

// departures collects, under the lock, what OnEvict will be told after it. A
// nil *departures takes nothing.
type departures[K comparable, V any] struct {
	n     int
	first [few]departure[K, V]
	rest  []departure[K, V]
}

// departure is what OnEvict is told: one value, and why it is no longer held.
type departure[K comparable, V any] struct {
	key    K
	value  V
	reason Reason
}

// add notes one departure. Only calls with weights, Clear and Resize go beyond
// the first few and allocate.
func (d *departures[K, V]) add(key K, value V, reason Reason) {
	if d == nil {
		return
	}
	if d.n < few {
		d.first[d.n] = departure[K, V]{key, value, reason}
	} else {
		d.rest = append(d.rest, departure[K, V]{key, value, reason})
	}
	d.n++
}

// at returns the i'th departure, in the order of add.
func (d *departures[K, V]) at(i int) *departure[K, V] {
	if i < few {
		return &d.first[i]
	}
	return &d.rest[i-few]
}

// report tells the hook of every departure, in order, whatever the hook does.
// What the last hook that failed has done goes on in the caller: a panic with
// its value, or a Goexit.
func (d *departures[K, V]) report(hook func(K, V, Reason)) {
	d.reportFrom(0, hook)
}

func (d *departures[K, V]) reportFrom(next int, hook func(K, V, Reason)) {
	var failure any
	for next < d.n {
		next, failure = d.reportUntilPanic(next, failure, hook)
	}
	if failure != nil {
		panic(failure)
	}
}

// reportUntilPanic goes on from departure next until the hook panics or all are
// told. It returns where to go on, and the last panic. A panic is recovered, so
// that the depth of the stack does not grow with their number, unless it is
// that of the last departure, which keeps its trace. A Goexit cannot be
// recovered; the rest is told while it unwinds the stack.
func (d *departures[K, V]) reportUntilPanic(next int, before any, hook func(K, V, Reason)) (after int, failure any) {
	after, failure = next, before
	defer func() {
		if after == d.n { // told all; if the last one failed, that goes on by itself
			return
		}
		if value := recover(); value != nil {
			failure = value
			return
		}
		d.reportFrom(after, hook)
	}()
	for after < d.n {
		gone := d.at(after)
		after++
		hook(gone.key, gone.value, gone.reason)
	}
	return after, failure
}
