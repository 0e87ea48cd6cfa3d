package circuitbreakerhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/circuitbreaker"
	"github.com/mainstay-go/mainstay/internal/hammer"
)

// body notes that it was closed, and fails if it is read.
type body struct{ closed int }

func (b *body) Read([]byte) (int, error) { panic("read") }
func (b *body) Close() error             { b.closed++; return nil }

// base is a RoundTripper made of a function.
type base func(*http.Request) (*http.Response, error)

func (f base) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newBreaker(tb testing.TB) *circuitbreaker.Breaker {
	tb.Helper()
	b, err := circuitbreaker.New(circuitbreaker.Config{Name: "web", ConsecutiveFailures: 1, OpenDuration: time.Second, NoJitter: true})
	require.NoError(tb, err)
	return b
}

func newTransport(tb testing.TB, c Config) *Transport {
	tb.Helper()
	transport, err := New(c)
	require.NoError(tb, err)
	return transport
}

func request(ctx context.Context, b io.ReadCloser) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://example.test/", nil)
	r.Body = b
	return r
}

// answer returns a RoundTripper that always answers with status and Retry-After.
func answer(status int, retryAfter string) base {
	return func(*http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: &body{}}
		if retryAfter != "" {
			resp.Header.Set("Retry-After", retryAfter)
		}
		return resp, nil
	}
}

func TestNewRejects(t *testing.T) {
	b := newBreaker(t)
	choose := func(*http.Request) *circuitbreaker.Breaker { return b }
	for want, c := range map[string]Config{
		"Breaker or For must be set, got neither":   {},
		"Breaker or For must be set, got both":      {Breaker: b, For: choose},
		"MaxRetryAfter must be 0 or more, got -1ns": {Breaker: b, MaxRetryAfter: -1},
	} {
		transport, err := New(c)
		require.Nil(t, transport)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "circuitbreakerhttp: invalid config: "+want)
	}
	assert.Equal(t, http.DefaultTransport, newTransport(t, Config{For: choose}).c.Base)
}

func TestNilAndZero(t *testing.T) {
	for _, f := range []func(){
		func() { _, _ = (*Transport)(nil).RoundTrip(nil) },
		func() { _, _ = new(Transport).RoundTrip(nil) },
		func() { (*Transport)(nil).CloseIdleConnections() },
		func() { new(Transport).CloseIdleConnections() },
	} {
		func() {
			defer func() { assert.Regexp(t, "^circuitbreakerhttp: ", fmt.Sprint(recover())) }()
			f()
		}()
	}
}

// Which responses are failures; each is returned as it is, unread.
func TestStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status := 100; status < 1000; status++ {
			b := newBreaker(t)
			transport := newTransport(t, Config{Breaker: b, Base: answer(status, "7")})
			resp, err := transport.RoundTrip(request(t.Context(), nil))
			require.NoError(t, err)
			require.Equal(t, status, resp.StatusCode)
			require.Zero(t, resp.Body.(*body).closed)
			failure := status == 429 || status >= 500 && status < 600 && status != 501 && status != 505
			require.Equal(t, failure, b.State() == circuitbreaker.Open, status)
			if failure {
				require.Equal(t, time.Second, time.Until(b.Stats().Until), "Retry-After is ignored by default")
			}
			b.Reset()
		}
	})
	b := newBreaker(t)
	transport := newTransport(t, Config{Breaker: b, Base: answer(http.StatusNotFound, ""), Failure: func(r *http.Response) bool { return r.StatusCode == http.StatusNotFound }})
	_, err := transport.RoundTrip(request(t.Context(), nil))
	require.NoError(t, err)
	_, err = transport.RoundTrip(request(t.Context(), nil))
	require.EqualError(t, err, "circuitbreaker: web is open: circuitbreakerhttp: status 404 Not Found")
	b.Reset()
}

// A rejection closes the body of the request, and so does a context that is done; else that is the task of Base.
func TestRejectionClosesTheBody(t *testing.T) {
	b := newBreaker(t)
	called := 0
	transport := newTransport(t, Config{Breaker: b, Base: base(func(*http.Request) (*http.Response, error) {
		called++
		return nil, io.ErrUnexpectedEOF
	})})
	sent := &body{}
	_, err := transport.RoundTrip(request(t.Context(), sent))
	require.Equal(t, io.ErrUnexpectedEOF, err, "errors of Base are returned as they are")
	require.Zero(t, sent.closed)
	_, err = transport.RoundTrip(request(t.Context(), sent))
	require.ErrorIs(t, err, circuitbreaker.ErrOpen)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the cause")
	require.Equal(t, 1, sent.closed)
	_, err = transport.RoundTrip(request(t.Context(), nil))
	require.ErrorIs(t, err, circuitbreaker.ErrOpen)
	b.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = transport.RoundTrip(request(ctx, sent))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, sent.closed)
	require.Equal(t, 1, called)
}

