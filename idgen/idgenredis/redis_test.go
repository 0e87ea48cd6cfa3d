package idgenredis

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mainstay-go/mainstay/idgen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted answers every command with one reply and notes the words. What real servers do is tested in internal/integration.
type scripted struct {
	reply any
	err   error
	sent  [][]any
}

func (s *scripted) do(_ context.Context, args ...any) (any, error) {
	s.sent = append(s.sent, args)
	return s.reply, s.err
}

func store(t *testing.T, s *scripted) *Store {
	t.Helper()
	store, err := New(Config{Client: DoFunc(s.do)})
	require.NoError(t, err)
	return store
}

var _ idgen.NodeStore = (*Store)(nil)

func TestNewRejects(t *testing.T) {
	client := DoFunc((&scripted{}).do)
	for _, c := range []struct {
		field string
		cfg   Config
	}{
		{"Client", Config{}},
		{"Key", Config{Client: client, Key: "{a}"}},
		{"Key", Config{Client: client, Key: "a}"}},
		{"Key", Config{Client: client, Key: "{"}},
	} {
		s, err := New(c.cfg)
		require.ErrorIs(t, err, idgen.ErrConfig)
		require.ErrorContains(t, err, "idgen: invalid config: "+c.field+" must ")
		assert.Nil(t, s)
	}
}

func TestBadArgumentsAreNotSent(t *testing.T) {
	s := &scripted{}
	st := store(t, s)
	for _, nodes := range []int64{0, -1, 1<<24 + 1, math.MinInt64, math.MaxInt64} {
		_, _, err := st.Claim(t.Context(), nodes, time.Second)
		require.ErrorIs(t, err, idgen.ErrConfig)
	}
	for _, ttl := range []time.Duration{0, -1, math.MinInt64} {
		_, _, err := st.Claim(t.Context(), 1, ttl)
		require.ErrorIs(t, err, idgen.ErrConfig)
		require.ErrorIs(t, st.Extend(t.Context(), 1, 1, ttl), idgen.ErrConfig)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, _, err := st.Claim(ctx, 1, time.Second)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, st.Extend(ctx, 1, 1, time.Second), context.Canceled)
	assert.Empty(t, s.sent)
}

func TestNilAndZeroStore(t *testing.T) {
	var zero Store
	_, _, err := zero.Claim(t.Context(), 1, time.Second)
	require.ErrorIs(t, err, idgen.ErrConfig)
	require.ErrorIs(t, zero.Extend(t.Context(), 1, 1, time.Second), idgen.ErrConfig)
	var absent *Store
	assert.Panics(t, func() { _, _, _ = absent.Claim(t.Context(), 1, time.Second) })
	assert.Panics(t, func() { _ = absent.Extend(t.Context(), 1, 1, time.Second) })
}

func TestWordsOfTheCommands(t *testing.T) {
	s := &scripted{reply: []any{int64(5), int64(7)}}
	st, err := New(Config{Client: DoFunc(s.do), Key: "ids"})
	require.NoError(t, err)
	node, token, err := st.Claim(t.Context(), 10, time.Millisecond+1)
	require.NoError(t, err)
	assert.Equal(t, int64(5), node)
	assert.Equal(t, int64(7), token)
	s.reply = int64(1)
	require.NoError(t, st.Extend(t.Context(), 5, 7, 2*time.Millisecond))
	require.Len(t, s.sent, 2)
	for i, want := range [][]any{{"10", "2"}, {"5", "7", "2"}} {
		assert.Equal(t, "EVALSHA", s.sent[i][0])
		assert.Len(t, s.sent[i][1], 40)
		assert.Equal(t, append([]any{2, "{ids}:until", "{ids}:token"}, want...), s.sent[i][2:])
	}
}

func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 2*time.Millisecond - 1: 2, time.Hour: 3_600_000, math.MaxInt64: 100 * 365 * 24 * 3_600_000,
	} {
		assert.Equal(t, want, milliseconds(d), d)
	}
}

// Integers come in the types that clients choose.
func TestReplies(t *testing.T) {
	for _, reply := range [][]any{{int64(5), int64(7)}, {5, 7}, {"5", "7"}, {[]byte("5"), []byte("7")}} {
		node, token, err := store(t, &scripted{reply: reply}).Claim(t.Context(), 10, time.Second)
		require.NoError(t, err)
		assert.Equal(t, int64(5), node)
		assert.Equal(t, int64(7), token)
	}
	_, _, err := store(t, &scripted{reply: []any{int64(-1), int64(0)}}).Claim(t.Context(), 10, time.Second)
	require.ErrorIs(t, err, idgen.ErrNoNode)
	for _, reply := range []any{int64(1), 1, "1", []byte("1")} {
		require.NoError(t, store(t, &scripted{reply: reply}).Extend(t.Context(), 5, 7, time.Second))
	}
	require.ErrorIs(t, store(t, &scripted{reply: int64(0)}).Extend(t.Context(), 5, 7, time.Second), idgen.ErrLeaseLost)
}

func TestMalformedReplies(t *testing.T) {
	for _, reply := range []any{
		nil, int64(1), "OK",
		[]any{},
		[]any{int64(1)},
		[]any{int64(1), nil},
		[]any{"x", "7"},
		[]any{1.5, 7},
		[]any{int64(10), int64(7)},
		[]any{int64(-2), int64(7)},
		[]any{int64(5), int64(0)},
		[]any{int64(5), int64(-7)},
		[]int64{5, 7},
		map[string]int{},
		errors.New("x"),
	} {
		_, _, err := store(t, &scripted{reply: reply}).Claim(t.Context(), 10, time.Second)
		require.Error(t, err, "%v", reply)
		require.NotErrorIs(t, err, idgen.ErrNoNode, "%v", reply)
	}
	for _, reply := range []any{nil, "OK", int64(2), int64(-1), []any{int64(1)}, 1.0, true} {
		err := store(t, &scripted{reply: reply}).Extend(t.Context(), 5, 7, time.Second)
		require.Error(t, err, "%v", reply)
		require.NotErrorIs(t, err, idgen.ErrLeaseLost, "an answer that cannot be read takes nothing away: %v", reply)
	}
}

func TestErrorsOfTheClientPassThroughUnrepeated(t *testing.T) {
	s := &scripted{err: errors.New("i/o timeout")}
	_, _, err := store(t, s).Claim(t.Context(), 10, time.Second)
	require.ErrorIs(t, err, s.err)
	require.ErrorIs(t, store(t, s).Extend(t.Context(), 5, 7, time.Second), s.err)
	assert.Len(t, s.sent, 2, "a claim whose answer got lost may have had its effect")
}

func TestNoScriptSendsTheTextOnce(t *testing.T) {
	s := &scripted{err: errors.New("NOSCRIPT No matching script. Please use EVAL")}
	require.Error(t, store(t, s).Extend(t.Context(), 5, 7, time.Second))
	require.Len(t, s.sent, 2)
	assert.Equal(t, "EVAL", s.sent[1][0])
	assert.Contains(t, s.sent[1][1], "PEXPIREAT")
	assert.Equal(t, s.sent[0][2:], s.sent[1][2:])
}
