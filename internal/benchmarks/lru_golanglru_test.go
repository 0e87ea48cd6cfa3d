package benchmarks

import golanglru "github.com/hashicorp/golang-lru/v2"

type golangLRU[K lruKey] struct{ cache *golanglru.Cache[K, int] }

func newGolangLRU[K lruKey](capacity int) lruCache[K] {
	cache, err := golanglru.New[K, int](capacity)
	if err != nil {
		panic(err)
	}
	return golangLRU[K]{cache}
}

func (c golangLRU[K]) Get(key K) (int, bool) { return c.cache.Get(key) }
func (c golangLRU[K]) Set(key K, value int)  { c.cache.Add(key, value) }
func (c golangLRU[K]) Settle()               {}
func (c golangLRU[K]) Close()                {}