// The request reaches Base as it is.
func TestRequestIsNotChanged(t *testing.T) {
	b := newBreaker(t)
	sent := request(t.Context(), &body{})
	sent.Header.Set("X", "1")
	before := *sent
	transport := newTransport(t, Config{Breaker: b, Base: base(func(r *http.Request) (*http.Response, error) {
		require.Same(t, sent, r)
		return answer(200, "")(r)
	})})
	_, err := transport.RoundTrip(sent)
	require.NoError(t, err)
	require.Equal(t, before.Header, sent.Header)
	require.Equal(t, before.Context(), sent.Context())
}

// The caller's own cancellation says nothing; a deadline counts.
func TestOwnCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t)
		wait := base(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		transport := newTransport(t, Config{Breaker: b, Base: wait})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := transport.RoundTrip(request(ctx, nil))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, circuitbreaker.Counts{Ignored: 1}, b.Stats().Total)
		left := errors.New("left")
		for _, cause := range []error{left, fmt.Errorf("too slow: %w", context.DeadlineExceeded)} {
			before := b.Stats().Total
			ctx, cancel := context.WithCancelCause(t.Context())
			transport := newTransport(t, Config{Breaker: b, Base: base(func(r *http.Request) (*http.Response, error) {
				cancel(cause)
				return nil, context.Cause(r.Context()) // as http.Transport does
			})})
			_, err = transport.RoundTrip(request(ctx, nil))
			require.Equal(t, cause, err)
			require.Equal(t, errors.Is(cause, left), b.Stats().Total.Ignored == before.Ignored+1)
		}
		b.Reset()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = transport.RoundTrip(request(ctx, nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, circuitbreaker.Open, b.State())
		b.Reset()
	})
}

// C3: a panic or Goexit of Base and of Failure is a failure, and a response that nobody will see is closed.
func TestPanics(t *testing.T) {
	custom := func(c circuitbreaker.Config) *circuitbreaker.Breaker {
		b, err := circuitbreaker.New(c)
		require.NoError(t, err)
		return b
	}
	received := &body{}
	give := base(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: received}, nil
	})
	for name, c := range map[string]Config{
		"Base panics":    {Base: base(func(*http.Request) (*http.Response, error) { panic("x") })},
		"Base exits":     {Base: base(func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil })},
		"Failure panics": {Base: give, Failure: func(*http.Response) bool { panic("x") }},
		"Classify panics": {Base: give, Breaker: custom(circuitbreaker.Config{
			ConsecutiveFailures: 1, Classify: func(error) circuitbreaker.Outcome { panic("x") },
		})},
		"Failure and then OnStateChange panic": {
			Base: give, Failure: func(*http.Response) bool { return true },
			Breaker: custom(circuitbreaker.Config{ConsecutiveFailures: 1, OnStateChange: func(circuitbreaker.Change) { panic("x") }}),
		},
		"Failure exits": {Base: give, Failure: func(*http.Response) bool { runtime.Goexit(); return false }},
	} {
		if c.Breaker == nil {
			c.Breaker = newBreaker(t)
		}
		transport := newTransport(t, c)
		before := received.closed
		done := make(chan any)
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			_, _ = transport.RoundTrip(request(t.Context(), nil))
		}()
		<-done
		assert.Equal(t, circuitbreaker.Open, c.Breaker.State(), name)
		if !strings.HasPrefix(name, "Base") {
			assert.Equal(t, before+1, received.closed, name)
		}
		func() {
			defer func() { _ = recover() }() // OnStateChange
			c.Breaker.Reset()                // stops the timer
		}()
	}
}

