package benchmarks

import "github.com/gofrs/uuid/v5"

var idgenGofrs = idgenImpl{
	name: "gofrs",
	uuid: func() func() [16]byte {
		return func() [16]byte { return uuid.Must(uuid.NewV7()) }
	},
}
