package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// printer remembers the first write that failed, so that one look at the end
// will do.
type printer struct {
	w   io.Writer
	err error
}

// printf does nothing after a failure.
func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// print writes the report as JSON or as a table.
func (r *report) print(p *printer, opts options) error {
	if opts.json {
		return json.NewEncoder(p.w).Encode(r)
	}
	r.printStory(p, opts)
	r.printTable(p)
	p.printf("invariants: %d of %d hold\n", invariantCount-len(r.Violations), invariantCount)
	return p.err
}

// printStory says what was run, and how far the run is from a sequential pass
// over the same requests.
func (r *report) printStory(p *printer, opts options) {
	in, run, got := r.Input, r.Run, r.Lanes["mainstay"]
	source := fmt.Sprintf("synthetic day, seed %d", opts.seed)
	if in.Source == "log" {
		source = fmt.Sprintf("%s log, %d lines, %d bad, %d out of order", in.Format, in.Lines, in.BadLines, in.OutOfOrder)
	}
	span := time.Duration(in.SpanSeconds * float64(time.Second)).Round(time.Second)
	p.printf("input:   %s: %d requests of %d clients for %d URLs in %v\n", source, in.Requests, in.Clients, in.URLs, span)
	p.printf("policy:  %v for each client, in the time of the log\n", opts.policy)
	p.printf("replay:  %g times faster, %.1f s, until %s; sent late by p50 %.2f, p99 %.2f, max %.2f ms\n",
		run.Speed, run.WallSeconds, run.Stopped, run.LagMS.P50, run.LagMS.P99, run.LagMS.Max)
	p.printf("denied:  %d of %d clients; an exact pass denies %d of %d: %s\n",
		got.Denied, got.DeniedClients, r.Policy.DeniedExpected, r.Policy.ClientsDeniedExpected, r.judgement())
	p.printf("hits:    %.1f %% of what the limiter let pass; an exact LRU on the same requests %.1f %%\n",
		100*r.hitRatio, 100*r.expectedHitRatio)
}

// judgement compares the denials, unless requests went out too late for a
// comparison to mean anything.
func (r *report) judgement() string {
	if !r.Policy.Judged {
		return fmt.Sprintf("not judged, requests could not go out in time (lag p99 above %v)", maxJudgedLag)
	}
	off := r.Lanes["mainstay"].Denied - r.Policy.DeniedExpected
	return fmt.Sprintf("%+.1f %%", 100*ratio(off, r.Policy.DeniedExpected))
}

// printTable has the rows of the JSON form, without the list of denied clients.
func (r *report) printTable(p *printer) {
	l := r.Lanes["mainstay"]
	aligned := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	table := &printer{w: aligned}
	row := func(metric string, value any) { table.printf("%s\t%v\n", metric, value) }
	p.printf("\n")
	row("metric", "mainstay")
	row("in", l.In)
	row("hit", l.Hit)
	row("coalesced", l.Coalesced)
	row("origin_ok", l.OriginOK)
	row("denied", l.Denied)
	row("failed", l.Failed)
	row("status", byKey(l.Status))
	row("bytes", l.Bytes)
	row("latency_ms", fmt.Sprintf("p50 %.2f  p99 %.2f  max %.2f", l.LatencyMS.P50, l.LatencyMS.P99, l.LatencyMS.Max))
	row("origin_requests", l.OriginRequests)
	row("origin_by_node", byKey(l.OriginByNode))
	row("cache", fmt.Sprintf("entries %d  capacity %d  evictions %d", l.Cache.Entries, l.Cache.Capacity, l.Cache.Evictions))
	row("bucket_evictions", l.BucketEvictions)
	row("denied_clients", l.DeniedClients)
	p.err = errors.Join(p.err, table.err, aligned.Flush())
	p.printf("\n")
}

// byKey prints the counts that are not zero in the order of their keys.
func byKey(counts map[string]int64) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[key]; n != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", key, n))
		}
	}
	return strings.Join(parts, "  ")
}
