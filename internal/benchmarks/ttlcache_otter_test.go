package benchmarks

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

type otterTTL[K lruKey] struct {
	cache  *otter.Cache[K, int]
	loader otter.Loader[K, int]
}

func newOtterTTL[K lruKey](capacity int, sliding bool) ttlCache[K] {
	expiry := otter.ExpiryWriting[K, int](ttlOfAll)
	if sliding {
		expiry = otter.ExpiryAccessing[K, int](ttlOfAll)
	}
	return otterTTL[K]{
		otter.Must(&otter.Options[K, int]{MaximumSize: capacity, ExpiryCalculator: expiry}),
		otter.LoaderFunc[K, int](ttlLoad[K]),
	}
}

func (c otterTTL[K]) Get(key K) (int, bool) { return c.cache.GetIfPresent(key) }
func (c otterTTL[K]) Set(key K, value int)  { c.cache.Set(key, value) }

func (c otterTTL[K]) SetTTL(key K, value int, ttl time.Duration) {
	c.cache.Set(key, value)
	c.cache.SetExpiresAfter(key, ttl)
}

func (c otterTTL[K]) Load(ctx context.Context, key K) (int, error) {
	return c.cache.Get(ctx, key, c.loader)
}
func (c otterTTL[K]) Settle() { c.cache.CleanUp() }
func (c otterTTL[K]) Close()  { c.cache.StopAllGoroutines() }
