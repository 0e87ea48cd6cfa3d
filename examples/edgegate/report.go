package main

import (
	"net/url"
	"runtime"
	"strconv"
	"time"
)

// maxJudgedLag is the replay lag above which the delay, not the limiter,
// decides how many requests are denied.
const maxJudgedLag = 50 * time.Millisecond

// report is what a run has found out. Its JSON form is the schema edgegate/1.
type report struct {
	Schema     string          `json:"schema"`
	OK         bool            `json:"ok"`
	Violations []violation     `json:"violations"`
	Input      inputReport     `json:"input"`
	Run        runReport       `json:"run"`
	Policy     policyReport    `json:"policy"`
	Lanes      map[string]lane `json:"lanes"`

	hitRatio, expectedHitRatio float64
}

// inputReport describes what was to be replayed.
type inputReport struct {
	Source string `json:"source"` // "synthetic" or "log"

	// Format is "clf", "combined" or "nasa-tsv"; the synthetic day has none.
	Format string `json:"format,omitempty"`

	// Lines counts what could have been a request: not blank lines, not a
	// header. Of these, BadLines do not parse, and OutOfOrder are earlier than
	// the good line above them.
	Lines      int `json:"lines"`
	BadLines   int `json:"bad_lines"`
	OutOfOrder int `json:"out_of_order"`

	// The whole input, whether or not all of it was replayed. URLs are counted
	// as logged.
	Requests    int     `json:"requests"`
	Clients     int     `json:"clients"`
	URLs        int     `json:"urls"`
	SpanSeconds float64 `json:"span_seconds"`

	DocrootFiles int `json:"docroot_files"`
}

// runReport describes the replay itself.
type runReport struct {
	Speed       float64 `json:"speed"`
	WallSeconds float64 `json:"wall_seconds"`

	// Seed is that of the synthetic day; a log has none.
	Seed *uint64 `json:"seed,omitempty"`

	// Replayed counts the requests that were sent.
	Replayed int64 `json:"replayed"`

	// Stopped is "end", "seconds" or "signal".
	Stopped string `json:"stopped"`

	// LagMS is how late requests went out, waits for a free worker included.
	// Multiplied by Speed it is the error of the replay in the time of the log.
	LagMS quantiles `json:"lag_ms"`

	// Before the servers started, and after they had stopped.
	GoroutinesStart int `json:"goroutines_start"`
	GoroutinesEnd   int `json:"goroutines_end"`

	// HeapBytes is the heap in use at the end of the replay.
	HeapBytes uint64 `json:"heap_bytes"`
	Go        string `json:"go"`
}

// policyReport describes the limiter and what it should have done.
type policyReport struct {
	// IntervalSeconds is the time of the log in which one token comes.
	IntervalSeconds float64 `json:"interval_seconds"`
	Burst           int64   `json:"burst"`

	// What the exact pass over the replayed requests denies.
	DeniedExpected        int64 `json:"denied_expected"`
	ClientsDeniedExpected int   `json:"clients_denied_expected"`

	// Judged is false when the lag was too large for the denials to be
	// compared.
	Judged bool `json:"judged"`
}

// lane is what one gateway did.
type lane struct {
	// In counts the requests that arrived from the replayer. It is the sum of
	// the five outcomes below.
	In        int64 `json:"in"`
	Hit       int64 `json:"hit"`
	Coalesced int64 `json:"coalesced"`
	OriginOK  int64 `json:"origin_ok"`
	Denied    int64 `json:"denied"`
	Failed    int64 `json:"failed"`

	// Status counts the answers by status code. Bytes is the sum of the bodies
	// sent with a 200.
	Status map[string]int64 `json:"status"`
	Bytes  int64            `json:"bytes"`

	// LatencyMS is measured by the replayer, from the time a request was due.
	LatencyMS quantiles `json:"latency_ms"`

	// Counted by the origins themselves, not by the gateway.
	OriginRequests int64            `json:"origin_requests"`
	OriginByNode   map[string]int64 `json:"origin_by_node"`

	Cache cacheReport `json:"cache"`

	// BucketEvictions counts buckets pushed out by other clients, those of
	// strangers included. Each may have granted its client a fresh burst.
	BucketEvictions uint64 `json:"bucket_evictions"`

	// DeniedByClient has the names of the log percent-encoded: JSON strings are
	// UTF-8, and two names that are not must not become one.
	DeniedClients  int              `json:"denied_clients"`
	DeniedByClient map[string]int64 `json:"denied_by_client"`
}

