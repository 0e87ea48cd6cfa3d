// Package idgenredis keeps the node numbers of package idgen in Redis or
// Valkey, for the processes of many machines. It imports no client.
//
//	store, err := idgenredis.New(idgenredis.Config{Client: idgenredis.FromGoRedis(client)})
//	if err != nil { ... }
//	lease, err := idgen.NewLease(ctx, idgen.LeaseConfig{Store: store})
//	if err != nil { ... }
//	defer lease.Close()
//	ids, err := idgen.New(idgen.Config{Lease: lease})
//
// # Choosing
//
// idgen.FileStore does the same for the processes of one host, and
// idgen.MemoryStore for those of one test. Where an orchestrator numbers the
// replicas, as a Kubernetes StatefulSet does, that number is a node already.
//
// # Algorithm
//
// A sorted set, {Key}:until, has the end of each reservation as the score of
// its number; a hash, {Key}:token, has its fencing token. Claim and Extend are
// one Lua script each, hence atomic, and one round trip: EVALSHA, and once EVAL
// if the server answers NOSCRIPT. All times are those of the server's TIME; the
// clocks of the clients do not matter. A token is the server's time in
// microseconds, or one more than the last token if that is larger. Both keys
// expire a day after the last reservation has ended.
//
// # Concurrency
//
// All methods may be called concurrently, by any number of processes.
//
// # Limits
//
// Replication of Redis is asynchronous: a failover may forget a claim that was
// answered, and the number is then given out a second time. The first holder
// learns it at its next extension, after TTL/3 at most; where that matters, let
// the server acknowledge with WAIT or min-replicas-to-write, or choose a TTL
// shorter than a failover takes. A server that loses its data forgets every
// claim: the holders lose their leases at the next extension, and whoever
// claims before that may be given a number that is still in use. A server whose
// clock goes back keeps reservations for so much longer; one whose clock steps
// ahead ends them early.
//
// Clients that repeat a command by themselves may claim two numbers for one
// call, of which one stays reserved for TTL+Guard.
package idgenredis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-go/mainstay/idgen"
	"github.com/mainstay-go/mainstay/internal/ctxerr"
	"github.com/mainstay-go/mainstay/internal/redisscript"
)

// Scripter runs Lua scripts: EvalSha(ctx, sha, keys, args...) and Eval(ctx,
// script, keys, args...), each with a reply and an error. Integers in replies
// may be int64, int, string or []byte.
type Scripter = redisscript.Scripter

// DoFunc adapts every client that can send a command given as its words:
// "EVALSHA", sha, 2, both keys, arguments.
type DoFunc = redisscript.DoFunc

// FromGoRedis adapts every client shaped like go-redis: Client, ClusterClient,
// Ring and UniversalClient of v8 and v9, and the compatibility packages of
// rueidis and valkey-go. C is inferred.
func FromGoRedis[C interface{ Result() (any, error) }](client interface {
	EvalSha(ctx context.Context, sha string, keys []string, args ...any) C
	Eval(ctx context.Context, script string, keys []string, args ...any) C
},
) Scripter {
	return redisscript.FromGoRedis(client)
}

// Config describes a Store.
type Config struct {
	Client Scripter // required

	// Key names the registry, whose Redis keys are {Key}:until and {Key}:token;
	// the braces put both into one slot of a cluster, so that Key must have
	// none. The default is "idgen".
	Key string
}

const defaultKey = "idgen"

// Store is an idgen.NodeStore. Create it with New; the methods panic on a nil
// Store, and a zero one returns an error that matches idgen.ErrConfig.
type Store struct {
	_      [0]func() // not comparable
	client Scripter
	keys   []string
}

// New returns a store. It does not talk to the server. An error matches
// idgen.ErrConfig and names the field.
func New(cfg Config) (*Store, error) {
	if cfg.Client == nil {
		return nil, fmt.Errorf("%w: Client must be set, got nil", idgen.ErrConfig)
	}
	if strings.ContainsAny(cfg.Key, "{}") {
		return nil, fmt.Errorf("%w: Key must have no braces, got %.40q", idgen.ErrConfig, cfg.Key)
	}
	if cfg.Key == "" {
		cfg.Key = defaultKey
	}
	tag := "{" + cfg.Key + "}"
	return &Store{client: cfg.Client, keys: []string{tag + ":until", tag + ":token"}}, nil
}

// maxNodes is the most that idgen has room for.
const maxNodes = 1 << 24

// Claim reserves a number, as idgen.NodeStore says; ttl is rounded up to ms. One
// round trip.
func (s *Store) Claim(ctx context.Context, nodes int64, ttl time.Duration) (node, token int64, err error) {
	if nodes < 1 || nodes > maxNodes {
		return 0, 0, fmt.Errorf("%w: nodes must be 1 to 1<<24, got %d", idgen.ErrConfig, nodes)
	}
	reply, err := s.run(ctx, claimScript, ttl, nodes)
	if err != nil {
		return 0, 0, err
	}
	var got [2]int64
	if err := redisscript.Ints(reply, got[:]); err != nil {
		return 0, 0, fmt.Errorf("idgenredis: claim: %w", err)
	}
	node, token = got[0], got[1]
	switch {
	case node == -1:
		return 0, 0, idgen.ErrNoNode
	case node < 0 || node >= nodes || token < 1:
		return 0, 0, fmt.Errorf("idgenredis: claim: reply has node %d of %d, token %d", node, nodes, token)
	}
	return node, token, nil
}

// Extend extends a reservation, as idgen.NodeStore says; ttl is rounded up to
// ms. One round trip.
func (s *Store) Extend(ctx context.Context, node, token int64, ttl time.Duration) error {
	reply, err := s.run(ctx, extendScript, ttl, node, token)
	if err != nil {
		return err
	}
	switch held, err := redisscript.Int(reply); {
	case err != nil:
		return fmt.Errorf("idgenredis: extend: %w", err)
	case held == 0:
		return idgen.ErrLeaseLost
	case held != 1:
		return fmt.Errorf("idgenredis: extend: reply is %d", held)
	}
	return nil
}

// run sends the script with the numbers and the ttl in ms. They go as text,
// which every client sends as it is.
func (s *Store) run(ctx context.Context, script *redisscript.Script, ttl time.Duration, numbers ...int64) (any, error) {
	if s.client == nil {
		return nil, fmt.Errorf("%w: Store must be made by New", idgen.ErrConfig)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("%w: ttl must be positive, got %v", idgen.ErrConfig, ttl)
	}
	if ctx.Err() != nil {
		return nil, ctxerr.Of(ctx)
	}
	args := make([]any, 0, 3)
	for _, n := range append(numbers, milliseconds(ttl)) {
		args = append(args, strconv.FormatInt(n, 10))
	}
	return script.Run(ctx, s.client, s.keys, args...)
}

// milliseconds rounds up, and keeps what is sent far below the 2^53 µs that a
// Lua number holds exactly.
func milliseconds(d time.Duration) int64 {
	const century = 100 * 365 * 24 * time.Hour
	d = min(d, century)
	return int64((d-1)/time.Millisecond) + 1
}
