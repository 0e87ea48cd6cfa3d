package benchmarks

import (
	"time"

	"github.com/Yiling-J/theine-go"
)

// theineTTL gets its TTL with each value, and does not slide. Loading is another type there.
type theineTTL[K lruKey] struct{ cache *theine.Cache[K, int] }

func newTheineTTL[K lruKey](capacity int, _ bool) ttlCache[K] {
	cache, err := theine.NewBuilder[K, int](int64(capacity)).Build()
	if err != nil {
		panic(err)
	}
	return theineTTL[K]{cache}
}

func (c theineTTL[K]) Get(key K) (int, bool) { return c.cache.Get(key) }
func (c theineTTL[K]) Set(key K, value int)  { c.cache.SetWithTTL(key, value, 1, ttlOfAll) }

func (c theineTTL[K]) SetTTL(key K, value int, ttl time.Duration) {
	c.cache.SetWithTTL(key, value, 1, ttl)
}

func (c theineTTL[K]) Settle() { c.cache.Wait() }
func (c theineTTL[K]) Close()  { c.cache.Close() }
