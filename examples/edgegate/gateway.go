package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/mainstay-go/mainstay/lru"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// gateway answers a request by this chain, each step of which may end it:
//
//	client ──> token bucket of the client ──> response cache ──> origin fnv1a64(target) mod 3
//	               │ empty: 429                   │ hit              │ 200, 404, 405; else 502, 504
//
// # Bounded memory
//
// The buckets themselves live in an LRU cache: whoever invents a new client
// name for each request pushes out other buckets, but never makes the limiter
// grow. The price: a client whose bucket was pushed out while it was active
// starts again with a full one. The report counts the evictions, and the bound
// of the limiter is checked with them.
//
// # Misses that meet
//
// Two requests that miss on the same target at the same time both go to the
// origin, and the second answer replaces the first. That is the price of a
// plain cache: a burst on a cold target reaches the origin as a burst.
//
// # Trust
//
// The client of a request is what the replayer's header says, but only under
// the seal of this run. Everybody else is keyed by address, with buckets and
// counters apart: a header must never choose whose tokens are spent. Strangers
// do share the room: an answer they asked for can be a hit of the replay, and
// both caches may evict an entry of the replay for one of theirs.
type gateway struct {
	gatewayConfig
	buckets *lru.Cache[caller, *tokenbucket.Bucket]
	cache   *lru.Cache[cacheKey, *answer]
	client  *http.Transport

	replayed, strangers tally // two sets of books: a look with curl is not part of the replay
	history             *history
	cachePeak           peak
}

type gatewayConfig struct {
	limit     tokenbucket.Config
	clients   int           // buckets kept
	cacheSize int           // answers kept
	origins   []string      // addresses
	timeout   time.Duration // of an origin
	seal      seal
	sabotage  sabotage
}

// caller is who a bucket belongs to. A stranger's address never meets a client
// of the log with the same name.
type caller struct {
	name     string
	stranger bool
}

// cacheKey tells the real answer of a target from the 404 that the replayer
// asks for.
type cacheKey struct {
	target  string
	missing bool
}

// newGateway allocates nothing in proportion to the two capacities; both caches
// grow with use.
func newGateway(cfg gatewayConfig) (*gateway, error) {
	g := &gateway{gatewayConfig: cfg, client: newTransport(), history: newHistory(cfg.limit)}
	var err error
	g.buckets, err = lru.New(lru.Config[caller, *tokenbucket.Bucket]{
		Capacity: cfg.clients,
		OnEvict: func(c caller, _ *tokenbucket.Bucket, why lru.Reason) {
			if why == lru.Evicted {
				g.history.evicted(c)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("-clients: %w", err)
	}
	g.cache, err = lru.New(lru.Config[cacheKey, *answer]{Capacity: cfg.cacheSize})
	if err != nil {
		return nil, fmt.Errorf("-cache: %w", err)
	}
	g.sabotage.onCache(g.cache)
	return g, nil
}

// ServeHTTP keeps the books; handle makes the decisions. Every path through
// handle returns exactly one outcome, which is what makes the conservation
// check worth something.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, books := g.identify(r)
	if books.in.Add(1)%64 == 0 {
		g.cachePeak.observe(g.cache.Len())
	}
	var (
		reply *answer
		how   outcome
	)
	defer rescue(w, books, &reply)
	reply, how = g.handle(r, from)
	if !g.sabotage.losesRequest() {
		books.outcomes[how].Add(1)
	}
	if how == denied {
		books.deniedBy.add(from.name)
	}
	books.answered(reply.status, len(reply.body))
	reply.send(w)
}

// rescue counts a panic, which fails the run, and turns it into a 500 unless
// the answer was under way already.
func rescue(w http.ResponseWriter, books *tally, reply **answer) {
	if recover() == nil {
		return
	}
	books.panics.Add(1)
	if *reply != nil {
		return
	}
	books.answered(http.StatusInternalServerError, 0)
	plain(http.StatusInternalServerError).send(w)
}

// identify returns the owner of the request's bucket and the books it is
// entered in.
func (g *gateway) identify(r *http.Request) (caller, *tally) {
	if g.seal.on(r.Header) {
		if name, err := url.PathUnescape(r.Header.Get(headerClient)); err == nil {
			return caller{name: name}, &g.replayed
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return caller{name: host, stranger: true}, &g.strangers
}
