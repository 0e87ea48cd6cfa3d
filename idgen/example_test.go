package idgen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"github.com/mainstay-go/mainstay/idgen"
)

// The answer on the whiteboard: one generator per process, with a number that no other process has.
func Example() {
	ids, err := idgen.New(idgen.Config{Node: 7})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	a, _ := ids.Next(ctx)
	b, _ := ids.Next(ctx)
	fmt.Println(a < b, ids.Layout().Decode(a).Node, ids.Layout().Decode(b).Node)
	// Output: true 7 7
}

// The textbook's formula lets the sequence spill into the bits of the node. Here two nodes make 3,000 ids each in one ms.
func Example_textbook() {
	seen, duplicates := map[int64]bool{}, 0
	for node := range int64(2) {
		for sequence := range int64(3000) {
			id := 946_684_800_000<<22 | node<<10 | sequence
			if seen[id] {
				duplicates++
			}
			seen[id] = true
		}
	}
	fmt.Println(duplicates, "duplicates")
	// Output: 2048 duplicates
}

// What an id is made of.
func ExampleLayout_Decode() {
	p := idgen.Twitter().Decode(1541815603606036480)
	fmt.Println(p.Time.Format(time.RFC3339Nano), p.Node, p.Sequence)
	// Output: 2022-06-28T16:07:40.105Z 378 0
}

// The rows of a day, found by their ids alone.
func ExampleLayout_FirstAt() {
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	l := idgen.Snowflake()
	fmt.Printf("SELECT * FROM events WHERE id >= %d AND id < %d\n", l.FirstAt(day), l.FirstAt(day.AddDate(0, 0, 1)))
	// Output: SELECT * FROM events WHERE id >= 3198072913920000000 AND id < 3198435301785600000
}

// How long a layout lasts, and how many nodes it has.
func ExampleLayout() {
	l := idgen.Layout{TimeBits: 39, NodeBits: 12, SequenceBits: 12}
	fmt.Println(l.Validate(), l.MaxNode(), l.Expires().Format(time.DateOnly))
	l.NodeBits = 25
	fmt.Println(l.Validate())
	// Output:
	// <nil> 4095 2017-06-02
	// idgen: invalid config: Layout.NodeBits must be 0 to 24, got 25
}

// Ids for rows that are older than their ids.
func ExampleParts() {
	created := time.Date(2015, 10, 21, 16, 29, 0, 0, time.UTC)
	id, err := idgen.Snowflake().Compose(idgen.Parts{Time: created, Node: 1023, Sequence: 5})
	fmt.Println(id, err)
	// Output: 2091951650246750213 <nil>
}

// A batch costs little more than one id, and what was made before an error stays valid.
func ExampleGenerator_NextN() {
	ids, _ := idgen.New(idgen.Config{})
	batch := make([]idgen.ID, 10_000) // more than the 4096 of a tick: it waits twice
	n, err := ids.NextN(context.Background(), batch)
	fmt.Println(n, err, batch[0] < batch[n-1])
	// Output: 10000 <nil> true
}

// Follow-up: what if the tick is used up and nobody can wait?
func ExampleGenerator_TryNext() {
	ids, _ := idgen.New(idgen.Config{Layout: idgen.Layout{Unit: time.Minute, TimeBits: 30, SequenceBits: 4}})
	_, err := ids.TryNext() // the first id is dated after the minute in which New ran
	fmt.Println(errors.Is(err, idgen.ErrExhausted))
	// Output: true
}

// Follow-up: what if the process is restarted, and the clock was set back in between?
func ExampleConfig() {
	first, _ := idgen.New(idgen.Config{})
	id, _ := first.Next(context.Background())
	persisted := first.Stats().Last

	second, _ := idgen.New(idgen.Config{NotBefore: persisted})
	next, _ := second.Next(context.Background())
	fmt.Println(id < next)

	_, err := idgen.New(idgen.Config{NotBefore: persisted.Add(time.Hour)})
	fmt.Println(errors.Is(err, idgen.ErrClockBackwards))
	// Output:
	// true
	// true
}

