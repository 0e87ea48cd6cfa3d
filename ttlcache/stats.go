package ttlcache

// Stats counts what happened since New. The fields are one consistent copy.
// With no call in flight and every expired entry cleaned up, Inserts == Len +
// Evictions + Expirations + Deletes.
type Stats struct {
	Hits        uint64 // Get, GetOrSet, GetOrLoad answered by a live value, and remembered absences
	Misses      uint64 // Get, GetOrSet, GetOrLoad that found neither
	Stale       uint64 // expired values returned by GetOrLoad, for either reason
	Inserts     uint64 // values stored where no live value was
	Updates     uint64 // live values replaced
	Evictions   uint64 // entries that left with reason Evicted
	Expirations uint64 // entries that left with reason Expired
	Deletes     uint64 // entries that left with reason Deleted
	Rejected    uint64 // values refused
	Loads       uint64 // loader calls started
	LoadErrors  uint64 // loader calls that returned an error, panicked, or called Goexit
}

// count counts a value that leaves.
func (s *Stats) count(reason Reason) {
	switch reason {
	case Evicted:
		s.Evictions++
	case Replaced:
		s.Updates++
	case Deleted:
		s.Deletes++
	default:
		s.Expirations++
	}
}

// Stats returns the counters. O(1).
func (c *Cache[K, V]) Stats() Stats {
	c.check()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.stats
}
