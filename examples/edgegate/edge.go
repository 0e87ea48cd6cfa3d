package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mainstay-go/mainstay/lru"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

const (
	settleTime = 2 * time.Second        // for goroutines to end after a run
	hurryTime  = 250 * time.Millisecond // the same after a signal
)

// input is what a run needs before its first request.
type input struct {
	stream []request
	log    logInfo // zero for the synthetic day
	site   *site
	limit  tokenbucket.Config
}

// loadInput reads and checks everything that can be wrong with the flags and
// the machine. The log comes first: it is the likelier mistake, and to list a
// docroot takes longer than to refuse a file.
func loadInput(ctx context.Context, opts options) (input, error) {
	var in input
	var err error
	if in.limit, err = opts.policy.bucket(opts.speed); err != nil {
		return in, err
	}
	if opts.log == "" {
		in.stream = syntheticDay(opts.seed)
	} else if in.stream, in.log, err = readLog(ctx, opts.log); err != nil {
		return in, fmt.Errorf("-log: %w", err)
	}
	if opts.maxGap > 0 {
		closeGaps(in.stream, opts.maxGap)
	}
	docroot := opts.docroot
	if docroot == "" {
		if docroot, err = goSource(ctx); err != nil {
			return in, fmt.Errorf("-docroot: %w", err)
		}
	}
	if in.site, err = openSite(ctx, docroot); err != nil {
		return in, fmt.Errorf("-docroot: %w", err)
	}
	return in, nil
}

// edge is a running gateway with its origins, and the replayer in front.
type edge struct {
	input
	opts     options
	front    servers // the gateway
	back     servers // the origins
	origins  []*origin
	gateway  *gateway
	replayer *replayer
}

// startEdge leaves nothing behind when it fails.
func startEdge(ctx context.Context, opts options, in input) (*edge, error) {
	e := &edge{input: in, opts: opts}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.stop(ctx))
	}
	return e, nil
}

// start begins at the back: the gateway needs the addresses of the origins, the
// replayer that of the gateway.
func (e *edge) start(ctx context.Context) error {
	token := newSeal()
	var addresses []string
	for i := range originCount {
		o := &origin{site: e.site, seal: token}
		srv, err := e.back.start(ctx, originName(i), o)
		if err != nil {
			return err
		}
		e.origins = append(e.origins, o)
		addresses = append(addresses, srv.address())
	}
	var err error
	e.gateway, err = newGateway(gatewayConfig{
		limit:     e.limit,
		clients:   e.opts.clients,
		cacheSize: e.opts.cacheSize,
		origins:   addresses,
		timeout:   originTimeout,
		seal:      token,
		sabotage:  plant(e.opts.sabotage),
	})
	if err != nil {
		return err
	}
	front, err := e.front.start(ctx, "gateway", e.gateway)
	if err != nil {
		return err
	}
	e.replayer = &replayer{
		stream: e.stream, speed: e.opts.speed, gateway: front.address(), seal: token, client: newTransport(),
	}
	return nil
}

// originName is how the report calls an origin.
func originName(i int) string { return fmt.Sprintf("origin-%d", i) }

// replay sends the stream until it ends, -seconds are over or ctx is done.
func (e *edge) replay(ctx context.Context) (sending, error) {
	if e.opts.seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, e.opts.seconds, errSeconds)
		defer cancel()
	}
	return e.replayer.run(ctx)
}

// stop ends what start began, from the front to the back, so that nobody loses
// the one it waits for. The gateway hangs up on the origins before they stop: a
// connection that was dialled but never used looks busy to a server, which
// would wait for its first request.
func (e *edge) stop(ctx context.Context) error {
	err := e.front.stop(ctx)
	if e.gateway != nil {
		e.gateway.client.CloseIdleConnections()
	}
	return errors.Join(err, e.back.stop(ctx))
}

// countKeys counts the entries of a cache one by one.
func countKeys[K comparable, V any](cache *lru.Cache[K, V]) int {
	n := 0
	for range cache.Keys() {
		n++
	}
	return n
}

// check runs the invariants over what the run has recorded.
func (e *edge) check(ctx context.Context, s sending, goroutines int) []violation {
	settle := settleTime
	if s.stopped == stoppedBySignal {
		settle = hurryTime
	}
	e.gateway.cachePeak.observe(e.gateway.cache.Len())
	e.gateway.cachePeak.observe(countKeys(e.gateway.cache)) // do not take the cache's word for it
	return slices.Concat(
		checkConservation(&e.gateway.replayed, &e.gateway.strangers, s),
		e.gateway.history.check(),
		checkCache(e.gateway.cachePeak.highest.Load(), int64(e.opts.cacheSize)),
		checkNothingLeft(ctx, goroutines, slices.Concat(e.front.all, e.back.all), settle),
	)
}