// Follow-up: who gives out the node numbers? The token fences: a storage that has seen a higher one refuses this one.
func ExampleLease() {
	ctx := context.Background()
	var store idgen.MemoryStore // in production a FileStore, or package idgenredis
	for range 2 {
		lease, err := idgen.NewLease(ctx, idgen.LeaseConfig{Store: &store})
		if err != nil {
			fmt.Println(err)
			return
		}
		ids, _ := idgen.New(idgen.Config{Lease: lease})
		_, err = ids.Next(ctx)
		fmt.Println("node", lease.Node(), "token", lease.Token(), err)
		defer lease.Close()
	}
	// Output:
	// node 0 token 1 <nil>
	// node 1 token 2 <nil>
}

// A lease that is over stops its generators.
func ExampleLease_Close() {
	ctx := context.Background()
	lease, _ := idgen.NewLease(ctx, idgen.LeaseConfig{Store: &idgen.MemoryStore{}})
	ids, _ := idgen.New(idgen.Config{Lease: lease})
	fmt.Println(lease.Close(), lease.Err())
	_, err := ids.Next(ctx)
	fmt.Println(err)
	// Output:
	// <nil> idgen: node lease lost
	// idgen: node lease lost
}

// The numbers of the processes of one host.
func ExampleFileStore() {
	_, err := idgen.NewFileStore("")
	fmt.Println(err)
	// Output: idgen: invalid config: dir must be set, got ""
}

func ExampleMemoryStore() {
	ctx := context.Background()
	var store idgen.MemoryStore
	for range 3 {
		node, token, err := store.Claim(ctx, 2, time.Hour)
		fmt.Println(node, token, err)
	}
	// Output:
	// 0 1 <nil>
	// 1 2 <nil>
	// 0 0 idgen: no free node number
}

// The short forms are of fixed length and sort like the number; JSON is a string, since JavaScript rounds above 2^53.
func ExampleID() {
	for _, id := range []idgen.ID{7, 3541881725423460352, math.MaxInt64} {
		text, _ := json.Marshal(id)
		fmt.Println(id, id.Base62(), id.Base32(), string(text))
	}
	_, err := idgen.Parse("9223372036854775808")
	fmt.Println(err)
	// Output:
	// 7 00000000007 0000000000007 "7"
	// 3541881725423460352 4Ddr3zx0VDE 329TAN7G50800 "3541881725423460352"
	// 9223372036854775807 AzL8n0Y58m7 7ZZZZZZZZZZZZ "9223372036854775807"
	// idgen: malformed id: decimal "9223372036854775808"
}

// UUIDs of version 7 need no node number; those of one generator increase.
func ExampleUUIDGenerator() {
	var uuids idgen.UUIDGenerator
	a, b := uuids.Next(), uuids.Next()
	fmt.Println(a.String() < b.String(), a.String()[14:15], time.Since(a.Time()) < time.Minute)
	// Output: true 7 true
}

func ExampleUUID() {
	u, err := idgen.ParseUUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
	fmt.Println(u, u.Time().Format(time.RFC3339), err)
	// Output: 017f22e2-79b0-7cc3-98c4-dc0c0c07398f 2022-02-22T19:22:22Z <nil>
}

// A number derived from an address is three lines, and wrong: of 64 hosts and 1024 numbers two have the same with a
// probability of 86 %.
func ExampleConfig_address() {
	taken := map[uint32]string{}
	for i := range 64 {
		host := fmt.Sprintf("10.0.0.%d", i)
		h := fnv.New32a()
		_, _ = h.Write([]byte(host))
		node := h.Sum32() % 1024
		if other, ok := taken[node]; ok {
			fmt.Println(other, "and", host, "are both", node)
		}
		taken[node] = host
	}
	// Output:
	// 10.0.0.9 and 10.0.0.30 are both 501
	// 10.0.0.8 and 10.0.0.31 are both 98
	// 10.0.0.1 and 10.0.0.38 are both 653
	// 10.0.0.0 and 10.0.0.39 are both 250
}

func ExampleStats() {
	ids, _ := idgen.New(idgen.Config{Node: 3})
	_, _ = ids.Next(context.Background())
	s := ids.Stats()
	fmt.Println(s.Node, s.Rollbacks, s.Ahead < time.Second)
	// Output: 3 0 true
}

func ExampleGenerator_All() {
	ids, _ := idgen.New(idgen.Config{})
	n := 0
	for id, err := range ids.All(context.Background()) {
		if err != nil || id == 0 {
			fmt.Println(err)
			return
		}
		if n++; n == 3 {
			break
		}
	}
	fmt.Println(n)
	// Output: 3
}
