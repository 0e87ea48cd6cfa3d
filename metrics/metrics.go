// Package metrics measures one service from the inside: counters, gauges,
// histograms, counts by key, averages over a window and error budgets, and
// writes them as a page that Prometheus and OpenMetrics scrapers read.
//
//	type route struct{ Method, Code string } // labels method and code
//
//	var (
//		requests metrics.Vec[route, metrics.Counter]
//		latency  metrics.Histogram
//	)
//
//	registry, err := metrics.New(metrics.Config{Prefix: "shop_"})
//	err = registry.Register("requests_total", "Requests served.", &requests)
//	err = registry.Register("latency_seconds", "Time to serve one.", &latency)
//	http.Handle("/metrics", metricshttp.Handler(registry))
//
//	requests.With(route{"GET", "200"}).Inc()
//	latency.Observe(time.Since(start).Seconds())
//
// Metrics are plain values whose zero value works. A package declares them and
// uses them from its first line; main registers them, once, and joins the
// errors. There is no global registry and no get-or-create, and no value that a
// client sends can panic.
//
// # Choosing
//
//   - [Counter]: what has happened, how often. [CounterFunc]: the same, counted
//     by somebody else.
//   - [Gauge], [GaugeFunc]: how much there is now.
//   - [Histogram]: how long it takes, how large it is. It gives quantiles in
//     the process and exact buckets to Prometheus.
//   - [Vec]: any of these with labels, for a set of values that is small and
//     known: routes, status codes.
//   - [Keyed]: how often by a key of which there are many: customers, addresses.
//     It is not exported; [Keyed.Top] says who it is.
//   - [Average]: the mean of the last minute, in fixed memory.
//   - [SLO]: how much of the error budget is left, and whether it burns so fast
//     that somebody must get up.
//
// One atomic.Uint64 is enough for a count that few add to and nobody exports.
// github.com/prometheus/client_golang has what is missing here: collectors of
// the runtime, exemplars, native histograms, push. To count exactly what
// happened in the last minute use package slidingwindow.
//
// # Algorithm
//
// A Counter is one word, and becomes several cells on lines of their own when
// two processors are seen to fight for it. An add to the word is a
// fetch-and-add, which cannot fail and so cannot tell that somebody else is
// there; every 64th looks for contention. See internal/stripe.
//
// A Vec and a Keyed are hash tables that are read without a lock: open
// addressing over pointers to entries whose keys never change, seeded so that
// nobody can choose keys that collide. A writer holds a mutex, adds in place and
// grows by copying; deleted entries leave tombstones.
//
//	With(labels) -> hash -> slot -> entry{labels, member}       a hit: no lock
//	                          |
//	                          `-> none -> read the labels -> mutex -> admitted?
//	                              yes: a new series
//	                              a label has too many values: it becomes "_other"
//	                              there are too many series: all labels do
//
// A Histogram is log-linear, as HdrHistogram is: each octave is cut into 2^k
// equal steps, and the bits of a float say in which step it lies. With k = 6
// the middle of a step is at most 0.78 % away from all of it, below the promised
// 1 %. A step that holds one of the user's bounds is cut once more, so that a
// single atomic add serves the exact bucket of Prometheus and the quantile, and
// the count is their sum: the three cannot disagree.
//
//	octave   |----|----|----|----|----|----|----|----|      2^k steps
//	bounds                 ^ 0.25
//	slots    |----|----|---|-|----|----|----|----|----|     one atomic count each
//
// An Average and an SLO keep rings of buckets. An SLO alerts on several windows
// and burn rates at once (The Site Reliability Workbook, chapter 5), each a
// ratio of sums.
//
// # Concurrency
//
// All methods are safe for concurrent use. Gauge, Average and SLO, the set of
// keys of a Keyed and the set of series of a Vec are linearizable: calls have
// the results of some sequential order that agrees with real time. Counter and
// the counts of a Keyed are when 1 is added; with other amounts a reading lies
// between the count when it began and when it ended. A Histogram may be seen
// with an observation in Count that is not yet in Sum. Updates of what exists
// are lock-free and allocate nothing.
//
// Functions of the user, which are CounterFunc, GaugeFunc, the bodies of
// ranges and io.Writer, run without a lock, may call anything, and may panic or
// exit. Average and SLO read the clock once in each call and work in
// testing/synctest bubbles.
//
// # Limits
//
// What is observed is a float, and what is counted an integer. Nothing is
// evicted: the first MaxSeries label sets and MaxKeys keys are kept, and the
// total of the others. Names are ASCII without colons. There are no timestamps,
// units, exemplars or summaries on the page. An SLO keeps its memory in the
// process, and says in Coverage how much of the period it has seen; Prometheus
// rules over the exported counters survive a restart.
package metrics
