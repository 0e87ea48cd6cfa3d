package ratelimithttp

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/ratelimit"
	"github.com/mainstay-go/mainstay/tokenbucket"
)

// answer is a Taker that always says the same.
type answer struct {
	res ratelimit.Result
	err error
}

func (a answer) Take(context.Context, string, int64) (ratelimit.Result, error) { return a.res, a.err }

// recorded is a Taker that keeps what it was asked.
type recorded struct {
	keys  []string
	costs []int64
}

func (r *recorded) Take(_ context.Context, key string, n int64) (ratelimit.Result, error) {
	r.keys, r.costs = append(r.keys, key), append(r.costs, n)
	return ratelimit.Result{OK: true}, nil
}

func fixedKey(key string) KeyFunc { return func(*http.Request) (string, error) { return key, nil } }

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

func mustNew(tb testing.TB, cfg Config) *Middleware {
	tb.Helper()
	if cfg.Key == nil {
		cfg.Key = fixedKey("alice")
	}
	m, err := New(cfg)
	require.NoError(tb, err)
	return m
}

func get(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	return w
}

func perSecond(tb testing.TB, n int64) *ratelimit.Limiter[string] {
	tb.Helper()
	l, err := ratelimit.New(ratelimit.Config[string]{Limit: ratelimit.Limit{Rate: tokenbucket.PerSecond(n)}})
	require.NoError(tb, err)
	return l
}

func TestNewRejects(t *testing.T) {
	for want, cfg := range map[string]Config{
		"Limiter must not be nil":                        {Key: fixedKey("a")},
		"Key must not be nil":                            {Limiter: answer{}},
		"Policy must be printable ASCII, got \"a\\n\"":   {Limiter: answer{}, Key: fixedKey("a"), Policy: "a\n"},
		"Policy must be printable ASCII, got \"\\x7f\"":  {Limiter: answer{}, Key: fixedKey("a"), Policy: "\x7f"},
		"Policy must be printable ASCII, got \"größe\"":  {Limiter: answer{}, Key: fixedKey("a"), Policy: "größe"},
		"Policy must be printable ASCII, got \"\\x1fa\"": {Limiter: answer{}, Key: fixedKey("a"), Policy: "\x1fa"},
	} {
		m, err := New(cfg)
		assert.Nil(t, m)
		require.ErrorIs(t, err, ErrConfig)
		require.EqualError(t, err, "ratelimithttp: invalid config: "+want)
	}
}

func TestMisusePanics(t *testing.T) {
	assert.PanicsWithValue(t, "ratelimithttp: nil handler", func() { mustNew(t, Config{Limiter: answer{}}).Wrap(nil) })
	assert.PanicsWithValue(t, "ratelimithttp: Middleware not made by New", func() { (*Middleware)(nil).Wrap(ok) })
	assert.PanicsWithValue(t, "ratelimithttp: Middleware not made by New", func() { new(Middleware).Wrap(ok) })
}

// A client through a second and a half of a real limiter.
func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustNew(t, Config{Limiter: perSecond(t, 2)}).Wrap(ok)
		w := get(h)
		assert.Equal(t, http.StatusNoContent, w.Code)
		assert.Equal(t, []string{`"default";q=2;w=1`}, w.Header().Values("RateLimit-Policy"))
		assert.Equal(t, []string{`"default";r=1;t=1`}, w.Header().Values("RateLimit"))
		assert.Empty(t, w.Header().Get("Retry-After"))
		get(h)

		w = get(h)
		assert.Equal(t, http.StatusTooManyRequests, w.Code)
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		assert.Equal(t, []string{`"default";r=0;t=1`}, w.Header().Values("RateLimit"))
		assert.JSONEq(t, `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"violated-policies":["default"]}`, w.Body.String())

		time.Sleep(500 * time.Millisecond)
		assert.Equal(t, http.StatusNoContent, get(h).Code)
		assert.Equal(t, http.StatusTooManyRequests, get(h).Code)
	})
}

