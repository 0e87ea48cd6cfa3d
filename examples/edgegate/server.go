package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	textPlain = "text/plain; charset=utf-8"

	headerTimeout   = 5 * time.Second
	shutdownTimeout = 250 * time.Millisecond // for connections of strangers; our own are closed by then
)

// newTransport keeps a connection for every request that may be in flight. The
// default of two idle connections per host would close and dial for most
// requests, and the run would measure handshakes.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: inFlight, DisableCompression: true}
}

// server is an HTTP server on a free port of the loopback interface.
type server struct {
	name     string
	http     *http.Server
	listener net.Listener
}

// servers are servers that stop together, with the goroutines that accept their
// connections.
type servers struct {
	all     []*server
	serving errgroup.Group
}

// start listens and serves until stop.
func (s *servers) start(ctx context.Context, name string, handler http.Handler) (*server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &server{name, &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          log.New(io.Discard, "", 0), // a stranger's broken handshake is not ours to report
	}, listener}
	s.all = append(s.all, srv)
	s.serving.Go(func() error { return srv.http.Serve(listener) })
	return srv, nil
}

// stop shuts the servers down in the reverse order of their start.
func (s *servers) stop(ctx context.Context) error {
	for _, srv := range slices.Backward(s.all) {
		srv.stop(ctx)
	}
	if err := s.serving.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stop works even when ctx is done already: the usual reason to stop is that it
// is.
func (s *server) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what a stranger holds open is not worth waiting for
	}
}

// address is host:port as the system chose it.
func (s *server) address() string { return s.listener.Addr().String() }

// listening reports whether the port is still held. It asks the socket itself;
// a connection attempt could be answered by whoever took the port afterwards.
func (s *server) listening() bool {
	tcp, ok := s.listener.(*net.TCPListener)
	return ok && !errors.Is(tcp.SetDeadline(time.Time{}), net.ErrClosed)
}
