package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

const (
	originTimeout = time.Second
	maxCachedBody = 1 << 20 // bytes; with it -cache bounds memory too
)

// newTransport keeps a connection for every request that may be in flight. The
// default of two idle connections per host would close and dial for most
// requests, and the run would measure handshakes.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: inFlight, DisableCompression: true}
}

// answer is what goes back to the client. One that is cached is shared and
// never written to.
type answer struct {
	status int
	header http.Header
	body   []byte
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

// keepable excludes our own errors and the few giants among the files.
func (a *answer) keepable() bool {
	return (a.status == http.StatusOK || a.status == http.StatusNotFound) && len(a.body) <= maxCachedBody
}

// send writes the answer; a HEAD has no body, only the length it would have.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone; nobody is left to tell
}

// plain is an answer of our own: the status in words.
func plain(status int) *answer {
	return &answer{status, http.Header{"Content-Type": {textPlain}}, []byte(http.StatusText(status) + "\n")}
}

// tooMany says how many whole seconds to wait. A second of the replay can be an
// hour of the log.
func tooMany(wait time.Duration) *answer {
	reply := plain(http.StatusTooManyRequests)
	reply.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return reply
}
