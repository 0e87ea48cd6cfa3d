package benchmarks

import "github.com/google/uuid"

var idgenGoogle = idgenImpl{
	name: "google",
	uuid: func() func() [16]byte {
		return func() [16]byte { return uuid.Must(uuid.NewV7()) }
	},
}
