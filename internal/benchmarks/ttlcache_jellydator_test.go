package benchmarks

import (
	"context"
	"time"

	jellydator "github.com/jellydator/ttlcache/v3"
)

type jellydatorTTL[K lruKey] struct{ cache *jellydator.Cache[K, int] }

// newJellydatorTTL starts the goroutine that removes what has expired: without it nothing is ever removed.
func newJellydatorTTL[K lruKey](capacity int, sliding bool) ttlCache[K] {
	opts := []jellydator.Option[K, int]{
		jellydator.WithTTL[K, int](ttlOfAll),
		jellydator.WithCapacity[K, int](uint64(capacity)),
	}
	if !sliding {
		opts = append(opts, jellydator.WithDisableTouchOnHit[K, int]())
	}
	cache := jellydator.New(opts...)
	go cache.Start()
	return jellydatorTTL[K]{cache}
}

func (c jellydatorTTL[K]) Get(key K) (int, bool) {
	item := c.cache.Get(key)
	if item == nil {
		return 0, false
	}
	return item.Value(), true
}

func (c jellydatorTTL[K]) Set(key K, value int) { c.cache.Set(key, value, jellydator.DefaultTTL) }

func (c jellydatorTTL[K]) SetTTL(key K, value int, ttl time.Duration) { c.cache.Set(key, value, ttl) }

// Load has no context and no error there.
func (c jellydatorTTL[K]) Load(_ context.Context, key K) (int, error) {
	item := c.cache.Get(key, jellydator.WithLoader[K, int](jellydator.LoaderFunc[K, int](
		func(cache *jellydator.Cache[K, int], key K) *jellydator.Item[K, int] {
			value, _ := ttlLoad(context.Background(), key)
			return cache.Set(key, value, jellydator.DefaultTTL)
		})))
	return item.Value(), nil
}

func (c jellydatorTTL[K]) Settle() {}
func (c jellydatorTTL[K]) Close()  { c.cache.Stop() }
