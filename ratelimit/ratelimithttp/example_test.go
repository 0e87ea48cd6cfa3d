package ratelimithttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/mainstay-go/mainstay/ratelimit"
	"github.com/mainstay-go/mainstay/ratelimit/ratelimithttp"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// An API behind a load balancer, with a quota of two for each client.
func Example() {
	limiter, err := ratelimit.New(ratelimit.Config[string]{
		Algorithm: ratelimit.FixedWindow,
		Limit:     ratelimit.Limit{Rate: tokenbucket.PerHour(2)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := ratelimithttp.New(ratelimithttp.Config{
		Limiter: limiter,
		Key:     ratelimithttp.ClientIP(netip.MustParsePrefix("10.0.0.0/8")),
		Policy:  "hourly",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))

	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = "10.0.0.1:1234"
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("RateLimit-Policy"), w.Header().Get("RateLimit"))
	}
	// Output:
	// 200 "hourly";q=2;w=3600 "hourly";r=1;t=3600
	// 200 "hourly";q=2;w=3600 "hourly";r=0;t=3600
	// 429 "hourly";q=2;w=3600 "hourly";r=0;t=3600
}
