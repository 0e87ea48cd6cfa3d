package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// schema lists the fields of edgegate/1 that every run reports, objects with
// dots. A * stands for keys of a map.
var schema = strings.Fields(`
	schema ok violations
	input.source input.lines input.bad_lines input.out_of_order input.requests input.clients input.urls input.span_seconds
	input.docroot_files
	run.speed run.wall_seconds run.replayed run.stopped run.lag_ms.p50 run.lag_ms.p99 run.lag_ms.max
	run.goroutines_start run.goroutines_end run.heap_bytes run.go
	policy.interval_seconds policy.burst policy.denied_expected policy.clients_denied_expected policy.judged
	lanes.mainstay.in lanes.mainstay.hit lanes.mainstay.coalesced lanes.mainstay.origin_ok lanes.mainstay.denied
	lanes.mainstay.failed lanes.mainstay.status.* lanes.mainstay.bytes
	lanes.mainstay.latency_ms.p50 lanes.mainstay.latency_ms.p99 lanes.mainstay.latency_ms.max
	lanes.mainstay.origin_requests lanes.mainstay.origin_by_node.*
	lanes.mainstay.cache.entries lanes.mainstay.cache.capacity lanes.mainstay.cache.evictions
	lanes.mainstay.bucket_evictions lanes.mainstay.denied_clients lanes.mainstay.denied_by_client.*
`)

// fieldsOf lists the fields of a JSON value, and fails on null.
func fieldsOf(t *testing.T, path string, value any) []string {
	t.Helper()
	require.NotNil(t, value, "%s is null", path)
	object, ok := value.(map[string]any)
	if !ok {
		return []string{path}
	}
	var fields []string
	for key, v := range object {
		at := strings.TrimPrefix(path+"."+key, ".")
		if strings.HasSuffix(path, "status") || strings.HasSuffix(path, "by_node") || strings.HasSuffix(path, "by_client") {
			at = path + ".*"
		}
		fields = append(fields, fieldsOf(t, at, v)...)
	}
	return fields
}

func reportFields(t *testing.T, stdout string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(stdout))
	var object any
	require.NoError(t, decoder.Decode(&object))
	require.False(t, decoder.More(), "one object and nothing else")
	fields := fieldsOf(t, "", object)
	slices.Sort(fields)
	return slices.Compact(fields)
}

// smallRun has a hit, a 404, a 405, a HEAD and two denials.
func smallRun(t *testing.T) []string {
	t.Helper()
	lines := []string{
		commonLine(0, "a", "/1"), commonLine(1, "a", "/1"), commonLine(1, "a", "/2"), commonLine(1, "a", "/2"), commonLine(1, "a", "/2"),
		strings.Replace(commonLine(2, "b", "/1"), " 200 ", " 404 ", 1),
		strings.Replace(commonLine(3, "b", "/1"), "GET", "POST", 1),
		strings.Replace(commonLine(4, "b", "/1"), "GET", "HEAD", 1),
		"rubbish",
	}
	return []string{"-log", writeLog(t, lines...), "-docroot", newSite(t, threeFiles), "-speed", "100", "-burst", "3"}
}

func TestJSONReport(t *testing.T) {
	args := smallRun(t)
	r, out := runJSON(t, args...)
	require.Equal(t, exitOK, out.code, out.stderr)
	want := append(slices.Clone(schema), "input.format")
	slices.Sort(want)
	assert.Equal(t, want, reportFields(t, out.stdout))
	assert.Contains(t, out.stdout, `"violations":[]`)

	assert.Equal(t, "edgegate/1", r.Schema)
	assert.True(t, r.OK)
	assert.Equal(t, inputReport{
		Source: "log", Format: "clf", Lines: 9, BadLines: 1, Requests: 8, Clients: 2, URLs: 2, SpanSeconds: 4, DocrootFiles: 3,
	}, r.Input)
	assert.Equal(t, policyReport{30, 3, 2, 1, r.Policy.Judged}, r.Policy)
	assert.EqualValues(t, 8, r.Run.Replayed)
	assert.Equal(t, stoppedAtEnd, r.Run.Stopped)
	assert.InDelta(t, 100, r.Run.Speed, 0)
	assert.Positive(t, r.Run.HeapBytes)
	assert.LessOrEqual(t, r.Run.GoroutinesEnd, r.Run.GoroutinesStart)

	l := r.Lanes["mainstay"]
	assert.EqualValues(t, 8, l.In)
	assert.EqualValues(t, 2, l.Denied)
	assert.EqualValues(t, 6, l.Hit+l.OriginOK)
	assert.Zero(t, l.Coalesced)
	assert.Zero(t, l.Failed)
	assert.Equal(t, map[string]int64{"200": 4, "404": 1, "405": 1, "429": 2, "502": 0, "503": 0, "504": 0}, l.Status)
	assert.Equal(t, l.OriginOK, l.OriginRequests)
	assert.Len(t, l.OriginByNode, originCount)
	assert.Equal(t, map[string]int64{"a": 2}, l.DeniedByClient)
	assert.Equal(t, 1, l.DeniedClients)
	assert.Equal(t, 256, l.Cache.Capacity)
	assert.LessOrEqual(t, l.LatencyMS.P50, l.LatencyMS.P99)
	assert.LessOrEqual(t, l.LatencyMS.P99, l.LatencyMS.Max)
}

