package benchmarks

import "github.com/bwmarrin/snowflake"

// idgenBwmarrin has its layout in globals, which a node copies when it is made.
var idgenBwmarrin = idgenImpl{
	name:      "bwmarrin",
	wide:      func() idgenNext { return idgenBwmarrinNext(2, 20) },
	saturated: func() idgenNext { return idgenBwmarrinNext(10, 12) },
	batch: func() func(int) error {
		next := idgenBwmarrinNext(2, 20)
		return func(n int) error {
			for range n {
				_, _ = next()
			}
			return nil
		}
	},
	text: map[string]func() string{
		"short": func() string { return idgenBwmarrinID.Base58() },
		"json":  func() string { return idgenJSON(idgenBwmarrinID) },
	},
}

var idgenBwmarrinID = snowflake.ID(3541881725423460352)

func idgenBwmarrinNext(node, step uint8) idgenNext {
	snowflake.NodeBits, snowflake.StepBits = node, step
	n, err := snowflake.NewNode(1)
	if err != nil {
		panic(err)
	}
	return func() (uint64, error) { return uint64(n.Generate()), nil }
}
