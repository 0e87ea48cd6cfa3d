package metricshttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/mainstay-go/mainstay/metrics"
	"github.com/mainstay-go/mainstay/metrics/metricshttp"
)

func ExampleHandler() {
	var requests metrics.Counter
	registry, _ := metrics.New(metrics.Config{Prefix: "shop_"})
	if err := registry.Register("requests_total", "Requests served.", &requests); err != nil {
		fmt.Println(err)
	}
	requests.Inc()

	mux := http.NewServeMux()
	mux.Handle("/metrics", metricshttp.Handler(registry))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	fmt.Print(w.Body)
	// Output:
	// # HELP shop_requests_total Requests served.
	// # TYPE shop_requests_total counter
	// shop_requests_total 1
}
