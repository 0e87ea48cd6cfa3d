package benchmarks

import (
	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-rendezvous"
)

func newGoRendezvous(ids []string) func(string) string {
	return rendezvous.New(ids, xxhash.Sum64String).Lookup
}
