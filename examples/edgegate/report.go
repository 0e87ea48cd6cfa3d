package main

import (
	"runtime"
	"strconv"
	"time"
)

// maxJudgedLag is the replay lag above which the machine, not the limiter, decides how many requests are denied.
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

type inputReport struct {
	Source       string  `json:"source"`
	Format       string  `json:"format,omitempty"`
	Lines        int     `json:"lines"`
	BadLines     int     `json:"bad_lines"`
	OutOfOrder   int     `json:"out_of_order"`
	Requests     int     `json:"requests"`
	Clients      int     `json:"clients"`
	URLs         int     `json:"urls"`
	SpanSeconds  float64 `json:"span_seconds"`
	DocrootFiles int     `json:"docroot_files"`
}

type runReport struct {
	Speed           float64   `json:"speed"`
	Seed            uint64    `json:"seed"`
	WallSeconds     float64   `json:"wall_seconds"`
	Replayed        int64     `json:"replayed"`
	Stopped         string    `json:"stopped"`
	LagMS           quantiles `json:"lag_ms"`
	GoroutinesStart int       `json:"goroutines_start"`
	GoroutinesEnd   int       `json:"goroutines_end"`
	HeapBytes       uint64    `json:"heap_bytes"`
	Go              string    `json:"go"`
}

type policyReport struct {
	IntervalSeconds       float64 `json:"interval_seconds"`
	Burst                 int64   `json:"burst"`
	DeniedExpected        int64   `json:"denied_expected"`
	ClientsDeniedExpected int     `json:"clients_denied_expected"`
	Judged                bool    `json:"judged"`
}

// lane is what one gateway did.
type lane struct {
	In              int64            `json:"in"`
	Hit             int64            `json:"hit"`
	Coalesced       int64            `json:"coalesced"`
	OriginOK        int64            `json:"origin_ok"`
	Denied          int64            `json:"denied"`
	Failed          int64            `json:"failed"`
	Status          map[string]int64 `json:"status"`
	Bytes           int64            `json:"bytes"`
	LatencyMS       quantiles        `json:"latency_ms"`
	OriginRequests  int64            `json:"origin_requests"`
	OriginByNode    map[string]int64 `json:"origin_by_node"`
	Cache           cacheReport      `json:"cache"`
	BucketEvictions uint64           `json:"bucket_evictions"`
	DeniedClients   int              `json:"denied_clients"`
	DeniedByClient  map[string]int64 `json:"denied_by_client"`
}

type cacheReport struct {
	Entries   int    `json:"entries"`
	Capacity  int    `json:"capacity"`
	Evictions uint64 `json:"evictions"`
}

// quantiles are in milliseconds.
type quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantilesOf(sorted []time.Duration) quantiles {
	ms := func(percent int) float64 { return percentile(sorted, percent).Seconds() * 1000 }
	return quantiles{ms(50), ms(99), ms(100)}
}

// report compares the run with what the part of the stream that was sent should have led to.
func (e *edge) report(s sending, heap uint64, goroutines int, broken []violation) (*report, error) {
	want, err := expect(e.replayer.replayed(), e.opts.policy, e.opts.cacheSize)
	if err != nil {
		return nil, err
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
			Seed:            e.opts.seed,
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
		DeniedByClient:  t.deniedBy.snapshot(),
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
