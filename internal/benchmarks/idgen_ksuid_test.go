package benchmarks

import (
	"encoding/binary"

	"github.com/segmentio/ksuid"
)

// idgenKsuid is a second and 128 random bits: no order within the second.
var idgenKsuid = idgenImpl{
	name:      "ksuid",
	unordered: true,
	wide: func() idgenNext {
		return func() (uint64, error) {
			id, err := ksuid.NewRandom()
			return binary.BigEndian.Uint64(id[:]), err
		}
	},
	text: map[string]func() string{"short": func() string { return idgenKsuidID.String() }},
}

var idgenKsuidID = ksuid.New()
