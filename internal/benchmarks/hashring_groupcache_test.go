package benchmarks

import "github.com/golang/groupcache/consistenthash"

// hashringGroupcache has crc32 as its hash, 32 bits, and cannot remove a node.
type hashringGroupcache struct{ *consistenthash.Map }

func newHashringGroupcache(vnodes int, ids []string) hashringRing {
	m := consistenthash.New(vnodes, nil)
	m.Add(ids...)
	return hashringGroupcache{m}
}
