package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mainstay-go/mainstay/tokenbucket"
)

const originTimeout = time.Second

// handle asks the limiter first: a denied request must cost neither a cache
// entry nor an origin.
func (g *gateway) handle(r *http.Request, from caller) (*answer, outcome) {
	if wait, ok := g.admit(from); !ok {
		return tooMany(wait), denied
	}
	key := cacheKey{wireTarget(r.RequestURI), g.seal.fileMissing(r.Header)}
	if !cacheable(r.Method) {
		return g.load(r, key)
	}
	if reply, ok := g.cache.Get(key); ok {
		return reply, hit
	}
	reply, how := g.load(r, key)
	if reply.keepable() {
		g.cache.Set(key, reply)
	}
	return reply, how
}

// cacheable excludes HEAD too: its answer has no body.
func cacheable(method string) bool { return method == http.MethodGet }

// admit asks the client's bucket, and writes down when it did.
func (g *gateway) admit(from caller) (wait time.Duration, ok bool) {
	bucket := g.bucketOf(from)
	begin := g.history.now()
	ok = bucket.Allow() || g.sabotage.overrulesDenial()
	end := g.history.now()
	if ok {
		g.history.admitted(from, begin, end)
		return 0, true
	}
	wait, _ = bucket.RetryAfter(1)
	return wait, false
}

// bucketOf finds the bucket of a caller, or makes one. The common case is a
// single promotion in the LRU list.
func (g *gateway) bucketOf(from caller) *tokenbucket.Bucket {
	if bucket, ok := g.buckets.Get(from); ok {
		return bucket
	}
	fresh, err := tokenbucket.New(g.limit)
	if err != nil {
		panic(err) // the flags were checked with this very limit
	}
	bucket, _ := g.buckets.GetOrSet(from, fresh) // two first requests of a client meet here: one bucket wins
	return bucket
}

// load asks the target's origin.
func (g *gateway) load(r *http.Request, key cacheKey) (*answer, outcome) {
	reply, err := g.fetch(r, key)
	if errors.Is(err, context.DeadlineExceeded) {
		return plain(http.StatusGatewayTimeout), failed
	}
	if err != nil {
		return plain(http.StatusBadGateway), failed
	}
	switch reply.status {
	case http.StatusOK, http.StatusNotModified, http.StatusNotFound, http.StatusMethodNotAllowed:
		return reply, originOK
	default:
		return plain(http.StatusBadGateway), failed
	}
}

// fetch reads the whole answer before it passes anything on. An origin that
// fails half-way is a clean 502 then, and the connection can be used again.
func (g *gateway) fetch(r *http.Request, key cacheKey) (*answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	address := g.origins[fnv1a64(key.target)%uint64(len(g.origins))]
	ask, err := http.NewRequestWithContext(ctx, r.Method, "http://"+address, http.NoBody)
	if err != nil {
		return nil, err
	}
	ask.URL = requestURL(address, key.target)
	if g.seal.on(r.Header) {
		g.seal.stamp(ask.Header)
	}
	if key.missing {
		ask.Header.Set(headerMissing, "1")
	}
	response, err := g.client.RoundTrip(ask)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	body.Grow(int(max(0, response.ContentLength)) + bytes.MinRead)
	if _, err := body.ReadFrom(response.Body); err != nil {
		return nil, err
	}
	return &answer{response.StatusCode, endToEnd(response.Header), body.Bytes()}, nil
}

// endToEnd keeps the headers that describe the answer and leaves those of the
// connection behind.
func endToEnd(h http.Header) http.Header {
	kept := make(http.Header)
	for _, name := range []string{"Allow", "Content-Length", "Content-Type"} {
		if values := h.Values(name); len(values) > 0 {
			kept[name] = values
		}
	}
	return kept
}
