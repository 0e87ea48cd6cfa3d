package benchmarks

import (
	"encoding/binary"

	"github.com/oklog/ulid/v2"
)

// idgenUlid is the package's own generator that is safe for concurrent use: monotonic entropy under a mutex.
var idgenUlid = idgenImpl{
	name:      "ulid",
	unordered: true, // the order is in 128 bits
	wide: func() idgenNext {
		return func() (uint64, error) {
			id := ulid.Make()
			return binary.BigEndian.Uint64(id[8:]), nil
		}
	},
	text: map[string]func() string{"base32": func() string { return idgenUlidID.String() }},
}

var idgenUlidID = ulid.Make()
