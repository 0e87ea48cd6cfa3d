package benchmarks

import (
	"context"
	"time"

	"github.com/mainstay-go/mainstay/ttlcache"
)

type mainstayTTL[K lruKey] struct{ cache *ttlcache.Cache[K, int] }

func newMainstayTTL[K lruKey](capacity int, sliding bool) ttlCache[K] {
	cache, err := ttlcache.New(ttlcache.Config[K, int]{Capacity: capacity, TTL: ttlOfAll, Sliding: sliding})
	if err != nil {
		panic(err)
	}
	return mainstayTTL[K]{cache}
}

func (c mainstayTTL[K]) Get(key K) (int, bool)                      { return c.cache.Get(key) }
func (c mainstayTTL[K]) Set(key K, value int)                       { c.cache.Set(key, value) }
func (c mainstayTTL[K]) SetTTL(key K, value int, ttl time.Duration) { c.cache.SetTTL(key, value, ttl) }

func (c mainstayTTL[K]) Load(ctx context.Context, key K) (int, error) {
	return c.cache.GetOrLoad(ctx, key, ttlLoad[K])
}
func (c mainstayTTL[K]) Settle() {}
func (c mainstayTTL[K]) Close()  { c.cache.Clear() }
