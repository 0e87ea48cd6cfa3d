package ttlcache

// Reason tells Config.OnEvict why a value is no longer held.
type Reason uint8

// The reasons for which a value leaves. A value whose deadline has passed
// leaves with Expired, whatever call removes it.
const (
	Evicted  Reason = iota + 1 // the capacity or the weight bound pushed out a live entry
	Replaced                   // another value was stored over a live entry, even an equal one
	Deleted                    // Delete, Clear, or a refused Set of the same key, on a live entry
	Expired                    // its time was over, or was ended by Expire
	Rejected                   // it was never stored: bad weight, or SetTTL with ttl <= 0
)

// String returns "evicted", "replaced", "deleted", "expired", "rejected", or
// "unknown".
func (r Reason) String() string {
	switch r {
	case Evicted:
		return "evicted"
	case Replaced:
		return "replaced"
	case Deleted:
		return "deleted"
	case Expired:
		return "expired"
	case Rejected:
		return "rejected"
	default:
		return "unknown"
	}
}

// listener returns list, to be filled under the lock and reported after it, or
// nil if nobody listens.
func (c *Cache[K, V]) listener(list *gone[K, V]) *gone[K, V] {
	if c.onEvict == nil {
		return nil
	}
	return list
}
