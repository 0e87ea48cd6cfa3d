package benchmarks

import (
	peer "github.com/authzed/consistent/hashring"
	"github.com/cespare/xxhash/v2"
)

type hashringAuthzed struct{ ring *peer.Ring }

type hashringAuthzedMember string

func (m hashringAuthzedMember) Key() string { return string(m) }

func newHashringAuthzed(vnodes int, ids []string) hashringRing {
	ring := peer.MustNew(xxhash.Sum64, uint16(vnodes))
	for _, id := range ids {
		if err := ring.Add(hashringAuthzedMember(id)); err != nil {
			panic(err)
		}
	}
	return hashringAuthzed{ring}
}

func (a hashringAuthzed) Get(key string) string {
	_, owner := a.Replicas(key, 1)
	return owner
}

func (a hashringAuthzed) Replicas(key string, n int) (int, string) {
	members, err := a.ring.FindN([]byte(key), uint8(n))
	if err != nil {
		panic(err)
	}
	return len(members), members[0].Key()
}

func (a hashringAuthzed) AddRemove(id string) {
	if err := a.ring.Add(hashringAuthzedMember(id)); err != nil {
		panic(err)
	}
	if err := a.ring.Remove(hashringAuthzedMember(id)); err != nil {
		panic(err)
	}
}
