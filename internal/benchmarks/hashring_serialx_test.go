package benchmarks

import "github.com/serialx/hashring"

// hashringSerialx makes 1 point of a weight, from md5.
type hashringSerialx struct {
	ring   *hashring.HashRing
	vnodes int
}

func newHashringSerialx(vnodes int, ids []string) hashringRing {
	weights := make(map[string]int, len(ids))
	for _, id := range ids {
		weights[id] = vnodes
	}
	return &hashringSerialx{hashring.NewWithWeights(weights), vnodes}
}

func (s *hashringSerialx) Get(key string) string {
	id, _ := s.ring.GetNode(key)
	return id
}

func (s *hashringSerialx) Replicas(key string, n int) (int, string) {
	ids, _ := s.ring.GetNodes(key, n)
	return len(ids), ids[0]
}

// AddRemove makes two new rings: the peer's are immutable.
func (s *hashringSerialx) AddRemove(id string) {
	s.ring = s.ring.AddWeightedNode(id, s.vnodes).RemoveNode(id)
}
