package benchmarks

import "github.com/mainstay-go/mainstay/hashring"

type hashringMainstay struct {
	ring     *hashring.Ring[string]
	replicas []hashring.Node[string]
}

func newHashringMainstay(vnodes int, ids []string) hashringRing {
	ring, err := hashring.New(hashring.Config[string]{Nodes: hashring.Nodes(ids...), VirtualNodes: vnodes})
	if err != nil {
		panic(err)
	}
	return &hashringMainstay{ring: ring}
}

func (m *hashringMainstay) Get(key string) string {
	id, _ := m.ring.Get(key)
	return id
}

func (m *hashringMainstay) Replicas(key string, n int) (int, string) {
	m.replicas = m.ring.AppendReplicas(m.replicas[:0], key, n)
	return len(m.replicas), m.replicas[0].ID
}

func (m *hashringMainstay) AddRemove(id string) {
	if err := m.ring.Add(hashring.Nodes(id)...); err != nil {
		panic(err)
	}
	if err := m.ring.Remove(id); err != nil {
		panic(err)
	}
}

// newHashringRendezvous keeps the hashes of the nodes, as the peer does.
func newHashringRendezvous(ids []string) func(string) string {
	hashes := make([]uint64, len(ids))
	for i, id := range ids {
		hashes[i] = hashring.Hash(id)
	}
	return func(key string) string { return ids[hashring.Rendezvous(hashring.Hash(key), hashes)] }
}
