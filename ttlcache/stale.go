package ttlcache

// What the wheel has returned as expired may stay in the table, as a stale value
// or as the memory of an absence. Both are seen by GetOrLoad alone; to every
// other call the key is not there. Both take part in the order of recency and
// occupy a place, so that the capacity bounds them too.
//
//	          deadline            + the longer of the two
//	---- fresh ---|----- stale ------|---> gone
//	              |-- while revalidate: returned at once, reloaded behind
//	              |-- if error: returned when the reload fails

// remember notes that the loader found no value for e.key, for NegativeTTL. The
// expired value that is at i, if i is not 0, leaves in any case.
func (s *store[K, V]) remember(i uint32, e *entry[K, V], gone *gone[K, V]) {
	if i != 0 {
		s.drop(i, Expired, gone)
	}
	if same := e.key; s.negativeTTL == 0 || e.key != same {
		return
	}
	e.life = s.negativeTTL
	s.absences++
	s.insert(e, absent, gone)
}

// excuse replaces the error of f by the expired value at i, if that may still
// be returned.
func (s *store[K, V]) excuse(i uint32, f *flight[V]) {
	if i == 0 {
		return
	}
	it := &s.table.At(i).Value
	if it.state == absent || s.now >= after(it.deadline, s.staleIfError) {
		return
	}
	f.value, f.err = it.value, nil
	s.stats.Stale += uint64(f.waiters)
	if f.waiters > 0 {
		s.table.MoveToFront(i)
	}
}
