package idgen

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mainstay-go/mainstay/idgen"
	"github.com/mainstay-go/mainstay/idgen/idgenredis"
	"github.com/mainstay-go/mainstay/internal/integration/redisserver"
)

// All clients of this shape infer the type of their commands.
var (
	_ = idgenredis.FromGoRedis((*redis.Client)(nil))
	_ = idgenredis.FromGoRedis((*redis.ClusterClient)(nil))
	_ = idgenredis.FromGoRedis((*redis.Ring)(nil))
	_ = idgenredis.FromGoRedis((*redis.Conn)(nil))
	_ = func(c redis.UniversalClient, s redis.Scripter) {
		idgenredis.FromGoRedis(c)
		idgenredis.FromGoRedis(s)
	}
)

func connect(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return client
}

func newStore(t *testing.T, client idgenredis.Scripter, key string) *idgenredis.Store {
	t.Helper()
	s, err := idgenredis.New(idgenredis.Config{Client: client, Key: key})
	require.NoError(t, err)
	return s
}

// The sentences of NodeStore, on a real server, through both adapters.
func TestStoreOnRedis(t *testing.T) {
	client := connect(t, redisserver.Start(t).Addr())
	for name, scripter := range map[string]idgenredis.Scripter{
		"go-redis": idgenredis.FromGoRedis(client),
		"words":    idgenredis.DoFunc(func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }),
	} {
		t.Run("client="+name, func(t *testing.T) {
			ctx, s := t.Context(), newStore(t, scripter, name)
			last, tokens := int64(0), [3]int64{}
			for node := range int64(3) {
				got, token, err := s.Claim(ctx, 3, time.Hour)
				require.NoError(t, err)
				assert.Equal(t, node, got, "the lowest that was never used")
				assert.Greater(t, token, last)
				assert.Less(t, token, int64(1)<<53)
				last, tokens[node] = token, token
			}
			_, _, err := s.Claim(ctx, 3, time.Hour)
			require.ErrorIs(t, err, idgen.ErrNoNode)
			for _, wrong := range []struct{ node, token int64 }{{0, tokens[1]}, {3, tokens[0]}, {-1, tokens[0]}, {0, tokens[0] + 1}} {
				require.ErrorIs(t, s.Extend(ctx, wrong.node, wrong.token, time.Hour), idgen.ErrLeaseLost)
			}
			require.NoError(t, s.Extend(ctx, 2, tokens[2], time.Microsecond))
			time.Sleep(3 * time.Millisecond)
			require.NoError(t, s.Extend(ctx, 1, tokens[1], time.Microsecond))
			time.Sleep(3 * time.Millisecond)
			require.NoError(t, s.Extend(ctx, 2, tokens[2], time.Millisecond), "ended, but not taken")
			time.Sleep(3 * time.Millisecond)
			got, token, err := s.Claim(ctx, 2, time.Hour)
			require.NoError(t, err)
			assert.Equal(t, int64(1), got, "the one that ended first")
			assert.Greater(t, token, last)
			require.ErrorIs(t, s.Extend(ctx, 1, tokens[1], time.Hour), idgen.ErrLeaseLost)
			require.NoError(t, s.Extend(ctx, 1, token, 2*time.Hour))
			for _, key := range []string{"{" + name + "}:until", "{" + name + "}:token"} {
				left, err := client.PTTL(ctx, key).Result()
				require.NoError(t, err)
				assert.InDelta(t, 26*time.Hour, left, float64(time.Minute), "a day after the last reservation ends: %s", key)
			}
		})
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"{go-redis}:until", "{go-redis}:token", "{words}:until", "{words}:token"}, keys)
}

// Tokens grow even if the server's clock has gone back since the last one.
func TestTokensGrowWhateverTheServersClock(t *testing.T) {
	client := connect(t, redisserver.Start(t).Addr())
	s := newStore(t, idgenredis.FromGoRedis(client), "")
	_, first, err := s.Claim(t.Context(), 2, time.Hour)
	require.NoError(t, err)
	future := first + int64(10*time.Hour/time.Microsecond)
	require.NoError(t, client.HSet(t.Context(), "{idgen}:token", "last", future).Err())
	_, second, err := s.Claim(t.Context(), 2, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, future+1, second)
}

// A number above those of this caller, of somebody who shares the key with more of them, is not given to it.
func TestOtherNumberOfNodes(t *testing.T) {
	client := connect(t, redisserver.Start(t).Addr())
	s := newStore(t, idgenredis.FromGoRedis(client), "")
	for node := range int64(250) {
		got, _, err := s.Claim(t.Context(), 250, time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, node, got)
	}
	_, _, err := s.Claim(t.Context(), 251, time.Hour)
	require.NoError(t, err)
	time.Sleep(5 * time.Millisecond)
	for node := range int64(2) { // behind 248 others that ended later or have too large numbers
		got, _, err := s.Claim(t.Context(), 2, time.Hour)
		require.NoError(t, err)
		assert.Equal(t, node, got)
	}
	_, _, err = s.Claim(t.Context(), 2, time.Hour)
	require.ErrorIs(t, err, idgen.ErrNoNode)
}

