package idgen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mainstay-go/mainstay/idgen"
	"github.com/mainstay-go/mainstay/idgen/idgenredis"
)

// small has few ids per ms, so that every tick is used up and MaxAhead is borrowed.
var small = idgen.Layout{TimeBits: 41, NodeBits: 10, SequenceBits: 8}

// The leases of the children: the shortest there are.
const (
	ttl   = time.Second
	guard = 300 * time.Millisecond
)

// play is the life of a child, which ends only by a signal or with an error.
func play(role string) int {
	out, err := os.OpenFile(os.Getenv("IDGEN_OUT"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fail(err)
	}
	switch role {
	case "numbered":
		err = numbered(out)
	case "holder":
		err = holder(out)
	}
	return fail(err)
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// numbered makes ids under a number that it was given, as fast as it can, and writes each batch.
func numbered(out *os.File) error {
	ahead, err := time.ParseDuration(os.Getenv("IDGEN_AHEAD"))
	if err != nil {
		return err
	}
	g, err := idgen.New(idgen.Config{Node: 7, Layout: small, MaxAhead: ahead})
	if err != nil {
		return err
	}
	ids := make([]idgen.ID, 64)
	for {
		n, err := g.NextN(context.Background(), ids)
		var text []byte
		for _, id := range ids[:n] {
			text = binary.BigEndian.AppendUint64(text, uint64(id))
		}
		if _, writeErr := out.Write(text); err != nil || writeErr != nil {
			return errors.Join(err, writeErr)
		}
	}
}

// childStore is a store as the environment says.
func childStore() (idgen.NodeStore, error) {
	if dir := os.Getenv("IDGEN_DIR"); dir != "" {
		return idgen.NewFileStore(dir)
	}
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("IDGEN_REDIS"), MaxRetries: -1, ContextTimeoutEnabled: true})
	return idgenredis.New(idgenredis.Config{Client: idgenredis.FromGoRedis(client)})
}

// record is one id: when its call began, the id, and the token under which it was made.
type record struct{ began, id, token int64 }

const recordSize = 24

// holder claims a number, makes ids for a while, one at a time, gives the number back or loses it, and begins again.
func holder(out *os.File) error {
	store, err := childStore()
	if err != nil {
		return err
	}
	nodes, err := strconv.ParseInt(os.Getenv("IDGEN_NODES"), 10, 64)
	if err != nil {
		return err
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		lease, err := idgen.NewLease(ctx, idgen.LeaseConfig{Store: store, Nodes: nodes, TTL: ttl, Guard: guard})
		cancel()
		if err != nil { // no number is free, or the store is down: both pass
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err := hold(out, lease); err != nil {
			return err
		}
		_ = lease.Close() // the store may be down; then the number is free after Guard all the same
	}
}

func hold(out *os.File, lease *idgen.Lease) error {
	g, err := idgen.New(idgen.Config{Lease: lease, Layout: small, MaxAhead: guard / 10})
	if err != nil {
		return err
	}
	for range 100 + rand.IntN(2000) {
		began := time.Now().UnixNano()
		id, err := g.Next(context.Background())
		if errors.Is(err, idgen.ErrLeaseLost) {
			return nil
		}
		if err != nil {
			return err
		}
		var text []byte
		for _, n := range []int64{began, int64(id), lease.Token()} {
			text = binary.BigEndian.AppendUint64(text, uint64(n))
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
		if rand.IntN(4) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}
