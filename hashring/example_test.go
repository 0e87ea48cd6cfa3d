package hashring_test

import (
	"errors"
	"fmt"

	"github.com/mainstay-go/mainstay/hashring"
)

// The answer for the whiteboard: a ring of virtual nodes, a key belongs to the
// first point behind it, and a node that leaves moves only its own keys.
func Example() {
	ring, err := hashring.New(hashring.Config[string]{
		Nodes: hashring.Nodes("node-a", "node-b", "node-c", "node-d", "node-e"),
	})
	if err != nil {
		panic(err)
	}
	show := func() {
		for _, key := range []string{"user:1", "user:2", "user:3", "user:42"} {
			node, _ := ring.Get(key)
			fmt.Print(key, " on ", node, "; ")
		}
		fmt.Println("and so on")
	}
	show()
	if err := ring.Remove("node-c"); err != nil {
		panic(err)
	}
	show()
	// Output:
	// user:1 on node-d; user:2 on node-c; user:3 on node-b; user:42 on node-b; and so on
	// user:1 on node-d; user:2 on node-b; user:3 on node-b; user:42 on node-b; and so on
}

// Follow-up: the owner is down. Try the next in ring order, and leave the
// membership as it is: the keys come home when the node is back.
func ExampleRing_Walk() {
	ring, err := hashring.New(hashring.Config[string]{
		Nodes: hashring.Nodes("node-a", "node-b", "node-c", "node-d", "node-e"),
	})
	if err != nil {
		panic(err)
	}
	down := map[string]bool{"node-b": true, "node-e": true}
	for node := range ring.Walk("user:42") {
		if down[node.ID] {
			fmt.Println(node.ID, "is down")
			continue
		}
		fmt.Println(node.ID, "serves")
		break
	}
	// Output:
	// node-b is down
	// node-e is down
	// node-a serves
}

// Follow-up: where do the replicas go? To nodes in different zones, the owner
// first.
func ExampleRing_AppendReplicas() {
	nodes := []hashring.Node[string]{}
	for i := range 9 {
		nodes = append(nodes, hashring.Node[string]{ID: fmt.Sprint("node-", i), Zone: string(rune('x' + i/3))})
	}
	ring, err := hashring.New(hashring.Config[string]{Nodes: nodes})
	if err != nil {
		panic(err)
	}
	var replicas []hashring.Node[string] // to be used again: no allocation
	for _, key := range []string{"user:1", "user:2"} {
		replicas = ring.AppendReplicas(replicas[:0], key, 3)
		for _, node := range replicas {
			fmt.Print(node.ID, " in ", node.Zone, ", ")
		}
		fmt.Println("for", key)
	}
	// Output:
	// node-3 in y, node-6 in z, node-2 in x, for user:1
	// node-3 in y, node-2 in x, node-8 in z, for user:2
}

// Follow-up: everybody asks for the same key. With a factor of 1.25 no node has
// more than a quarter above its part; what does not fit goes to the next.
func ExampleRing_Acquire() {
	ring, err := hashring.New(hashring.Config[string]{
		Nodes: hashring.Nodes("node-a", "node-b", "node-c", "node-d", "node-e"),
	})
	if err != nil {
		panic(err)
	}
	for range 100 {
		lease, ok := ring.Acquire("user:42")
		if !ok {
			panic("no node")
		}
		defer lease.Release() // when the work is done
	}
	for id := range ring.All() {
		fmt.Print(id, ": ", ring.Load(id), " ")
	}
	fmt.Println()
	// Output:
	// node-a: 25 node-b: 25 node-c: 0 node-d: 25 node-e: 25
}

// Follow-up: what moves when a node joins? Nothing but what the new node takes
// over, and the list says which ranges to copy from whom.
func ExampleSnapshot_Diff() {
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes("a", "b", "c"), VirtualNodes: 4})
	if err != nil {
		panic(err)
	}
	before := ring.Snapshot()
	if err := ring.Add(hashring.Nodes("d")...); err != nil {
		panic(err)
	}
	for move := range before.Diff(ring.Snapshot()) {
		fmt.Printf("%016x to %016x (%.1f %%): %s -> %s\n", move.First, move.Last, 100*move.Share(), move.From, move.To)
	}
	// Output:
	// 4b124b07f7e49e74 to 811b360cb50f21c0 (21.1 %): c -> d
	// a8ef89b162ed42b6 to d8ba7a6c76d6e6c4 (18.7 %): a -> d
}

// Follow-up: how even is it? Exactly so, without counting keys.
func ExampleSnapshot_Shares() {
	ring, err := hashring.New(hashring.Config[string]{
		Nodes: []hashring.Node[string]{{ID: "small"}, {ID: "large", Weight: 3}, {ID: "leaving", Drained: true}},
	})
	if err != nil {
		panic(err)
	}
	for id, share := range ring.Snapshot().Shares() {
		fmt.Printf("%s %.3f\n", id, share)
	}
	// Output:
	// large 0.751
	// leaving 0.000
	// small 0.249
}

