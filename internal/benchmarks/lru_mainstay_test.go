package benchmarks

import "github.com/mainstay-go/mainstay/lru"

type mainstayLRU[K lruKey] struct{ cache *lru.Cache[K, int] }

func newMainstayLRU[K lruKey](capacity int) lruCache[K] {
	cache, err := lru.New(lru.Config[K, int]{Capacity: capacity})
	if err != nil {
		panic(err)
	}
	return mainstayLRU[K]{cache}
}

func (c mainstayLRU[K]) Get(key K) (int, bool) { return c.cache.Get(key) }
func (c mainstayLRU[K]) Set(key K, value int)  { c.cache.Set(key, value) }
func (c mainstayLRU[K]) Settle()               {}
func (c mainstayLRU[K]) Close()                {}
