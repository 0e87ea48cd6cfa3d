package benchmarks

import (
	"encoding/binary"

	"github.com/rs/xid"
)

// idgenXid has a counter of 24 bits that starts anywhere and wraps around.
var idgenXid = idgenImpl{
	name:      "xid",
	unordered: true,
	wide: func() idgenNext {
		return func() (uint64, error) {
			id := xid.New()
			return binary.BigEndian.Uint64(id[4:]), nil
		}
	},
	text: map[string]func() string{"base32": func() string { return idgenXidID.String() }},
}

var idgenXidID = xid.New()
