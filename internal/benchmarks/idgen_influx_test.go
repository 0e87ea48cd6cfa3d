package benchmarks

import "github.com/influxdata/influxdb/pkg/snowflake"

// idgenInflux is fixed at 10 bits of node and 12 of sequence, and borrows from the future without a bound: it never waits.
var idgenInflux = idgenImpl{
	name: "influx",
	wide: func() idgenNext {
		g := snowflake.New(1)
		return func() (uint64, error) { return g.Next(), nil }
	},
}
