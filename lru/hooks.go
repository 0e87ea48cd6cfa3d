package lru

import reports "github.com/mainstay-go/mainstay/internal/departures"

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

// departures collects, under the lock, what OnEvict will be told after it. A
// nil *departures takes nothing.
type departures[K comparable, V any] = reports.List[K, V, Reason]
