package main

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnWire(t *testing.T) {
	tests := []struct {
		name string
		r    request
		want wireRequest
	}{
		{"get", request{method: "GET", path: "/a", status: 200}, wireRequest{"GET", "/a", false}},
		{"head", request{method: "HEAD", path: "a b", status: 304}, wireRequest{"HEAD", "/a%20b", false}},
		{"post", request{method: "POST", path: "/a", status: 500}, wireRequest{"POST", "/a", false}},
		{"not found", request{method: "GET", path: "/a", status: 404}, wireRequest{"GET", "/a", true}},
		{"a 404 wins over the method", request{method: "POST", path: "/a", status: 404}, wireRequest{"GET", "/a", true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, onWire(tt.r)) })
	}
}

func TestPercentile(t *testing.T) {
	assert.Zero(t, percentile(nil, 99))
	ms := make([]time.Duration, 200)
	for i := range ms {
		ms[i] = time.Duration(i + 1)
	}
	for percent, want := range map[int]time.Duration{0: 1, 50: 100, 99: 198, 100: 200} {
		assert.Equal(t, want, percentile(ms, percent))
	}
	assert.Equal(t, time.Duration(1), percentile(ms[:1], 50))
	assert.Equal(t, time.Duration(2), percentile(ms[:3], 50))
	assert.Equal(t, time.Duration(3), percentile(ms[:3], 99))
	assert.Equal(t, quantiles{0.0001, 0.000198, 0.0002}, quantilesOf(ms))
}

// arrivals is a gateway that writes down what reaches it.
type arrivals struct {
	mu       sync.Mutex
	requests []*http.Request
	answer   func(n int, w http.ResponseWriter, r *http.Request)
}

func (a *arrivals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests = append(a.requests, r)
	n := len(a.requests)
	a.mu.Unlock()
	if a.answer != nil {
		a.answer(n, w, r)
	}
}

func newReplayer(t *testing.T, stream []request, h http.Handler) *replayer {
	t.Helper()
	return &replayer{stream: stream, speed: 1000 * speedUnit, gateway: startOrigin(t, h), seal: "secret", client: newTransport()}
}

func TestReplayerSendsWhatTheLogSays(t *testing.T) {
	stream := []request{
		{0, "a client", "GET", "/x y?q", 200, 0},
		{time.Second, "b", "HEAD", "//z", 200, 0},
		{2 * time.Second, "c", "POST", "/gone", 404, 0},
		{3 * time.Second, "d", "CONNECT", "h.example:443", 405, 0},
		{4 * time.Second, "e", "OPTIONS", "*", 200, 0},
		{5 * time.Second, "f", "PRI", "*", 400, 0},
		{6 * time.Second, "g", "get", "http://h/%", 400, 0},
	}
	a := &arrivals{}
	p := newReplayer(t, stream, a)
	s, err := p.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, stoppedAtEnd, s.stopped)
	assert.EqualValues(t, len(stream), s.sent)
	assert.Zero(t, s.unanswered)
	assert.False(t, s.cutShort)
	assert.Equal(t, stream, p.replayed())

	got := map[string]string{}
	for _, r := range a.requests {
		assert.True(t, p.seal.on(r.Header))
		got[r.Header.Get(headerClient)] = r.Method + " " + r.RequestURI + " " + r.Header.Get(headerMissing)
	}
	assert.Equal(t, map[string]string{
		"a%20client": "GET /x%20y?q ",
		"b":          "HEAD /%2Fz ",
		"c":          "GET /gone 1",
		"d":          "CONNECT /h.example:443 ",
		"e":          "OPTIONS /* ",
		"f":          "PRI /* ",
		"g":          "get /http://h/%25 ",
	}, got)
}

// TestOpenLoop: a gateway that hangs on the first request does not hold up the
// others.
func TestOpenLoop(t *testing.T) {
	stream := make([]request, 20)
	for i := range stream {
		stream[i] = request{time.Duration(i) * time.Second, "other", "GET", "/", 200, 0}
	}
	stream[0].client = "first"
	var others sync.WaitGroup
	others.Add(len(stream) - 1)
	a := &arrivals{answer: func(_ int, _ http.ResponseWriter, r *http.Request) {
		if r.Header.Get(headerClient) == "first" { // which need not be the first to arrive
			others.Wait()
		} else {
			others.Done()
		}
	}}
	s, err := newReplayer(t, stream, a).run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, len(stream), s.sent)
	assert.GreaterOrEqual(t, percentile(s.latency, 100), 19*time.Millisecond, "counted from the moment it was due")
}

// TestBacklogIsCharged: more requests at one instant than workers; the last
// ones wait, and their latency says so.
func TestBacklogIsCharged(t *testing.T) {
	stream := make([]request, inFlight+1)
	for i := range stream {
		stream[i] = request{0, "c", "GET", "/", 200, 0}
	}
	const pause = 50 * time.Millisecond
	var full sync.WaitGroup
	full.Add(inFlight)
	a := &arrivals{answer: func(n int, _ http.ResponseWriter, _ *http.Request) {
		if n <= inFlight {
			full.Done()
			full.Wait()
			<-time.After(pause)
		}
	}}
	s, err := newReplayer(t, stream, a).run(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, percentile(s.lag, 100), pause, "it could not be sent in time")
	assert.GreaterOrEqual(t, percentile(s.latency, 0), pause)
}

func TestStopReasons(t *testing.T) {
	endless := []request{{0, "c", "GET", "/", 200, 0}, {time.Hour, "c", "GET", "/", 200, 0}}

	signalled, cancel := context.WithCancel(t.Context())
	p := newReplayer(t, endless, &arrivals{answer: func(int, http.ResponseWriter, *http.Request) { cancel() }})
	p.speed = speedUnit
	s, err := p.run(signalled)
	require.NoError(t, err)
	assert.Equal(t, stoppedBySignal, s.stopped)
	assert.EqualValues(t, 1, s.sent)
	assert.Zero(t, s.unanswered, "what was in flight has been answered")
	assert.Equal(t, endless[:1], p.replayed())

	timed, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errSeconds)
	defer cancel()
	p = newReplayer(t, endless, &arrivals{})
	p.speed = speedUnit
	s, err = p.run(timed)
	require.NoError(t, err)
	assert.Equal(t, stoppedBySeconds, s.stopped)

	s, err = newReplayer(t, endless, &arrivals{}).run(signalled)
	require.NoError(t, err)
	assert.Zero(t, s.sent, "stopped before it began")
	assert.Equal(t, stoppedBySignal, s.stopped)
}

// TestDrainIsLimited: a gateway that never answers cannot hold the program.
func TestDrainIsLimited(t *testing.T) {
	t.Parallel()
	stop, cancel := context.WithCancel(t.Context())
	a := &arrivals{answer: func(_ int, _ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}}
	begin := time.Now()
	s, err := newReplayer(t, []request{{0, "c", "GET", "/", 200, 0}}, a).run(stop)
	require.NoError(t, err)
	assert.True(t, s.cutShort)
	assert.EqualValues(t, 1, s.unanswered)
	assert.GreaterOrEqual(t, time.Since(begin), drainLimit)
}

func TestBadMethodIsAnError(t *testing.T) {
	_, err := newReplayer(t, []request{{0, "c", "G T", "/", 200, 0}}, &arrivals{}).run(t.Context())
	require.ErrorContains(t, err, "invalid method")
}
