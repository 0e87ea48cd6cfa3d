package benchmarks

import "github.com/nats-io/nuid"

// idgenNuid is a random prefix and a counter, as text, without a time.
var idgenNuid = idgenImpl{
	name:      "nuid",
	unordered: true,
	wide: func() idgenNext {
		return func() (uint64, error) { return uint64(len(nuid.Next())), nil }
	},
}
