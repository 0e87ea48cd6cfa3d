package metrics_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/mainstay-go/mainstay/metrics"
)

type route struct{ Method, Code string }

// The answer on the whiteboard: metrics are values, a registry writes them out.
func Example() {
	var (
		requests metrics.Vec[route, metrics.Counter]
		inFlight metrics.Gauge
	)
	registry, err := metrics.New(metrics.Config{Prefix: "shop_"})
	err = errors.Join(
		err,
		registry.Register("requests_total", "Requests served.", &requests),
		registry.Register("in_flight", "Requests being served.", &inFlight),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	inFlight.Inc()
	requests.With(route{"GET", "200"}).Inc()
	requests.With(route{"GET", "500"}).Inc()
	requests.With(route{"GET", "200"}).Inc()
	if err := registry.WriteText(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// # HELP shop_in_flight Requests being served.
	// # TYPE shop_in_flight gauge
	// shop_in_flight 1
	// # HELP shop_requests_total Requests served.
	// # TYPE shop_requests_total counter
	// shop_requests_total{method="GET",code="200"} 2
	// shop_requests_total{method="GET",code="500"} 1
}

// What is wrong is said by the one call that can fail.
func ExampleRegistry_Register() {
	registry, _ := metrics.New(metrics.Config{})
	fmt.Println(registry.Register("jobs_total", "Jobs done.", new(metrics.Counter)))
	fmt.Println(registry.Register("jobs", "Jobs waiting.", new(metrics.Gauge)))
	fmt.Println(registry.Register("restarts", "Restarts.", new(metrics.Counter)))
	// Output:
	// <nil>
	// metrics: name already registered: "jobs", by "jobs_total"
	// metrics: invalid config: name of a counter must end in _total, after something, got "restarts"
}

func ExampleCounter() {
	var requests metrics.Counter
	requests.Inc()
	requests.Add(2)
	fmt.Println(requests.Value())
	// Output: 3
}

// A value that is not a number changes nothing.
func ExampleGauge() {
	var temperature metrics.Gauge
	temperature.Set(21.5)
	temperature.Add(math.NaN())
	temperature.Dec()
	fmt.Println(temperature.Value())
	// Output: 20.5
}

// What is counted elsewhere is read when the page is written.
func ExampleGaugeFunc() {
	queue := make(chan int, 10)
	registry, _ := metrics.New(metrics.Config{})
	length := metrics.GaugeFunc(func() float64 { return float64(len(queue)) })
	dropped := metrics.CounterFunc(func() float64 { return 3 })
	if err := errors.Join(
		registry.Register("queue_length", "Jobs waiting.", length),
		registry.Register("dropped_total", "Jobs dropped.", dropped),
	); err != nil {
		fmt.Println(err)
	}
	queue <- 1
	_ = registry.WriteOpenMetrics(os.Stdout)
	// Output:
	// # HELP dropped Jobs dropped.
	// # TYPE dropped counter
	// dropped_total 3
	// # HELP queue_length Jobs waiting.
	// # TYPE queue_length gauge
	// queue_length 1
	// # EOF
}

// Quantiles in the process, within one percent, without keeping the values.
func ExampleHistogram() {
	var latency metrics.Histogram
	for ms := 1; ms <= 1000; ms++ {
		latency.Observe(float64(ms) / 1000)
	}
	for _, q := range []float64{0.5, 0.95, 0.99} {
		fmt.Printf("p%.0f %.2f s\n", 100*q, latency.Quantile(q))
	}
	// Output:
	// p50 0.50 s
	// p95 0.95 s
	// p99 0.99 s
}

// Two snapshots give the quantiles of the time between them.
func ExampleSnapshot_Sub() {
	var latency metrics.Histogram
	latency.Observe(9)
	before := latency.Snapshot()
	latency.Observe(0.2)
	latency.Observe(0.4)
	minute, err := latency.Snapshot().Sub(before)
	fmt.Printf("%d of %d, at most %.1f s, %v\n", minute.Count, latency.Snapshot().Count, minute.Quantile(1), err)
	// Output: 2 of 3, at most 0.4 s, <nil>
}

// The follow-up question: a client makes up a new path for each request.
func ExampleVec_hostileLabels() {
	paths, _ := metrics.NewVec[[2]string, metrics.Counter](metrics.VecConfig{
		Labels:    []string{"path", "code"},
		MaxValues: 2,
	})
	for i := range 1000 {
		paths.With([2]string{fmt.Sprintf("/wp-admin/%d", i), "404"}).Inc()
	}
	registry, _ := metrics.New(metrics.Config{})
	_ = registry.Register("requests_total", "Requests served.", paths)
	_ = registry.WriteText(os.Stdout)
	// Output:
	// # HELP metrics_overflow_total Look-ups whose labels were replaced by _other.
	// # TYPE metrics_overflow_total counter
	// metrics_overflow_total{metric="requests_total"} 998
	// # HELP requests_total Requests served.
	// # TYPE requests_total counter
	// requests_total{path="/wp-admin/0",code="404"} 1
	// requests_total{path="/wp-admin/1",code="404"} 1
	// requests_total{path="_other",code="404"} 998
}

// A thread-safe counter by key: who sends most of the requests?
func ExampleKeyed() {
	byCustomer, _ := metrics.NewKeyed[string](metrics.KeyedConfig{MaxKeys: 3})
	for _, customer := range []string{"ann", "bob", "ann", "eve", "zoe", "ann", "bob"} {
		byCustomer.Inc(customer)
	}
	fmt.Println(byCustomer.Top(2))
	fmt.Printf("%+v\n", byCustomer.Stats())
	// Output:
	// [{ann 3} {bob 2}]
	// {Len:3 Overflow:1 Ignored:0}
}

// The mean of the last minute, in fixed memory.
func ExampleAverage() {
	load, err := metrics.NewAverage(metrics.AverageConfig{Window: time.Hour})
	if err != nil {
		fmt.Println(err)
	}
	for _, v := range []float64{1, 2, 6} {
		load.Observe(v)
	}
	fmt.Println(load.Mean())
	// Output: 3 3
}

// "Explain SLOs, and how you would implement them": 99.9 % of requests are good, over 30 days.
func ExampleSLO() {
	slo, err := metrics.NewSLO(metrics.SLOConfig{Objective: 0.999})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 10_000 {
		slo.Record(i%500 != 0) // 20 of them bad
	}
	b := slo.Budget()
	fmt.Printf("%d bad of %d, %.0f allowed, %.0f %% of the budget left\n", b.Bad, b.Total, b.Allowed, 100*b.Remaining)
	for _, a := range slo.Alerts() {
		fmt.Printf("%-6s %v burns %.1f times too fast, factor %v: %v\n", a.Name, a.Long, a.BurnLong, a.Factor, a.Firing)
	}
	// Output:
	// 20 bad of 10000, 10 allowed, -100 % of the budget left
	// page   1h0m0s burns 2.0 times too fast, factor 14.4: false
	// page   6h0m0s burns 2.0 times too fast, factor 6: false
	// ticket 24h0m0s burns 2.0 times too fast, factor 3: false
	// ticket 72h0m0s burns 2.0 times too fast, factor 1: true
}

// An alert that could never fire is refused.
func ExampleNewSLO_invalid() {
	_, err := metrics.NewSLO(metrics.SLOConfig{Objective: 0.9})
	fmt.Println(errors.Is(err, metrics.ErrConfig), err)
	// Output: true metrics: invalid config: Alerts[0].Factor must be below 10, or it can never fire at Objective 0.9, got 14.4
}