func TestAForeignKeyIsAnError(t *testing.T) {
	client := connect(t, redisserver.Start(t).Addr())
	require.NoError(t, client.Set(t.Context(), "{idgen}:until", "mine", 0).Err())
	s := newStore(t, idgenredis.FromGoRedis(client), "")
	_, _, err := s.Claim(t.Context(), 2, time.Hour)
	require.ErrorContains(t, err, "WRONGTYPE")
	assert.Equal(t, "mine", client.Get(t.Context(), "{idgen}:until").Val())
}

func TestScriptFlushAndRestart(t *testing.T) {
	server := redisserver.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	client := connect(t, server.Addr())
	s := newStore(t, idgenredis.FromGoRedis(client), "")
	node, token, err := s.Claim(t.Context(), 1, time.Hour)
	require.NoError(t, err)
	require.NoError(t, client.ScriptFlush(t.Context()).Err())
	require.NoError(t, s.Extend(t.Context(), node, token, time.Hour))
	server.Kill()
	require.Error(t, s.Extend(t.Context(), node, token, time.Hour))
	server.Restart()
	again := newStore(t, idgenredis.FromGoRedis(connect(t, server.Addr())), "")
	require.NoError(t, again.Extend(t.Context(), node, token, time.Hour))
	_, _, err = again.Claim(t.Context(), 1, time.Hour)
	require.ErrorIs(t, err, idgen.ErrNoNode)
}

// cluster is a primary and its replica, and a client that follows a failover.
type cluster struct {
	primary, replica *redisserver.Server
	addr             atomic.Pointer[string]
	client           *redis.Client
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	// By default a primary waits 5 s for more replicas before it sends what it has.
	c := &cluster{primary: redisserver.Start(t, "--repl-diskless-sync-delay", "0"), replica: redisserver.Start(t)}
	addr := c.primary.Addr()
	c.addr.Store(&addr)
	c.client = redis.NewClient(&redis.Options{
		MaxRetries: -1, ContextTimeoutEnabled: true,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", *c.addr.Load())
		},
	})
	t.Cleanup(func() { assert.NoError(t, c.client.Close()) })
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	replica := connect(t, c.replica.Addr())
	require.NoError(t, replica.Do(t.Context(), "REPLICAOF", host, port).Err())
	for !strings.Contains(replica.Info(t.Context(), "replication").Val(), "master_link_status:up") {
		time.Sleep(10 * time.Millisecond)
	}
	return c
}

// failOver kills the primary and makes the replica the primary.
func (c *cluster) failOver(t *testing.T) {
	t.Helper()
	c.primary.Kill()
	require.NoError(t, connect(t, c.replica.Addr()).Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	addr := c.replica.Addr()
	c.addr.Store(&addr)
}

func (c *cluster) lease(t *testing.T) (*idgen.Lease, error) {
	t.Helper()
	store := newStore(t, idgenredis.FromGoRedis(c.client), "")
	return idgen.NewLease(t.Context(), idgen.LeaseConfig{Store: store, Nodes: 1, TTL: ttl, Guard: 5 * time.Second})
}

// A claim that the replica has acknowledged survives a failover: the holder goes on, and nobody else gets the number.
func TestFailoverKeepsAnAcknowledgedClaim(t *testing.T) {
	c := newCluster(t)
	lease, err := c.lease(t)
	require.NoError(t, err)
	defer lease.Close()
	require.Equal(t, int64(1), c.client.Do(t.Context(), "WAIT", 1, 5000).Val())
	c.failOver(t)
	_, err = c.lease(t)
	require.ErrorIs(t, err, idgen.ErrNoNode)
	time.Sleep(2 * ttl)
	require.NoError(t, lease.Err(), "extended on the new primary")
	_, err = c.lease(t)
	require.ErrorIs(t, err, idgen.ErrNoNode)
}

// A claim that the replica has not seen is forgotten, as is written down: the number is given out a second time, and the first
// holder stops for good by its next extension.
func TestFailoverForgetsAnUnseenClaim(t *testing.T) {
	c := newCluster(t)
	require.NoError(t, connect(t, c.replica.Addr()).Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(), "cut off from the primary")
	first, err := c.lease(t)
	require.NoError(t, err)
	defer first.Close()
	c.failOver(t)
	second, err := c.lease(t)
	require.NoError(t, err)
	defer second.Close()
	assert.Equal(t, first.Node(), second.Node())
	assert.Greater(t, second.Token(), first.Token(), "the fencing token tells them apart")
	time.Sleep(ttl/3 + ttl/5)
	require.ErrorIs(t, first.Err(), idgen.ErrLeaseLost)
	require.NoError(t, second.Err())
}