// TestClientNamesStayApart: JSON has no way to write bytes that are not UTF-8,
// and would give all of them one name.
func TestClientNamesStayApart(t *testing.T) {
	var lines []string
	names := []string{"\xff", "\xfe", "\ufffd", "a%b", "::1"}
	for _, name := range names {
		lines = append(lines, commonLine(0, name, "/"), commonLine(0, name, "/"))
	}
	r, out := runJSON(t, "-log", writeLog(t, lines...), "-docroot", newSite(t, threeFiles), "-rate", "1/1000h", "-burst", "1")
	require.Equal(t, exitOK, out.code, out.stderr)
	l := r.Lanes["mainstay"]
	assert.Equal(t, len(names), l.DeniedClients)
	assert.Equal(t, map[string]int64{"%FF": 1, "%FE": 1, "%EF%BF%BD": 1, "a%25b": 1, "::1": 1}, l.DeniedByClient)
	sum := int64(0)
	for _, n := range l.DeniedByClient {
		sum += n
	}
	assert.Equal(t, l.Denied, sum)
}

func TestTableReport(t *testing.T) {
	out := runProgram(t.Context(), append(smallRun(t), "-maxgap", "500ms")...)
	require.Equal(t, exitOK, out.code, out.stderr)
	assert.Equal(t, "edgegate: there is no page yet, running as with -headless\n", out.stderr)
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	assert.Regexp(t, `^edgegate: page http://127\.0\.0\.1:\d+/  gateway http://127\.0\.0\.1:\d+/  naive http://127\.0\.0\.1:\d+/$`, lines[0])
	assert.Contains(t, lines[1], "longer than 500ms")
	assert.Equal(t, "invariants: 4 of 4 hold", lines[len(lines)-1])
	for _, row := range []string{
		"input:   clf log, 9 lines, 1 bad, 0 out of order: 8 requests of 2 clients for 2 URLs in 2s",
		"policy:  1 per 30s, burst 3 for each client",
		"denied:  2 of 1 clients; an exact pass denies 2 of 1",
	} {
		assert.Contains(t, out.stdout, row)
	}
	assert.Regexp(t, `(?m)^metric +mainstay$`, out.stdout)
	assert.Regexp(t, `(?m)^status +200 4  404 1  405 1  429 2$`, out.stdout)
	assert.Regexp(t, `(?m)^denied +2$`, out.stdout)
}

func TestGapsAreShortened(t *testing.T) {
	r, out := runJSON(t, append(smallRun(t), "-maxgap", "500ms")...)
	require.Equal(t, exitOK, out.code, out.stderr)
	assert.InDelta(t, 2, r.Input.SpanSeconds, 0, "four gaps of a second, each shortened by half")
}

func TestJudgement(t *testing.T) {
	r := report{Lanes: map[string]lane{"mainstay": {Denied: 246}}, Policy: policyReport{DeniedExpected: 259, Judged: true}}
	assert.Equal(t, "-5.0 %", r.judgement())
	r.Policy.DeniedExpected = 0
	assert.Equal(t, "+0.0 %", r.judgement())
	r.Policy.Judged = false
	assert.Contains(t, r.judgement(), "not judged")
}

func TestVerdict(t *testing.T) {
	var stderr bytes.Buffer
	assert.Equal(t, exitOK, verdict(nil, &printer{w: &stderr}))
	assert.Empty(t, stderr.String())
	assert.Equal(t, exitBroken, verdict([]violation{{"I1", "one"}, {"I3", "two"}}, &printer{w: &stderr}))
	assert.Equal(t, "edgegate: I1 broken: one\nedgegate: I3 broken: two\n", stderr.String())
}

// fullDisk refuses everything after the first n writes.
type fullDisk struct{ n int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.n--; d.n < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestReportThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{}, {"-json"}} {
		var stderr bytes.Buffer
		code := run(t.Context(), append(smallRun(t), args...), &fullDisk{}, &stderr)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, stderr.String(), "no space left")
	}
}
