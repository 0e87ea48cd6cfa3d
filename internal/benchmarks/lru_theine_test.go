package benchmarks

import "github.com/Yiling-J/theine-go"

type theineLRU[K lruKey] struct{ cache *theine.Cache[K, int] }

func newTheineLRU[K lruKey](capacity int) lruCache[K] {
	cache, err := theine.NewBuilder[K, int](int64(capacity)).Build()
	if err != nil {
		panic(err)
	}
	return theineLRU[K]{cache}
}

func (c theineLRU[K]) Get(key K) (int, bool) { return c.cache.Get(key) }
func (c theineLRU[K]) Set(key K, value int)  { c.cache.Set(key, value, 1) }
func (c theineLRU[K]) Settle()               { c.cache.Wait() }
func (c theineLRU[K]) Close()                { c.cache.Close() }