func TestFields(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name                 string
		res                  ratelimit.Result
		policy, limit, retry string
	}{
		{"admitted: until all is back", ratelimit.Result{OK: true, Limit: 10, Remaining: 4, Window: time.Minute, ResetAfter: 36*time.Second + 1}, `"p";q=10;w=60`, `"p";r=4;t=37`, ""},
		{"idle", ratelimit.Result{OK: true, Limit: 10, Remaining: 10, Window: time.Minute}, `"p";q=10;w=60`, `"p";r=10;t=0`, ""},
		{"refused: until it fits", ratelimit.Result{Limit: 10, Remaining: 1, Window: time.Minute, RetryAfter: 5 * time.Second, ResetAfter: time.Hour}, `"p";q=10;w=60`, `"p";r=1;t=5`, "5"},
		{"rounded up", ratelimit.Result{Limit: 10, Window: day, RetryAfter: 5*time.Second + 1, ResetAfter: time.Hour}, `"p";q=10;w=86400`, `"p";r=0;t=6`, "6"},
		{"never 0", ratelimit.Result{Limit: 10, Window: time.Second, RetryAfter: 1, ResetAfter: 1}, `"p";q=10;w=1`, `"p";r=0;t=1`, "1"},
		{"a window of no whole seconds", ratelimit.Result{OK: true, Limit: 10, Window: 1500 * time.Millisecond}, `"p";q=10`, `"p";r=0;t=0`, ""},
		{"a window below a second", ratelimit.Result{OK: true, Limit: 10, Window: time.Second - 1}, `"p";q=10`, `"p";r=0;t=0`, ""},
		{"largest integers", ratelimit.Result{OK: true, Limit: math.MaxInt64, Remaining: math.MaxInt64, Window: time.Second}, `"p";q=999999999999999;w=1`, `"p";r=999999999999999;t=0`, ""},
		{"for ever", ratelimit.Result{Limit: 1, Window: time.Second, RetryAfter: math.MaxInt64, ResetAfter: math.MaxInt64}, `"p";q=1;w=1`, `"p";r=0;t=9223372037`, "9223372037"},
		{"unknown quota", ratelimit.Result{OK: true, Source: ratelimit.Fallback}, "", "", ""},
	}
	for _, tt := range tests {
		w := get(mustNew(t, Config{Limiter: answer{res: tt.res}, Policy: "p"}).Wrap(ok))
		assert.Equal(t, tt.policy, w.Header().Get("RateLimit-Policy"), tt.name)
		assert.Equal(t, tt.limit, w.Header().Get("RateLimit"), tt.name)
		assert.Equal(t, tt.retry, w.Header().Get("Retry-After"), tt.name)

		w = get(mustNew(t, Config{Limiter: answer{res: tt.res}, NoFields: true}).Wrap(ok))
		assert.NotContains(t, w.Header(), "Ratelimit")
		assert.NotContains(t, w.Header(), "Ratelimit-Policy")
		assert.Equal(t, tt.retry, w.Header().Get("Retry-After"), tt.name)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	const name = `say "hi" \ bye`
	w := get(mustNew(t, Config{Limiter: answer{res: ratelimit.Result{Limit: 1, RetryAfter: 1}}, Policy: name}).Wrap(ok))
	assert.Equal(t, `"say \"hi\" \\ bye";r=0;t=1`, w.Header().Get("RateLimit"))
	var problem struct {
		Violated []string `json:"violated-policies"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
	assert.Equal(t, []string{name}, problem.Violated)
}

// Limits around one another each show their policy; the innermost that refuses ends it.
func TestStackedLimits(t *testing.T) {
	inner := mustNew(t, Config{Limiter: answer{res: ratelimit.Result{Limit: 5, RetryAfter: time.Second, ResetAfter: time.Second, Window: time.Second}}, Policy: "burst"}).Wrap(ok)
	w := get(mustNew(t, Config{Limiter: answer{res: ratelimit.Result{OK: true, Limit: 100, Remaining: 7, Window: time.Hour}}, Policy: "hour"}).Wrap(inner))
	assert.Equal(t, []string{`"hour";q=100;w=3600`, `"burst";q=5;w=1`}, w.Header().Values("RateLimit-Policy"))
	assert.Equal(t, []string{`"hour";r=7;t=0`, `"burst";r=0;t=1`}, w.Header().Values("RateLimit"))
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
}

func TestFailures(t *testing.T) {
	noKey, broken := errors.New("no cookie"), errors.New("redis is away")
	tests := []struct {
		name  string
		cfg   Config
		code  int
		retry string
		is    []error
	}{
		{"no key", Config{Limiter: answer{}, Key: fixedKey("")}, http.StatusBadRequest, "", []error{ErrKey}},
		{"key error", Config{Limiter: answer{}, Key: func(*http.Request) (string, error) { return "alice", noKey }}, http.StatusBadRequest, "", []error{ErrKey, noKey}},
		{"limiter error", Config{Limiter: answer{err: broken}}, http.StatusServiceUnavailable, "1", []error{broken}},
		{"negative cost", Config{Limiter: perSecond(t, 1), Cost: func(*http.Request) int64 { return -1 }}, http.StatusServiceUnavailable, "1", []error{ratelimit.ErrNegative}},
	}
	for _, tt := range tests {
		called := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("next was called: " + tt.name) })
		w := get(mustNew(t, tt.cfg).Wrap(called))
		assert.Equal(t, tt.code, w.Code, tt.name)
		assert.Equal(t, tt.retry, w.Header().Get("Retry-After"), tt.name)
		assert.NotContains(t, w.Body.String(), "redis", "errors are not for the client")

		var got error
		tt.cfg.Failed = func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		}
		assert.Equal(t, http.StatusTeapot, get(mustNew(t, tt.cfg).Wrap(called)).Code, tt.name)
		for _, target := range tt.is {
			require.ErrorIs(t, got, target, tt.name)
		}
	}
}

// A cost above the quota can never succeed: no Retry-After, and no loop of clients that obey it.
func TestCostAboveTheQuota(t *testing.T) {
	w := get(mustNew(t, Config{Limiter: perSecond(t, 5), Cost: func(*http.Request) int64 { return 6 }}).Wrap(ok))
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.NotContains(t, w.Header(), "Retry-After")
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, `"default";r=5;t=0`, w.Header().Get("RateLimit"))
}

func TestCustomDenied(t *testing.T) {
	res := ratelimit.Result{Limit: 5, RetryAfter: 3 * time.Second, Window: time.Second}
	w := get(mustNew(t, Config{Limiter: answer{res: res}, Denied: func(w http.ResponseWriter, _ *http.Request, got ratelimit.Result) {
		assert.Equal(t, res, got)
		assert.Equal(t, "3", w.Header().Get("Retry-After"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Equal(t, `"default";r=0;t=3`, w.Header().Get("RateLimit"))
		w.WriteHeader(http.StatusTeapot)
	}}).Wrap(ok))
	assert.Equal(t, http.StatusTeapot, w.Code)
	assert.Empty(t, w.Body.String())
}

func TestKeyAndCost(t *testing.T) {
	asked := &recorded{}
	long := strings.Repeat("x", 257)
	keys := []string{"alice", strings.Repeat("y", 256), long, long + "z"}
	m := mustNew(t, Config{
		Limiter: asked,
		Key:     func(r *http.Request) (string, error) { return r.Header.Get("Key"), nil },
		Cost:    func(r *http.Request) int64 { return int64(len(r.Method)) },
	}).Wrap(ok)
	for _, key := range keys {
		r := httptest.NewRequest(http.MethodDelete, "/", http.NoBody)
		r.Header.Set("Key", key)
		m.ServeHTTP(httptest.NewRecorder(), r)
	}
	assert.Equal(t, []int64{6, 6, 6, 6}, asked.costs)
	assert.Equal(t, keys[:2], asked.keys[:2])
	assert.Regexp(t, "^sha256:[0-9a-f]{64}$", asked.keys[2])
	assert.Regexp(t, "^sha256:[0-9a-f]{64}$", asked.keys[3])
	assert.NotEqual(t, asked.keys[2], asked.keys[3])

	asked = &recorded{}
	get(mustNew(t, Config{Limiter: asked}).Wrap(ok))
	assert.Equal(t, []int64{1}, asked.costs)
}

func TestContextOfTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := perSecond(t, 1)
	w := httptest.NewRecorder()
	mustNew(t, Config{Limiter: l}).Wrap(ok).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(ctx))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Zero(t, l.Len())
}

// The writer of the server reaches the handler as it is.
func TestWriterIsPassedOn(t *testing.T) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	mustNew(t, Config{Limiter: answer{res: ratelimit.Result{OK: true}}}).Wrap(http.HandlerFunc(func(gotW http.ResponseWriter, gotR *http.Request) {
		assert.Same(t, w, gotW)
		assert.Same(t, r, gotR)
	})).ServeHTTP(w, r)
}

// Functions of the user may fail in every way: the limiter works on, and the panic goes to the server.
func TestFunctionsPanicAndExit(t *testing.T) {
	boom := func() { panic("boom") }
	for _, fail := range []func(){boom, runtime.Goexit} {
		l := perSecond(t, 3)
		for name, cfg := range map[string]Config{
			"Key":    {Limiter: l, Key: func(*http.Request) (string, error) { fail(); return "", nil }},
			"Cost":   {Limiter: l, Cost: func(*http.Request) int64 { fail(); return 1 }},
			"Denied": {Limiter: answer{}, Denied: func(http.ResponseWriter, *http.Request, ratelimit.Result) { fail() }},
			"Failed": {Limiter: answer{err: ErrKey}, Failed: func(http.ResponseWriter, *http.Request, error) { fail() }},
		} {
			h := mustNew(t, cfg).Wrap(ok)
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				get(h)
			}()
			if got := <-done; got != nil {
				assert.Equal(t, "boom", got, name)
			}
		}
		assert.Equal(t, ratelimit.Stats{}, l.Stats())
	}
}

// What a client parses is what was decided.
func FuzzFields(f *testing.F) {
	f.Add("default", int64(10), int64(4), int64(time.Minute), int64(time.Second), int64(time.Second), true)
	f.Add(`"\`, int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(1), false)
	f.Fuzz(func(t *testing.T, name string, limit, remaining, window, retry, reset int64, admitted bool) {
		res := ratelimit.Result{OK: admitted, Limit: limit, Remaining: remaining, Window: time.Duration(window), RetryAfter: time.Duration(retry), ResetAfter: time.Duration(reset)}
		m, err := New(Config{Limiter: answer{res: res}, Key: fixedKey("a"), Policy: name})
		if err != nil || limit == 0 {
			return
		}
		h := get(m.Wrap(ok)).Header()
		gotName, parameters := parseItem(t, h.Get("RateLimit"))
		if name == "" {
			name = "default"
		}
		require.Equal(t, name, gotName)
		require.Equal(t, min(max(remaining, 0), largest), parameters["r"])
		if !admitted {
			after, err := strconv.ParseInt(h.Get("Retry-After"), 10, 64)
			require.NoError(t, err)
			require.GreaterOrEqual(t, after, int64(1))
			if retry > 0 {
				require.Equal(t, after, parameters["t"])
				require.GreaterOrEqual(t, float64(after), time.Duration(retry).Seconds())
			}
		}
		_, parameters = parseItem(t, h.Get("RateLimit-Policy"))
		require.Equal(t, min(max(limit, 0), largest), parameters["q"])
	})
}

// parseItem reads a string item with integer parameters, as RFC 9651 section 4.2.3 says.
func parseItem(t *testing.T, s string) (name string, parameters map[string]int64) {
	t.Helper()
	require.NotEmpty(t, s)
	require.Equal(t, byte('"'), s[0])
	i := 1
	for ; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
			require.Contains(t, `\"`, string(s[i]))
		}
		name += string(s[i])
	}
	parameters = map[string]int64{}
	for _, p := range strings.Split(s[i+1:], ";")[1:] {
		key, value, found := strings.Cut(p, "=")
		require.True(t, found)
		n, err := strconv.ParseInt(value, 10, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, len(value), 15)
		parameters[key] = n
	}
	return name, parameters
}
