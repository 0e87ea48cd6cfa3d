package benchmarks

import "github.com/mainstay-go/mainstay/idgen"

var idgenMainstay = idgenImpl{
	name: "mainstay",
	wide: func() idgenNext { return idgenMainstayNext(idgenMainstayWide) },
	saturated: func() idgenNext {
		return idgenMainstayNext(idgen.Snowflake())
	},
	batch: func() func(int) error {
		g, ids := newIDGenMainstay(idgenMainstayWide), make([]idgen.ID, 1000)
		return func(n int) error {
			_, err := g.NextN(idgenContext, ids[:n])
			return err
		}
	},
	text: map[string]func() string{
		"short":  func() string { return idgenMainstayID.Base62() },
		"base32": func() string { return idgenMainstayID.Base32() },
		"json":   func() string { return idgenJSON(idgenMainstayID) },
	},
	uuid: func() func() [16]byte {
		g := new(idgen.UUIDGenerator)
		return func() [16]byte { return g.Next() }
	},
}

var (
	idgenMainstayWide = idgen.Layout{TimeBits: 41, NodeBits: 2, SequenceBits: 20}
	idgenMainstayID   = idgen.ID(3541881725423460352)
)

func newIDGenMainstay(l idgen.Layout) *idgen.Generator {
	g, err := idgen.New(idgen.Config{Layout: l})
	if err != nil {
		panic(err)
	}
	return g
}

func idgenMainstayNext(l idgen.Layout) idgenNext {
	g := newIDGenMainstay(l)
	return func() (uint64, error) {
		id, err := g.Next(idgenContext)
		return uint64(id), err
	}
}
