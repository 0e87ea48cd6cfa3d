package benchmarks

import (
	"context"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
)

var ratelimitThrottled = ratelimitImpl{
	name: "throttled",
	keyed: func(perSecond, maxKeys int) ratelimitKeyed {
		store, err := memstore.NewCtx(maxKeys)
		if err != nil {
			panic(err)
		}
		quota := throttled.RateQuota{MaxRate: throttled.PerSec(perSecond), MaxBurst: perSecond - 1}
		if perSecond < 0 {
			quota = throttled.RateQuota{MaxRate: throttled.PerHour(1)}
		}
		l, err := throttled.NewGCRARateLimiterCtx(store, quota)
		if err != nil {
			panic(err)
		}
		return ratelimitThrottledGCRA{l}
	},
	bounded: true,
}

type ratelimitThrottledGCRA struct{ l *throttled.GCRARateLimiterCtx }

func (l ratelimitThrottledGCRA) Allow(key string) bool {
	limited, _, err := l.l.RateLimitCtx(context.Background(), key, 1)
	return !limited && err == nil
}
