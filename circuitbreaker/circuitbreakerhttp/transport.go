// Package circuitbreakerhttp guards an HTTP client with circuit breakers.
//
//	breaker, err := circuitbreaker.New(circuitbreaker.Config{Name: "payments"})
//	if err != nil { ... }
//	transport, err := circuitbreakerhttp.New(circuitbreakerhttp.Config{Breaker: breaker, MaxRetryAfter: time.Minute})
//	if err != nil { ... }
//	client := &http.Client{Transport: transport, Timeout: time.Second}
//
// # Choosing
//
// Set Breaker for a client of one service, and For to choose a breaker by
// request: by host through a [circuitbreaker.Group], so that one host that is
// down does not cost us the others. A rejected request fails at once with an
// error that matches [circuitbreaker.ErrOpen], also through http.Client, which
// wraps it in a url.Error.
//
// # Algorithm
//
// The result of a request is known when the headers of the response arrive. An
// error of the base transport is classified by the breaker; so is a status that
// Failure names, as an error that says the status. The response itself is
// returned unchanged and unread, whatever its status. A request whose own
// context was cancelled says nothing about the server.
//
// A 429 or 503 with Retry-After may trip the breaker for that time, whatever
// its rules say: the server has told when to come back (RFC 9110, section
// 10.2.3). Every instance of a client then comes back at that instant; give the
// breaker a RecoveryRamp.
//
// # Concurrency
//
// A Transport is safe for concurrent use and has no state of its own. Failure
// and For run without a lock.
//
// # Limits
//
// A body that breaks off after the headers is not seen. Redirects are separate
// requests, each with its own result; the retries that an
// http.Transport makes by itself are not seen. A request costs two small
// allocations more than without the Transport.
package circuitbreakerhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-go/mainstay/circuitbreaker"
)

// Config configures a Transport. Exactly one of Breaker and For is set.
type Config struct {
	// Base makes the requests. nil: http.DefaultTransport.
	Base http.RoundTripper

	// Breaker is one breaker for all requests.
	Breaker *circuitbreaker.Breaker

	// For returns the breaker of a request, for instance by host through a
	// Group. It must not change the request. nil result: the request passes
	// unguarded.
	For func(*http.Request) *circuitbreaker.Breaker

	// Failure tells which responses are failures; it must not touch the body.
	// nil: status 429 and 500-599 except 501 and 505, which say that a request
	// will never succeed.
	Failure func(*http.Response) bool

	// MaxRetryAfter > 0: a 429 or 503 with Retry-After trips the breaker for
	// that time, at most MaxRetryAfter. 0: header ignored.
	MaxRetryAfter time.Duration
}

// ErrConfig is matched by every error of New.
var ErrConfig = errors.New("circuitbreakerhttp: invalid config")

// Transport is an http.RoundTripper that asks a breaker first. Create it with
// New; all methods may be called concurrently, and panic on a nil or zero
// Transport.
type Transport struct{ c Config }

// New returns a Transport. An error matches ErrConfig and names the field at
// fault.
func New(c Config) (*Transport, error) {
	switch {
	case c.Breaker == nil && c.For == nil:
		return nil, fmt.Errorf("%w: Breaker or For must be set, got neither", ErrConfig)
	case c.Breaker != nil && c.For != nil:
		return nil, fmt.Errorf("%w: Breaker or For must be set, got both", ErrConfig)
	case c.MaxRetryAfter < 0:
		return nil, fmt.Errorf("%w: MaxRetryAfter must be 0 or more, got %v", ErrConfig, c.MaxRetryAfter)
	}
	if c.Base == nil {
		c.Base = http.DefaultTransport
	}
	if c.Failure == nil {
		c.Failure = failed
	}
	return &Transport{c}, nil
}

// failed is the default of Config.Failure.
func failed(r *http.Response) bool {
	switch r.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return r.StatusCode >= 500 && r.StatusCode <= 599
}

// statusError is what a breaker hears of a response that is a failure; it stays
// inside, except as the Cause of a rejection.
type statusError int

// Error names the status.
func (e statusError) Error() string {
	return strings.TrimSpace("circuitbreakerhttp: status " + strconv.Itoa(int(e)) + " " + http.StatusText(int(e)))
}

// RoundTrip makes the request unless the breaker rejects it: then the body of
// the request is closed, as of every RoundTripper, and the error is an
// *circuitbreaker.OpenError. A request whose context is done is not made
// either. The request is not changed; errors of Base are returned as they are,
// and so is every response.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.made()
	b := t.c.Breaker
	if b == nil {
		b = t.c.For(r)
	}
	if b == nil {
		return t.c.Base.RoundTrip(r)
	}
	c := call{t: t, r: r}
	defer c.abandon()
	err := b.Do(r.Context(), c.make)
	if !c.made {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	if c.err == nil && c.resp != nil {
		if d := t.retryAfter(c.resp); d > 0 {
			b.Trip(d)
		}
	}
	c.returned = true
	return c.resp, c.err
}

// call is one request under way.
type call struct {
	t    *Transport
	r    *http.Request
	resp *http.Response // what Base said
	err  error

	made     bool // Base was asked
	returned bool
}

// make asks Base, and returns what the breaker is to hear of it.
func (c *call) make(ctx context.Context) error {
	c.made = true
	c.resp, c.err = c.t.c.Base.RoundTrip(c.r) //nolint:bodyclose // it is for the caller of RoundTrip, or abandon closes it
	switch {
	case ownCancel(ctx, c.err):
		return context.Canceled
	case c.err != nil || c.resp == nil:
		return c.err
	case c.t.c.Failure(c.resp):
		return statusError(c.resp.StatusCode)
	}
	return nil
}

// ownCancel reports whether err is the cause with which ctx was cancelled:
// http.Transport returns that instead of context.Canceled.
func ownCancel(ctx context.Context, err error) bool {
	return err != nil && errors.Is(ctx.Err(), context.Canceled) &&
		errors.Is(err, context.Cause(ctx)) && !errors.Is(err, context.DeadlineExceeded)
}

// abandon closes the body of a response that nobody will see, because a
// callback of the user has panicked or exited.
func (c *call) abandon() {
	if !c.returned && c.resp != nil && c.resp.Body != nil {
		_ = c.resp.Body.Close()
	}
}

// retryAfter returns for how long the response asks to be left alone, at most
// MaxRetryAfter; 0 if it does not, or not in a form that the standard allows.
func (t *Transport) retryAfter(r *http.Response) time.Duration {
	if r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return min(parseRetryAfter(r.Header.Get("Retry-After")), t.c.MaxRetryAfter)
}

// parseRetryAfter reads delta seconds or an HTTP date; anything else is 0. A
// number of seconds that exceeds a Duration is the longest one.
func parseRetryAfter(header string) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if strings.Trim(header, "0123456789") != "" {
		date, err := http.ParseTime(header)
		if err != nil {
			return 0
		}
		return max(time.Until(date), 0)
	}
	seconds, err := strconv.ParseInt(header, 10, 64)
	if err != nil || seconds > int64(longest/time.Second) {
		return longest
	}
	return time.Duration(seconds) * time.Second
}

// CloseIdleConnections forwards to Base when it has the method.
func (t *Transport) CloseIdleConnections() {
	t.made()
	if c, ok := t.c.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) made() {
	if t == nil {
		panic("circuitbreakerhttp: nil Transport")
	}
	if t.c.Base == nil {
		panic("circuitbreakerhttp: Transport not made by New")
	}
}
