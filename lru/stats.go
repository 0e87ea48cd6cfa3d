package lru

// Stats counts what happened since New. The fields are one consistent copy:
// none of the calls that run at the same time is counted in part, and Inserts
// == Len + Evictions + Deletes.
type Stats struct {
	Hits      uint64 // Get and GetOrSet that found the key
	Misses    uint64 // Get and GetOrSet that did not
	Inserts   uint64 // keys that entered
	Updates   uint64 // values replaced under a key that was present
	Evictions uint64 // entries that left with reason Evicted
	Deletes   uint64 // entries that left with reason Deleted
	Rejected  uint64 // values refused for their weight
}

// Stats returns the counters. The lock is held for the copy, and all of them in
// the sharded form.
func (c *Cache[K, V]) Stats() Stats {
	c.check()
	if c.many != nil {
		return c.many.stats()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.stats
}

// add sums up the counters of two shards.
func (s *Stats) add(other Stats) {
	s.Hits += other.Hits
	s.Misses += other.Misses
	s.Inserts += other.Inserts
	s.Updates += other.Updates
	s.Evictions += other.Evictions
	s.Deletes += other.Deletes
	s.Rejected += other.Rejected
}
