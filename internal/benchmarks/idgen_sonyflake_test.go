package benchmarks

import "github.com/sony/sonyflake"

// idgenSonyflake is fixed at 256 ids per 10 ms.
var idgenSonyflake = idgenImpl{
	name: "sonyflake",
	saturated: func() idgenNext {
		return sonyflake.NewSonyflake(sonyflake.Settings{MachineID: func() (uint16, error) { return 1, nil }}).NextID
	},
}
