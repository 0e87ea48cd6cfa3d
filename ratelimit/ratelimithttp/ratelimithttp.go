// Package ratelimithttp limits HTTP requests with any ratelimit.Taker: the
// limiter of this process, or one that is shared through Redis.
//
//	m, err := ratelimithttp.New(ratelimithttp.Config{
//		Limiter: limiter,
//		Key:     ratelimithttp.ClientIP(netip.MustParsePrefix("10.0.0.0/8")), // our load balancers
//	})
//	if err != nil { ... }
//	http.Handle("/api/", m.Wrap(api))
//
// # The key
//
// There is no default key, since none is safe everywhere. [ClientIP] takes the
// address of the peer, and believes X-Forwarded-For only as far as proxies that
// you name have written it. An API key or a user id from a verified token is
// better where there is one. A key that is longer than 256 bytes is replaced by
// its SHA-256, so that a long header fills no memory. A request without a key
// is not let through: that would be the way around the limit.
//
// # What the client sees
//
// Each answer, admitted or not, carries the fields of
// draft-ietf-httpapi-ratelimit-headers-10:
//
//	RateLimit-Policy: "default";q=100;w=60
//	RateLimit: "default";r=42;t=7
//
// that is a quota of 100 in 60 seconds, of which 42 are left, and in 7 seconds
// more will be there: for a refusal the time after which the same request can
// succeed, else the time until the whole quota is back, rounded up. Limits that
// are wrapped around one another each add their fields.
//
// A refusal is 429 Too Many Requests (RFC 6585) with Retry-After in seconds (RFC
// 9110), Cache-Control: no-store, and a problem document (RFC 9457) that names
// the policy. A cost above the whole quota is refused without Retry-After: it
// can never succeed. A request whose limiter fails is 503: to let requests pass
// while the shared store is away, use a failure policy of
// ratelimit/ratelimitredis.
//
// # Concurrency
//
// A Middleware may be used by any number of requests at once. It holds no lock
// and starts no goroutine; a panic of one of your functions goes to the server
// as that of a handler does. The next handler gets the ResponseWriter and the
// Request of the server themselves, so that flushing and hijacking work.
package ratelimithttp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/mainstay-go/mainstay/ratelimit"
)

var (
	// ErrConfig is returned by New; the text names the field at fault.
	ErrConfig = errors.New("ratelimithttp: invalid config")

	// ErrKey is what Config.Failed gets for a request without a key. It also
	// matches the error of the KeyFunc.
	ErrKey = errors.New("ratelimithttp: no key for the request")
)

// KeyFunc names who is charged for r. An error or an empty key refuses the
// request with ErrKey.
type KeyFunc func(r *http.Request) (string, error)

// Config describes a Middleware.
type Config struct {
	// Limiter decides; required.
	Limiter ratelimit.Taker[string]

	// Key names who is charged; required, since there is no safe default.
	Key KeyFunc

	// Cost is how much a request is charged; 1 by default. 0 is free, and still
	// answered with the fields; a negative cost is an error of the limiter, so
	// 503.
	Cost func(r *http.Request) int64

	// Policy is the name in the fields and in refusals: printable ASCII,
	// "default" by default.
	Policy string

	// NoFields omits RateLimit and RateLimit-Policy.
	NoFields bool

	// Denied answers a refused request. Status and body are its own; Retry-After,
	// Cache-Control and the fields are already in the header. By default it is
	// 429 with a problem document.
	Denied func(w http.ResponseWriter, r *http.Request, res ratelimit.Result)

	// Failed answers a request about which the limiter could not decide. By
	// default it is 400 if err is ErrKey, and else 503 with a Retry-After of a
	// second.
	Failed func(w http.ResponseWriter, r *http.Request, err error)
}

// Middleware guards handlers. It is safe for concurrent use; create it with
// New.
type Middleware struct {
	cfg    Config
	policy policy
}

// New returns a Middleware. An error matches ErrConfig and names the field.
func New(cfg Config) (*Middleware, error) {
	if cfg.Policy == "" {
		cfg.Policy = "default"
	}
	switch {
	case cfg.Limiter == nil:
		return nil, fmt.Errorf("%w: Limiter must not be nil", ErrConfig)
	case cfg.Key == nil:
		return nil, fmt.Errorf("%w: Key must not be nil", ErrConfig)
	case !printable(cfg.Policy):
		return nil, fmt.Errorf("%w: Policy must be printable ASCII, got %q", ErrConfig, cfg.Policy)
	}
	m := &Middleware{cfg: cfg, policy: newPolicy(cfg.Policy)}
	if cfg.Cost == nil {
		m.cfg.Cost = func(*http.Request) int64 { return 1 }
	}
	if cfg.Denied == nil {
		m.cfg.Denied = m.tooManyRequests
	}
	if cfg.Failed == nil {
		m.cfg.Failed = failed
	}
	return m, nil
}

// printable tells whether s can stand in a string of a structured field.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Wrap returns a handler that calls next for the requests within the limit. It
// panics if next is nil.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	if m == nil || m.cfg.Limiter == nil {
		panic("ratelimithttp: Middleware not made by New")
	}
	if next == nil {
		panic("ratelimithttp: nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
}

// serve calls exactly one of next, Denied and Failed.
func (m *Middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	key, err := m.key(r)
	if err != nil {
		m.cfg.Failed(w, r, err)
		return
	}
	cost := m.cfg.Cost(r)
	res, err := m.cfg.Limiter.Take(r.Context(), key, cost)
	never := errors.Is(err, ratelimit.ErrExceedsLimit)
	if err != nil && !never {
		m.cfg.Failed(w, r, err)
		return
	}
	if !m.cfg.NoFields && res.Limit != 0 {
		m.policy.set(w.Header(), res)
	}
	if res.OK && !never {
		next.ServeHTTP(w, r)
		return
	}
	if !never {
		w.Header().Set("Retry-After", retryAfter(res))
	}
	w.Header().Set("Cache-Control", "no-store")
	m.cfg.Denied(w, r, res)
}

// longestKey is the length up to which a key is used as it is.
const longestKey = 256

func (m *Middleware) key(r *http.Request) (string, error) {
	key, err := m.cfg.Key(r)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrKey, err)
	case key == "":
		return "", ErrKey
	case len(key) > longestKey:
		sum := sha256.Sum256([]byte(key))
		return "sha256:" + hex.EncodeToString(sum[:]), nil
	}
	return key, nil
}

// tooManyRequests is Config.Denied by default.
func (m *Middleware) tooManyRequests(w http.ResponseWriter, _ *http.Request, _ ratelimit.Result) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(m.policy.problem) // the client may be gone
}

// failed is Config.Failed by default. The error is for our logs, not for the
// client.
func failed(w http.ResponseWriter, _ *http.Request, err error) {
	if errors.Is(err, ErrKey) {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
