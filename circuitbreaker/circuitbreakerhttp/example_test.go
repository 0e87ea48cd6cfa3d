package circuitbreakerhttp_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mainstay-go/mainstay/circuitbreaker"
	"github.com/mainstay-go/mainstay/circuitbreaker/circuitbreakerhttp"
)

// A server that says when to come back is left alone until then.
func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()

	breaker, err := circuitbreaker.New(circuitbreaker.Config{Name: "payments"})
	if err != nil {
		panic(err)
	}
	transport, err := circuitbreakerhttp.New(circuitbreakerhttp.Config{Breaker: breaker, MaxRetryAfter: 10 * time.Minute})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	fmt.Println(resp.Status)

	_, err = client.Get(server.URL)
	rejection, _ := errors.AsType[*circuitbreaker.OpenError](err)
	fmt.Println(rejection)
	fmt.Println("come back in", rejection.RetryAfter().Round(time.Minute))
	// Output:
	// 503 Service Unavailable
	// circuitbreaker: payments is open
	// come back in 10m0s
}

// One breaker per host: a host that is down does not cost us the others.
func ExampleConfig_byHost() {
	hosts, err := circuitbreaker.NewGroup[string](circuitbreaker.GroupConfig{MaxOpenFraction: 0.5})
	if err != nil {
		panic(err)
	}
	_, err = circuitbreakerhttp.New(circuitbreakerhttp.Config{
		For: func(r *http.Request) *circuitbreaker.Breaker { return hosts.Get(r.URL.Host) },
	})
	fmt.Println(err)

	_, err = circuitbreakerhttp.New(circuitbreakerhttp.Config{})
	fmt.Println(err)
	// Output:
	// <nil>
	// circuitbreakerhttp: invalid config: Breaker or For must be set, got neither
}
