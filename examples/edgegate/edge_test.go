package main

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startTestEdge starts an edge in front of a small site. It is not stopped:
// what happens at its end is up to the test.
func startTestEdge(t *testing.T, args ...string) *edge {
	t.Helper()
	opts, err := parseOptions(append([]string{"-docroot", newSite(t, threeFiles)}, args...))
	require.NoError(t, err)
	in, err := loadInput(t.Context(), opts)
	require.NoError(t, err)
	e, err := startEdge(t.Context(), opts, in)
	require.NoError(t, err)
	return e
}

// watchedConn tells when its owner has hung up.
type watchedConn struct {
	net.Conn
	closed *atomic.Bool
}

func (c watchedConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// TestGatewayHangsUpBeforeOriginsStop: a connection that was dialled but never
// used counts as busy with its server, which would wait for it in vain.
func TestGatewayHangsUpBeforeOriginsStop(t *testing.T) {
	e := startTestEdge(t)
	var (
		dials     atomic.Int32
		hungUp    atomic.Bool
		dialling  = make(chan struct{})
		overtaken = make(chan struct{})
		spare     = make(chan struct{})
	)
	e.gateway.client.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) > 1 {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		close(dialling)
		<-overtaken
		defer close(spare)
		conn, err := new(net.Dialer).DialContext(context.WithoutCancel(ctx), network, address)
		return watchedConn{conn, &hungUp}, err
	}
	first := make(chan reply)
	go func() { first <- ask(e.gateway, "GET", "/", nil) }()
	<-dialling
	require.Equal(t, http.StatusOK, ask(e.gateway, "HEAD", "/", nil).status) // dials too, and leaves its connection to the first
	require.Equal(t, http.StatusOK, (<-first).status)
	close(overtaken)
	<-spare
	quiet() // the transport has put the connection aside

	sawHangUp := make(chan bool, originCount)
	for _, srv := range e.back.all {
		srv.http.RegisterOnShutdown(func() { sawHangUp <- hungUp.Load() })
	}
	require.NoError(t, e.stop(t.Context()))
	for range originCount {
		assert.True(t, <-sawHangUp)
	}
}

// TestLeftOvers: what is left after the end breaks I6 and nothing else.
func TestLeftOvers(t *testing.T) {
	tests := map[string]struct {
		leave func(e *edge) (tidy func())
		text  string
	}{
		"a goroutine": {func(*edge) func() {
			release := make(chan struct{})
			go func() { <-release }()
			return func() { close(release) }
		}, "TestLeftOvers"},
		"a server": {func(e *edge) func() {
			_, err := e.front.start(t.Context(), "forgotten", http.NotFoundHandler())
			require.NoError(t, err)
			return func() { assert.NoError(t, e.front.stop(t.Context())) }
		}, "forgotten still listens on 127.0.0.1:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := quiet()
			e := startTestEdge(t, "-seconds", "0.02")
			sum, err := e.replay(t.Context())
			require.NoError(t, err)
			require.NoError(t, e.stop(t.Context()))
			assert.Empty(t, e.check(t.Context(), sum, before))
			defer tt.leave(e)()
			sum.stopped = stoppedBySignal // a shorter wait
			broken := e.check(t.Context(), sum, before)
			require.Len(t, broken, 1)
			assert.Equal(t, nothingLeft, broken[0].ID)
			assert.Contains(t, broken[0].Text, tt.text)
		})
	}
}

// quiet waits until the goroutines of earlier tests have ended, and counts the
// rest.
func quiet() int {
	count := runtime.NumGoroutine()
	for since := time.Now(); time.Since(since) < 30*time.Millisecond; time.Sleep(time.Millisecond) {
		if n := runtime.NumGoroutine(); n != count {
			count, since = n, time.Now()
		}
	}
	return count
}