// cacheReport describes the response cache at the end of the run.
type cacheReport struct {
	Entries   int    `json:"entries"`
	Capacity  int    `json:"capacity"` // as asked for by -cache
	Evictions uint64 `json:"evictions"`
}

// quantiles are in milliseconds.
type quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// quantilesOf takes exact ranks of the whole sample; a histogram would do for a
// million requests, not for the p99 of 500.
func quantilesOf(sorted []time.Duration) quantiles {
	ms := func(percent int) float64 { return float64(percentile(sorted, percent)) / float64(time.Millisecond) }
	return quantiles{ms(50), ms(99), ms(100)}
}

// report compares the run with what the part of the stream that was sent should
// have led to.
func (e *edge) report(s sending, heap uint64, goroutines int, broken []violation) (*report, error) {
	want, err := expect(e.replayer.replayed(), e.opts.policy, e.opts.cacheSize, e.site.keepable)
	if err != nil {
		return nil, err
	}
	var seed *uint64
	if e.opts.log == "" {
		seed = &e.opts.seed
	}
	mainstay := e.gateway.lane(e.origins)
	mainstay.LatencyMS = quantilesOf(s.latency)
	return &report{
		Schema:     "edgegate/1",
		OK:         len(broken) == 0,
		Violations: append([]violation{}, broken...), // an empty list, never null
		Input:      e.inputReport(),
		Run: runReport{
			Speed:           e.opts.speed.factor(),
			Seed:            seed,
			WallSeconds:     s.wall.Seconds(),
			Replayed:        s.sent,
			Stopped:         s.stopped,
			LagMS:           quantilesOf(s.lag),
			GoroutinesStart: goroutines,
			GoroutinesEnd:   runtime.NumGoroutine(),
			HeapBytes:       heap,
			Go:              runtime.Version(),
		},
		Policy: policyReport{
			IntervalSeconds:       e.opts.policy.interval(),
			Burst:                 e.opts.policy.burst,
			DeniedExpected:        want.denied,
			ClientsDeniedExpected: len(want.deniedBy),
			Judged:                percentile(s.lag, 99) <= maxJudgedLag,
		},
		Lanes:            map[string]lane{"mainstay": mainstay},
		hitRatio:         ratio(mainstay.Hit, mainstay.In-mainstay.Denied),
		expectedHitRatio: want.hitRatio,
	}, nil
}

// inputReport counts logged targets, not wire targets: it describes the log.
func (e *edge) inputReport() inputReport {
	clients, urls := make(map[string]bool), make(map[string]bool)
	for _, r := range e.stream {
		clients[r.client], urls[r.path] = true, true
	}
	source := "log"
	if e.opts.log == "" {
		source = "synthetic"
	}
	return inputReport{
		Source:       source,
		Format:       e.log.format,
		Lines:        e.log.lines,
		BadLines:     e.log.badLines,
		OutOfOrder:   e.log.outOfOrder,
		Requests:     len(e.stream),
		Clients:      len(clients),
		URLs:         len(urls),
		SpanSeconds:  (e.stream[len(e.stream)-1].at - e.stream[0].at).Seconds(),
		DocrootFiles: len(e.site.files),
	}
}

// lane reads the gateway's books after the run.
func (g *gateway) lane(origins []*origin) lane {
	t := &g.replayed
	l := lane{
		In:              t.in.Load(),
		Hit:             t.outcomes[hit].Load(),
		Coalesced:       t.outcomes[coalesced].Load(),
		OriginOK:        t.outcomes[originOK].Load(),
		Denied:          t.outcomes[denied].Load(),
		Failed:          t.outcomes[failed].Load(),
		Status:          map[string]int64{"200": 0, "404": 0, "429": 0, "502": 0, "503": 0, "504": 0},
		Bytes:           t.bytes.Load(),
		OriginByNode:    make(map[string]int64),
		Cache:           cacheReport{g.cache.Len(), g.cacheSize, g.cache.Stats().Evictions},
		BucketEvictions: g.buckets.Stats().Evictions,
		DeniedByClient:  make(map[string]int64),
	}
	for name, n := range t.deniedBy.snapshot() {
		l.DeniedByClient[url.PathEscape(name)] = n
	}
	l.DeniedClients = len(l.DeniedByClient)
	for status, n := range t.status.snapshot() {
		l.Status[strconv.Itoa(status)] = n
	}
	for i, o := range origins {
		n := o.requests.Load()
		l.OriginByNode[originName(i)] = n
		l.OriginRequests += n
	}
	return l
}