// Follow-up: why not jump hash? It is as good when nodes come and go at the end
// of the list, and moves most keys when one in the middle leaves.
func ExampleJump() {
	const keys = 10_000
	nodes := []string{"a", "b", "c", "d", "e"}
	without := []string{"a", "c", "d", "e"}
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes(nodes...)})
	if err != nil {
		panic(err)
	}
	smaller, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes(without...)})
	if err != nil {
		panic(err)
	}
	onRing, byJump := 0, 0
	for i := range keys {
		hash := hashring.Hash(fmt.Sprint("user:", i))
		before, _ := ring.GetHash(hash)
		after, _ := smaller.GetHash(hash)
		if before != after && before != "b" {
			onRing++
		}
		before, after = nodes[hashring.Jump(hash, 5)], without[hashring.Jump(hash, 4)]
		if before != after && before != "b" {
			byJump++
		}
	}
	fmt.Println("moved though their node stayed: ring", onRing, "jump", byJump)
	// Output:
	// moved though their node stayed: ring 0 jump 5457
}

// Rendezvous hashing needs no ring at all, as long as the nodes are few.
func ExampleRendezvous() {
	ids := []string{"node-a", "node-b", "node-c"}
	hashes := []uint64{}
	for _, id := range ids {
		hashes = append(hashes, hashring.Hash(id))
	}
	for _, key := range []string{"user:1", "user:2", "user:3"} {
		fmt.Println(key, "on", ids[hashring.Rendezvous(hashring.Hash(key), hashes)])
	}
	// Output:
	// user:1 on node-b
	// user:2 on node-b
	// user:3 on node-c
}

// Service discovery delivers the whole membership each time; Replace takes it
// as it is, and nodes that stay keep their keys and their load.
func ExampleRing_Replace() {
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes("node-a", "node-b")})
	if err != nil {
		panic(err)
	}
	lease, _ := ring.Acquire("user:42")
	defer lease.Release()
	if err := ring.Replace(hashring.Nodes("node-b", "node-c")...); err != nil {
		panic(err)
	}
	for id, node := range ring.All() {
		fmt.Println(id, node.Value, ring.Load(id))
	}
	// Output:
	// node-b node-b 1
	// node-c node-c 0
}

// A node is emptied before it is taken out of service: it owns nothing more,
// and its load says when its last work is done.
func ExampleRing_Update() {
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes("node-a", "node-b")})
	if err != nil {
		panic(err)
	}
	lease, _ := ring.Acquire("user:42")
	node := lease.Node()
	node.Drained = true
	if err := ring.Update(node); err != nil {
		panic(err)
	}
	fmt.Println("working:", ring.Load(node.ID))
	lease.Release()
	fmt.Println("working:", ring.Load(node.ID))
	fmt.Println(ring.Remove(node.ID), ring.Len())
	// Output:
	// working: 1
	// working: 0
	// <nil> 1
}

// Wrong input is an error that names the field, and changes nothing.
func ExampleNew_invalid() {
	_, err := hashring.New(hashring.Config[string]{Nodes: []hashring.Node[string]{{ID: "a"}, {ID: "b", Weight: -1}}})
	fmt.Println(err)
	fmt.Println(errors.Is(err, hashring.ErrConfig))
	// Output:
	// hashring: invalid config: Nodes[1].Weight must be 0 or more and finite, got -1
	// true
}

// Names that are taken, or not known, are errors of their own.
func ExampleRing_Add() {
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes("a")})
	if err != nil {
		panic(err)
	}
	err = ring.Add(hashring.Nodes("b", "a")...)
	fmt.Println(err, errors.Is(err, hashring.ErrNodeExists))
	err = ring.Remove("b")
	fmt.Println(err, errors.Is(err, hashring.ErrNodeNotFound))
	// Output:
	// hashring: node exists: "a" true
	// hashring: node not found: "b" true
}

func ExampleRing_Stats() {
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes("a", "b", "c"), VirtualNodes: 100})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%+v\n", ring.Stats())
	// Output:
	// {Nodes:3 Active:3 Points:300 InFlight:0 Changes:0 Overflows:0 OverBound:0}
}

// Keys of another type: hash them with what spreads well over 64 bits.
func ExampleRing_GetHash() {
	ring, err := hashring.New(hashring.Config[int]{
		Nodes: []hashring.Node[int]{{ID: "shard-0", Value: 0}, {ID: "shard-1", Value: 1}},
	})
	if err != nil {
		panic(err)
	}
	key := []byte("user:42")
	byHash, _ := ring.GetHash(hashring.Hash(string(key)))
	byKey, _ := ring.Get("user:42")
	fmt.Println(byHash == byKey)
	// Output:
	// true
}
