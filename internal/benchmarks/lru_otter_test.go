package benchmarks

import "github.com/maypok86/otter/v2"

type otterLRU[K lruKey] struct{ cache *otter.Cache[K, int] }

func newOtterLRU[K lruKey](capacity int) lruCache[K] {
	return otterLRU[K]{otter.Must(&otter.Options[K, int]{MaximumSize: capacity})}
}

func (c otterLRU[K]) Get(key K) (int, bool) { return c.cache.GetIfPresent(key) }
func (c otterLRU[K]) Set(key K, value int)  { c.cache.Set(key, value) }
func (c otterLRU[K]) Settle()               { c.cache.CleanUp() }
func (c otterLRU[K]) Close()                { c.cache.StopAllGoroutines() }
