package benchmarks

import "github.com/hashicorp/golang-lru/v2/expirable"

// expirableTTL has one TTL for all, does not slide, and does not load.
type expirableTTL[K lruKey] struct{ cache *expirable.LRU[K, int] }

func newExpirableTTL[K lruKey](capacity int, _ bool) ttlCache[K] {
	return expirableTTL[K]{expirable.NewLRU[K, int](capacity, nil, ttlOfAll)}
}

func (c expirableTTL[K]) Get(key K) (int, bool) { return c.cache.Get(key) }
func (c expirableTTL[K]) Set(key K, value int)  { c.cache.Add(key, value) }
func (c expirableTTL[K]) Settle()               {}
func (c expirableTTL[K]) Close()                {} // its goroutine cannot be stopped
