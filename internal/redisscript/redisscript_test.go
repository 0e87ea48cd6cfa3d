package redisscript

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers each command by a function and notes what it was sent.
type server struct {
	sent   [][]any
	answer func(command string) (any, error)
}

func (s *server) do(_ context.Context, args ...any) (any, error) {
	s.sent = append(s.sent, args)
	return s.answer(args[0].(string))
}

func TestDoFuncSendsTheWordsOfTheCommand(t *testing.T) {
	s := &server{answer: func(string) (any, error) { return int64(1), nil }}
	do := DoFunc(s.do)
	_, err := do.EvalSha(t.Context(), "sha", []string{"a", "b"}, 1, "x")
	require.NoError(t, err)
	_, err = do.Eval(t.Context(), "return 1", nil)
	require.NoError(t, err)
	assert.Equal(t, [][]any{{"EVALSHA", "sha", 2, "a", "b", 1, "x"}, {"EVAL", "return 1", 0}}, s.sent)
}

func TestRunSendsTheDigestFirst(t *testing.T) {
	s := &server{answer: func(string) (any, error) { return "ok", nil }}
	got, err := New("return 1").Run(t.Context(), DoFunc(s.do), []string{"k"}, 7)
	require.NoError(t, err)
	assert.Equal(t, "ok", got)
	assert.Equal(t, [][]any{{"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 1, "k", 7}}, s.sent)
}

func TestRunSendsTheTextOnceAfterNoScript(t *testing.T) {
	noScript := errors.New("NOSCRIPT No matching script. Please use EVAL")
	for name, second := range map[string]error{"then it works": nil, "then it fails": errors.New("OOM"), "again": noScript} {
		s := &server{answer: func(command string) (any, error) {
			if command == "EVALSHA" {
				return nil, noScript
			}
			return "ok", second
		}}
		_, err := New("return 1").Run(t.Context(), DoFunc(s.do), []string{"k"}, 7)
		assert.Equal(t, second, err, name)
		require.Len(t, s.sent, 2, name)
		assert.Equal(t, []any{"EVAL", "return 1", 1, "k", 7}, s.sent[1], name)
	}
}

func TestRunRepeatsNothingElse(t *testing.T) {
	for _, failure := range []error{context.DeadlineExceeded, errors.New("i/o timeout"), errors.New("ERR Error running script: NOSCRIPT")} {
		s := &server{answer: func(string) (any, error) { return nil, failure }}
		_, err := New("return 1").Run(t.Context(), DoFunc(s.do), nil)
		assert.Equal(t, failure, err)
		assert.Len(t, s.sent, 1)
	}
}

// cmd and client have the shape of go-redis.
type cmd struct {
	v   any
	err error
}

func (c *cmd) Result() (any, error) { return c.v, c.err }

type client struct{ result cmd }

func (c *client) EvalSha(_ context.Context, sha string, keys []string, args ...any) *cmd {
	if c.result.err != nil || c.result.v == nil {
		return &c.result
	}
	return &cmd{v: append([]any{"EVALSHA", sha, keys[0]}, args...)}
}

func (c *client) Eval(_ context.Context, script string, keys []string, args ...any) *cmd {
	return &cmd{v: append([]any{"EVAL", script, keys[0]}, args...)}
}

func TestFromGoRedisPassesEverythingOn(t *testing.T) {
	s := FromGoRedis(&client{result: cmd{v: true}})
	v, err := s.EvalSha(t.Context(), "sha", []string{"k"}, 1, 2)
	require.NoError(t, err)
	assert.Equal(t, []any{"EVALSHA", "sha", "k", 1, 2}, v)
	v, err = s.Eval(t.Context(), "text", []string{"k"}, 3)
	require.NoError(t, err)
	assert.Equal(t, []any{"EVAL", "text", "k", 3}, v)
}

func TestFromGoRedisErrors(t *testing.T) {
	failure := errors.New("refused")
	_, err := FromGoRedis(&client{result: cmd{err: failure}}).EvalSha(t.Context(), "sha", nil)
	require.ErrorIs(t, err, failure)
	v, err := FromGoRedis(&client{result: cmd{err: errors.New("redis: nil")}}).EvalSha(t.Context(), "sha", nil)
	require.NoError(t, err, "a nil reply is a value")
	assert.Nil(t, v)
}

func TestInt(t *testing.T) {
	for _, v := range []any{int64(-7), -7, "-7", []byte("-7")} {
		n, err := Int(v)
		require.NoError(t, err)
		assert.Equal(t, int64(-7), n)
	}
	for _, v := range []any{nil, 7.0, "", "7.5", "9223372036854775808", []byte(nil), []any{int64(7)}, errors.New("x")} {
		_, err := Int(v)
		require.Error(t, err, "%T %v", v, v)
	}
}

func TestInts(t *testing.T) {
	var dst [2]int64
	require.NoError(t, Ints([]any{int64(1), "2", "more"}, dst[:]))
	assert.Equal(t, [2]int64{1, 2}, dst)
	for _, v := range []any{nil, int64(1), "1 2", []any{}, []any{int64(1)}, []any{int64(1), nil}, []int64{1, 2}} {
		require.Error(t, Ints(v, dst[:]), "%T %v", v, v)
	}
}