// C3: For and Failure may use the breaker; without a breaker the request passes.
func TestFor(t *testing.T) {
	group, err := circuitbreaker.NewGroup[string](circuitbreaker.GroupConfig{Breaker: circuitbreaker.Config{ConsecutiveFailures: 1}})
	require.NoError(t, err)
	transport := newTransport(t, Config{
		Base: answer(500, ""),
		For: func(r *http.Request) *circuitbreaker.Breaker {
			if r.Host == "free.test" {
				return nil
			}
			group.Get(r.Host).Stats()
			return group.Get(r.Host)
		},
		Failure: func(r *http.Response) bool { group.Get("a.test").Stats(); return failed(r) },
	})
	get := func(host string) error {
		r := request(t.Context(), nil)
		r.Host = host
		_, err := transport.RoundTrip(r)
		return err
	}
	require.NoError(t, get("a.test"))
	require.ErrorIs(t, get("a.test"), circuitbreaker.ErrOpen)
	require.NoError(t, get("b.test"))
	for range 10 {
		require.NoError(t, get("free.test"))
	}
	for _, b := range group.All() {
		b.Reset()
	}
	var nobody http.RoundTripper = newTransport(t, Config{For: func(*http.Request) *circuitbreaker.Breaker { panic("for") }})
	require.Panics(t, func() { _, _ = nobody.RoundTrip(request(t.Context(), nil)) })
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, c := range []struct {
			status int
			header string
			want   time.Duration
		}{
			{429, "7", 7 * time.Second},
			{503, "7", 7 * time.Second},
			{503, " 7 ", 7 * time.Second},
			{503, "3600", time.Minute},
			{503, "99999999999999999999999999", time.Minute},
			{503, "9223372037", time.Minute},
			{503, date(20 * time.Second), 20 * time.Second},
			{503, date(time.Hour), time.Minute},
			{503, date(-time.Hour), time.Second},
			{503, "-7", time.Second},
			{503, "+7", time.Second},
			{503, "7.5", time.Second},
			{503, "soon", time.Second},
			{503, "0", time.Second},
			{503, "", time.Second},
			{500, "7", time.Second},
			{200, "7", 0},
		} {
			b := newBreaker(t)
			transport := newTransport(t, Config{Breaker: b, Base: answer(c.status, c.header), MaxRetryAfter: time.Minute})
			_, err := transport.RoundTrip(request(t.Context(), nil))
			require.NoError(t, err)
			if c.want == 0 {
				require.Equal(t, circuitbreaker.Closed, b.State())
				continue
			}
			require.Equal(t, c.want, time.Until(b.Stats().Until), "%d %q", c.status, c.header)
			require.EqualValues(t, 1, b.Stats().Total.Failures)
			_, err = transport.RoundTrip(request(t.Context(), nil))
			e, _ := errors.AsType[*circuitbreaker.OpenError](err)
			require.Equal(t, c.want, e.RetryAfter())
			b.Reset()
		}
		b := newBreaker(t)
		transport := newTransport(t, Config{
			Breaker: b, Base: answer(429, "5"), MaxRetryAfter: time.Minute, Failure: func(*http.Response) bool { return false },
		})
		_, err := transport.RoundTrip(request(t.Context(), nil))
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, time.Until(b.Stats().Until), "also if it is no failure")
		b.Reset()
	})
}

// idler has the method.
type idler struct {
	base
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	b := newBreaker(t)
	i := &idler{}
	(&http.Client{Transport: newTransport(t, Config{Breaker: b, Base: i})}).CloseIdleConnections()
	assert.Equal(t, 1, i.closed)
	newTransport(t, Config{Breaker: b, Base: answer(200, "")}).CloseIdleConnections()
}

// A real server, a real client: it fails, the breaker opens, and the connection is not used.
func TestRealServer(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "busy")
	}))
	defer server.Close()
	b := newBreaker(t)
	client := &http.Client{Transport: newTransport(t, Config{Breaker: b, MaxRetryAfter: time.Hour})}
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "busy", string(text))
	_, err = client.Post(server.URL, "text/plain", strings.NewReader("x"))
	require.ErrorIs(t, err, circuitbreaker.ErrOpen)
	e, found := errors.AsType[*circuitbreaker.OpenError](err)
	require.True(t, found)
	assert.Greater(t, e.RetryAfter(), 50*time.Second)
	assert.Equal(t, 1, requests)
	b.Reset()
}

// What a request costs beside Base.
func TestAllocations(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: &body{}}
	r := request(t.Context(), nil)
	transport := newTransport(t, Config{Breaker: newBreaker(t), Base: base(func(*http.Request) (*http.Response, error) {
		return resp, nil
	})})
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = transport.RoundTrip(r) }), 2.0)
}

// C8.
func TestHammer(t *testing.T) {
	group, err := circuitbreaker.NewGroup[string](circuitbreaker.GroupConfig{MaxKeys: 4})
	require.NoError(t, err)
	transport := newTransport(t, Config{
		Base: base(func(r *http.Request) (*http.Response, error) {
			return answer([]int{200, 500, 503}[len(r.Host)%3], "1")(r)
		}),
		For:           func(r *http.Request) *circuitbreaker.Breaker { return group.Get(r.Host) },
		MaxRetryAfter: time.Microsecond,
	})
	hammer.Run(t, 8, 300, func(_ int, rng *rand.Rand) error {
		r := request(t.Context(), &body{})
		r.Host = strings.Repeat("h", rng.IntN(9))
		resp, err := transport.RoundTrip(r)
		if err == nil && resp == nil {
			return errors.New("neither response nor error")
		}
		return nil
	})
	for _, b := range group.All() {
		b.Reset()
	}
}
