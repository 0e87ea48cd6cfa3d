package idgenredis_test

import (
	"context"
	"fmt"

	"github.com/mainstay-go/mainstay/idgen"
	"github.com/mainstay-go/mainstay/idgen/idgenredis"
)

// Any client that can send a command will do; a client shaped like go-redis is adapted by FromGoRedis. This one plays a
// server that gives number 3.
func Example() {
	client := idgenredis.DoFunc(func(_ context.Context, words ...any) (any, error) {
		if len(words) == 5+2 { // EVALSHA sha 2 key key, and the arguments of a claim: nodes, ttl
			return []any{int64(3), int64(1_700_000_000_000_000)}, nil
		}
		return int64(1), nil
	})
	store, err := idgenredis.New(idgenredis.Config{Client: client})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	lease, err := idgen.NewLease(ctx, idgen.LeaseConfig{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := idgen.New(idgen.Config{Lease: lease})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := ids.Next(ctx)
	fmt.Println(ids.Layout().Decode(id).Node, err)
	fmt.Println(lease.Close())
	_, err = ids.Next(ctx)
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// <nil>
	// idgen: node lease lost
}
