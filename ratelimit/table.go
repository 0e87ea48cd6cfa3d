package ratelimit

import "math/bits"

// table is a hash table with open addressing: the whole of an entry in one
// place, since the miss of the cache is the price of a look-up. A hash is
// scaled to the length of the table, which may thus be any number: growth by
// steps smaller than 2 keeps the table at least half full. A Go map costs a
// second miss and never gives memory back.
type table[K comparable] struct {
	slots []slot[K]
	len   int
}

// slot is an entry, or empty if its hash is 0.
type slot[K comparable] struct {
	hash  uint64
	key   K
	state state
}

// used marks the hash of an entry. The bit decides nothing else: the place in a
// table depends on the high bits, the shard on those above this one.
const used = 1

// fewest is the length of a table that has any entries.
const fewest = 8

// home is where the search for a hash starts.
func (t *table[K]) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(t.slots)))
	return int(hi)
}

// after is the slot that follows, round the end.
func (t *table[K]) after(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// find returns where a key stands, or -1. A key that is not equal to itself is
// never found.
func (t *table[K]) find(hash uint64, key K) int {
	if t.len == 0 {
		return -1
	}
	for i := t.home(hash); ; i = t.after(i) {
		switch s := &t.slots[i]; {
		case s.hash == hash && s.key == key:
			return i
		case s.hash == 0:
			return -1
		}
	}
}

// insert adds a key that is not there. most is how many there will ever be.
func (t *table[K]) insert(hash uint64, key K, most int) *slot[K] {
	if (t.len+1)*4 > len(t.slots)*3 {
		t.resize(t.len+1, most)
	}
	s := t.vacancy(hash)
	s.hash, s.key = hash, key
	t.len++
	return s
}

// vacancy returns the empty slot where a hash belongs.
func (t *table[K]) vacancy(hash uint64) *slot[K] {
	i := t.home(hash)
	for t.slots[i].hash != 0 {
		i = t.after(i)
	}
	return &t.slots[i]
}

// resize makes the table 9/16 full with n entries, and at least 3/4 full with
// the most. Entries are moved in the order in which they stand, which is close
// to that of the new table.
func (t *table[K]) resize(n, most int) {
	old := t.slots
	t.slots = make([]slot[K], max(fewest, min(n*16/9, most*4/3)+1))
	for i := range old {
		if old[i].hash != 0 {
			*t.vacancy(old[i].hash) = old[i]
		}
	}
}

// sparse tells that at least three quarters of the table are empty.
func (t *table[K]) sparse() bool { return len(t.slots) > fewest+1 && t.len*4 <= len(t.slots) }

// remove empties slot i, and closes the gap so that searches do not end at it:
// an entry further on moves into the gap if its search comes past.
func (t *table[K]) remove(i int) {
	gap := i
	for j := t.after(i); t.slots[j].hash != 0; j = t.after(j) {
		if !between(gap, t.home(t.slots[j].hash), j) {
			t.slots[gap] = t.slots[j]
			gap = j
		}
	}
	t.slots[gap] = slot[K]{}
	t.len--
}

// between tells whether home lies after gap and not after j, round the end.
func between(gap, home, j int) bool {
	if gap < j {
		return gap < home && home <= j
	}
	return gap < home || home <= j
}
