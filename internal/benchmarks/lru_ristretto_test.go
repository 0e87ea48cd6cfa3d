package benchmarks

import "github.com/dgraph-io/ristretto/v2"

type ristrettoLRU[K lruKey] struct{ cache *ristretto.Cache[K, int] }

// newRistrettoLRU follows the proportions that ristretto's documentation recommends: ten counters to an entry, buffers
// of 64. Cost is counted in entries.
func newRistrettoLRU[K lruKey](capacity int) lruCache[K] {
	cache, err := ristretto.NewCache(&ristretto.Config[K, int]{
		NumCounters:        10 * int64(capacity),
		MaxCost:            int64(capacity),
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		panic(err)
	}
	return ristrettoLRU[K]{cache}
}

func (c ristrettoLRU[K]) Get(key K) (int, bool) { return c.cache.Get(key) }
func (c ristrettoLRU[K]) Set(key K, value int)  { c.cache.Set(key, value, 1) }
func (c ristrettoLRU[K]) Settle()               { c.cache.Wait() }
func (c ristrettoLRU[K]) Close()                { c.cache.Close() }
