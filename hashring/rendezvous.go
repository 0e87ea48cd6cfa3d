package hashring

// Rendezvous is highest random weight hashing (Thaler and Ravishankar, "A
// Name-Based Mapping Scheme for Rendezvous", 1996 and 1998): the index of the
// winner among the hashes of the nodes, or -1 if there are none. Every node
// bids a number that depends on the hash and on itself alone, so that a node
// that leaves hands on only what it had won, and the order of the nodes does
// not matter. Of equal hashes the first wins.
//
// It is the most even of all and needs no memory, at the price of reading every
// node: O(len(nodes)), about 2 ns a node; best for less than eight. No
// allocation.
func Rendezvous(hash uint64, nodes []uint64) int {
	winner, best := -1, uint64(0)
	for i, node := range nodes {
		if bid := mix64(hash ^ node); bid > best || winner < 0 {
			winner, best = i, bid
		}
	}
	return winner
}
