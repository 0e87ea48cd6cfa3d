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

// add notes one departure. Only calls with weights, Clear and Resize go beyond the
// first few and allocate.
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

// report tells the hook of every departure, in order, whatever the hook does:
// see reportFrom.
func (d *departures[K, V]) report(hook func(K, V, Reason)) {
	if d.n > 0 {
		d.reportFrom(0, hook)
	}
}

// reportFrom tells the hook of the departures from the i'th on. When the hook
// panics or calls Goexit, the deferred call goes on behind the one that failed,
// while the stack unwinds; so the depth grows by the failures, not by the
// entries, and what reaches the caller is the last panic.
func (d *departures[K, V]) reportFrom(i int, hook func(K, V, Reason)) {
	defer func() {
		if i < d.n {
			d.reportFrom(i, hook)
		}
	}()
	for i < d.n {
		gone := d.at(i)
		i++
		hook(gone.key, gone.value, gone.reason)
	}
}
