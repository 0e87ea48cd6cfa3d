package benchmarks

import (
	"net/http"

	"github.com/mainstay-go/mainstay/ratelimit"
	"github.com/mainstay-go/mainstay/ratelimit/ratelimithttp"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

var ratelimitMainstay = ratelimitImpl{
	name:  "mainstay",
	keyed: func(perSecond, maxKeys int) ratelimitKeyed { return newRatelimitMainstay(perSecond, maxKeys) },
	middleware: func(perSecond int) func(http.Handler) http.Handler {
		m, err := ratelimithttp.New(ratelimithttp.Config{Limiter: newRatelimitMainstay(perSecond, 0), Key: ratelimithttp.ClientIP()})
		if err != nil {
			panic(err)
		}
		return m.Wrap
	},
	bounded: true,
}

// newRatelimitMainstay takes -1 for one token an hour.
func newRatelimitMainstay(perSecond, maxKeys int) *ratelimit.Limiter[string] {
	rate := tokenbucket.PerSecond(int64(perSecond))
	if perSecond < 0 {
		rate = tokenbucket.PerHour(1)
	}
	l, err := ratelimit.New(ratelimit.Config[string]{Limit: ratelimit.Limit{Rate: rate}, MaxKeys: maxKeys})
	if err != nil {
		panic(err)
	}
	return l
}
