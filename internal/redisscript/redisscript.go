// Package redisscript runs Lua scripts on Redis and Valkey through whatever
// client the user has, so that mainstay depends on none.
//
// A [Scripter] is two methods, EVALSHA and EVAL. [FromGoRedis] makes one of
// every client that is shaped like go-redis, and [DoFunc] of everything that
// can send a command. A [Script] sends its digest, and its text once if the
// server does not know the digest. [Ints] and its like read replies, whose
// integers arrive as different types from different clients.
//
// The packages that users import, idgen/idgenredis, ratelimit/ratelimitredis
// and dlq/dlqredis, alias the types.
package redisscript

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// Scripter runs Lua scripts. Replies are nil, int64, string or []any of these;
// an integer may also come as int, string or []byte. Methods must be safe for
// concurrent use.
type Scripter interface {
	EvalSha(ctx context.Context, sha string, keys []string, args ...any) (any, error)
	Eval(ctx context.Context, script string, keys []string, args ...any) (any, error)
}

// DoFunc adapts a client that sends one command given as its words: "EVALSHA",
// sha, the number of keys as an int, the keys, the arguments.
type DoFunc func(ctx context.Context, args ...any) (any, error)

// EvalSha sends EVALSHA.
func (f DoFunc) EvalSha(ctx context.Context, sha string, keys []string, args ...any) (any, error) {
	return f(ctx, words("EVALSHA", sha, keys, args)...)
}

// Eval sends EVAL.
func (f DoFunc) Eval(ctx context.Context, script string, keys []string, args ...any) (any, error) {
	return f(ctx, words("EVAL", script, keys, args)...)
}

func words(command, script string, keys []string, args []any) []any {
	w := append(make([]any, 0, 3+len(keys)+len(args)), command, script, len(keys))
	for _, key := range keys {
		w = append(w, key)
	}
	return append(w, args...)
}

// FromGoRedis adapts every client shaped like go-redis: its Client,
// ClusterClient, Ring and UniversalClient, v8 and v9, and the compatibility
// packages of rueidis and valkey-go. C is inferred from the client.
func FromGoRedis[C interface{ Result() (any, error) }](client interface {
	EvalSha(ctx context.Context, sha string, keys []string, args ...any) C
	Eval(ctx context.Context, script string, keys []string, args ...any) C
},
) Scripter {
	return goRedis{
		evalSha: func(ctx context.Context, sha string, keys []string, args []any) (any, error) {
			return reply(client.EvalSha(ctx, sha, keys, args...).Result())
		},
		eval: func(ctx context.Context, script string, keys []string, args []any) (any, error) {
			return reply(client.Eval(ctx, script, keys, args...).Result())
		},
	}
}

// goRedis hides the type of the client's commands.
type goRedis struct {
	evalSha, eval func(ctx context.Context, script string, keys []string, args []any) (any, error)
}

// EvalSha calls the client.
func (g goRedis) EvalSha(ctx context.Context, sha string, keys []string, args ...any) (any, error) {
	return g.evalSha(ctx, sha, keys, args)
}

// Eval calls the client.
func (g goRedis) Eval(ctx context.Context, script string, keys []string, args ...any) (any, error) {
	return g.eval(ctx, script, keys, args)
}

// nilReply is the text of the error by which clients of this shape report that
// a reply was nil, which for a script is a value like any other.
const nilReply = "redis: nil"

func reply(v any, err error) (any, error) {
	if err != nil && err.Error() == nilReply {
		return nil, nil
	}
	return v, err
}

// Script is a Lua script and its digest.
type Script struct{ text, sha string }

// New returns the script with the text.
func New(text string) *Script {
	digest := sha1.Sum([]byte(text)) // the name that EVALSHA asks for; nothing is protected by it
	return &Script{text, hex.EncodeToString(digest[:])}
}

// Run runs the script by its digest, and by its text if the server answers
// NOSCRIPT, as it does after a restart, a failover or SCRIPT FLUSH; the text
// makes the server know the digest. Nothing else is tried again: a call whose
// answer got lost may have had its effect. A done ctx is left to the caller.
func (s *Script) Run(ctx context.Context, client Scripter, keys []string, args ...any) (any, error) {
	v, err := client.EvalSha(ctx, s.sha, keys, args...)
	if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		return client.Eval(ctx, s.text, keys, args...)
	}
	return v, err
}
