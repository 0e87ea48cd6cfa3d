package idgen

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a parser accepts is what the format writes, but for what it is documented to forgive; nothing panics.

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "9223372036854775807", "9223372036854775808", "00", "-1", "18446744073709551616"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		other := ID(99)
		require.Equal(t, err == nil, other.UnmarshalText([]byte(s)) == nil)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.Zero(t, id)
			require.Equal(t, ID(99), other)
			return
		}
		require.Equal(t, s, id.String())
		require.Equal(t, id, other)
		require.GreaterOrEqual(t, id, ID(0))
	})
}

func FuzzParseBase32(f *testing.F) {
	for _, s := range []string{"0000000000000", "7ZZZZZZZZZZZZ", "8000000000000", "oiloooooooooo", "000000000000U"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseBase32(s)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.Zero(t, id)
			return
		}
		require.GreaterOrEqual(t, id, ID(0))
		canonical := []byte(s)
		for i, c := range canonical {
			if c >= 'a' {
				c -= 'a' - 'A'
			}
			switch c {
			case 'I', 'L':
				c = '1'
			case 'O':
				c = '0'
			}
			canonical[i] = c
		}
		require.Equal(t, string(canonical), id.Base32())
	})
}

func FuzzParseBase62(f *testing.F) {
	for _, s := range []string{"00000000000", "AzL8n0Y58m7", "AzL8n0Y58m8", "LygHa16AHYG", "zzzzzzzzzzz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseBase62(s)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.Zero(t, id)
			return
		}
		require.Equal(t, s, id.Base62())
		require.GreaterOrEqual(t, id, ID(0))
	})
}

func FuzzUnmarshalJSON(f *testing.F) {
	for _, s := range []string{`"12"`, `12`, `null`, `1e3`, `"\u0031"`, `-0`, `""`, `"9223372036854775808"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		id := ID(99)
		if err := id.UnmarshalJSON(b); err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.Equal(t, ID(99), id)
			return
		}
		text, err := json.Marshal(id)
		require.NoError(t, err)
		if string(b) != "null" {
			require.Contains(t, []string{string(text), string(text[1 : len(text)-1])}, string(b))
		}
	})
}

func FuzzParseUUID(f *testing.F) {
	for _, s := range []string{rfcUUID, "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "017f22e2+79b0-7cc3-98c4-dc0c0c07398f", "{" + rfcUUID + "}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUUID(s)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.Zero(t, u)
			return
		}
		again, err := ParseUUID(u.String())
		require.NoError(t, err)
		require.Equal(t, u, again)
		lower := []byte(s)
		for i, c := range lower {
			if c >= 'A' && c <= 'F' {
				lower[i] = c + 'a' - 'A'
			}
		}
		require.Equal(t, string(lower), u.String())
		u.Time()
	})
}
