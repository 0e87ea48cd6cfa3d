package idgen

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTextForms(t *testing.T) {
	for _, c := range []struct {
		id                ID
		decimal, b32, b62 string
	}{
		{0, "0", "0000000000000", "00000000000"},
		{1, "1", "0000000000001", "00000000001"},
		{31, "31", "000000000000Z", "0000000000V"},
		{61, "61", "000000000001X", "0000000000z"},
		{62, "62", "000000000001Y", "00000000010"},
		{916132832, "916132832", "0000000V9P4Z0", "00000100000"},
		{math.MaxInt64, "9223372036854775807", "7ZZZZZZZZZZZZ", "AzL8n0Y58m7"},
	} {
		assert.Equal(t, c.decimal, c.id.String())
		assert.Equal(t, c.b32, c.id.Base32())
		assert.Equal(t, c.b62, c.id.Base62())
		for text, parse := range map[string]func(string) (ID, error){
			c.decimal: Parse, c.b32: ParseBase32, c.b62: ParseBase62, strings.ToLower(c.b32): ParseBase32,
		} {
			id, err := parse(text)
			require.NoError(t, err, text)
			assert.Equal(t, c.id, id, text)
		}
	}
}

// A negative id is not of this package; it is written, and read by nothing.
func TestNegativeIDs(t *testing.T) {
	for _, id := range []ID{-1, math.MinInt64} {
		for text, parse := range map[string]func(string) (ID, error){
			id.String(): Parse, id.Base32(): ParseBase32, id.Base62(): ParseBase62,
		} {
			_, err := parse(text)
			require.ErrorIs(t, err, ErrFormat, text)
		}
		text, err := json.Marshal(id)
		require.NoError(t, err)
		require.Error(t, json.Unmarshal(text, new(ID)))
		require.ErrorIs(t, new(ID).Scan(int64(id)), ErrFormat)
	}
	assert.Equal(t, "FZZZZZZZZZZZZ", ID(-1).Base32())
	assert.Equal(t, "LygHa16AHYF", ID(-1).Base62())
}

// The parsers of bwmarrin/snowflake accept what overflows, and its Base58 of an id from before the epoch panics.
func TestParsersRefuse(t *testing.T) {
	parsers := map[string]func(string) (ID, error){"decimal": Parse, "base32": ParseBase32, "base62": ParseBase62}
	for kind, texts := range map[string][]string{
		"decimal": {
			"", " ", "-1", "+1", "01", "00", " 1", "1 ", "1_000", "1.0", "1e3", "0x1F", "9223372036854775808", "18446744073709551615",
			"18446744073709551616", "99999999999999999999", strings.Repeat("9", 1000), "１", "1\x00",
		},
		"base32": {
			"", "0", "000000000000", "00000000000000", "8000000000000", "FZZZZZZZZZZZZ", "ZZZZZZZZZZZZZ", "000000000000U", "000000000000u",
			"000000000000-", "00000000000\xff0", "000000000000é"[:13], "{000000000000", "@000000000000", "`000000000000",
		},
		"base62": {
			"", "0", "0000000000", "000000000000", "AzL8n0Y58m8", "LygHa16AHYF", "LygHa16AHYG", "zzzzzzzzzzz", "0000000000-", "-0000000000",
			"0000000000\xff", "{0000000000",
		},
	} {
		for _, text := range texts {
			id, err := parsers[kind](text)
			require.ErrorIs(t, err, ErrFormat, "%s %q", kind, text)
			assert.Zero(t, id)
			assert.Less(t, len(err.Error()), 250, "a hostile input is not repeated")
		}
	}
}

func TestBase32ReadsWhatPeopleType(t *testing.T) {
	want, err := ParseBase32("0110000000000")
	require.NoError(t, err)
	for _, text := range []string{"OILOOOOOOOOOO", "oiLoooooooooo", "0il0000000000"} {
		id, err := ParseBase32(text)
		require.NoError(t, err)
		assert.Equal(t, want, id)
	}
}

// The short forms compare like the numbers, and every form is read back.
func TestFormsSortLikeTheNumber(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := ID(rapid.Int64Range(0, math.MaxInt64).Draw(rt, "a"))
		b := ID(rapid.OneOf(rapid.Int64Range(0, math.MaxInt64), rapid.Just(int64(a))).Draw(rt, "b"))
		require.Equal(rt, cmp.Compare(a, b), strings.Compare(a.Base32(), b.Base32()))
		require.Equal(rt, cmp.Compare(a, b), strings.Compare(a.Base62(), b.Base62()))
		for text, parse := range map[string]func(string) (ID, error){a.String(): Parse, a.Base32(): ParseBase32, a.Base62(): ParseBase62} {
			back, err := parse(text)
			require.NoError(rt, err)
			require.Equal(rt, a, back)
		}
	})
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(map[ID][]ID{7: {0, 1<<53 + 1, math.MaxInt64}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"7":["0","9007199254740993","9223372036854775807"]}`, string(text))
	var back map[ID][]ID
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, map[ID][]ID{7: {0, 1<<53 + 1, math.MaxInt64}}, back)
	for text, want := range map[string]ID{`9007199254740993`: 1<<53 + 1, `0`: 0, `"12"`: 12, `null`: 99} {
		id := ID(99)
		require.NoError(t, json.Unmarshal([]byte(" "+text+" "), &id), text)
		assert.Equal(t, want, id, text)
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, text := range []string{
		`""`, `"`, ``, `-1`, `-0`, `1.0`, `1e3`, `1E3`, `"1e3"`, `"-1"`, `"01"`, `" 1"`, `"1`, `1"`, `"\u0031"`, `true`, `{}`, `[]`, `[1]`, `9223372036854775808`,
		`"9223372036854775808"`, `"null"`, `nul`,
	} {
		id := ID(99)
		require.ErrorIs(t, id.UnmarshalJSON([]byte(text)), ErrFormat, text)
		assert.Equal(t, ID(99), id, "unchanged by %s", text)
	}
}

func TestText(t *testing.T) {
	text, err := ID(42).MarshalText()
	require.NoError(t, err)
	assert.Equal(t, "42", string(text))
	text, err = ID(42).AppendText([]byte("id="))
	require.NoError(t, err)
	assert.Equal(t, "id=42", string(text))
	id := ID(99)
	require.ErrorIs(t, id.UnmarshalText([]byte("x")), ErrFormat)
	require.ErrorContains(t, id.UnmarshalText(nil), "decimal \"\"")
	assert.Equal(t, ID(99), id)
	require.NoError(t, id.UnmarshalText([]byte("42")))
	assert.Equal(t, ID(42), id)
}

func TestSQL(t *testing.T) {
	v, err := ID(math.MaxInt64).Value()
	require.NoError(t, err)
	assert.Equal(t, int64(math.MaxInt64), v)
	for _, src := range []any{int64(42), "42", []byte("42")} {
		var id ID
		require.NoError(t, id.Scan(src))
		assert.Equal(t, ID(42), id)
	}
	for _, src := range []any{nil, int64(-1), 42.0, true, "", "042", "-1", []byte(nil), []byte("4 2"), int32(42), uint64(42), 42} {
		id := ID(99)
		require.ErrorIs(t, id.Scan(src), ErrFormat, "%T %v", src, src)
		assert.Equal(t, ID(99), id)
	}
	var null sql.Null[ID]
	require.NoError(t, null.Scan(nil))
	assert.False(t, null.Valid)
	var zero ID
	require.NoError(t, zero.Scan(int64(0)))
}

func TestErrorsQuoteAtMostFortyCharacters(t *testing.T) {
	_, err := Parse(strings.Repeat("x", 1<<20))
	require.EqualError(t, err, `idgen: malformed id: decimal "`+strings.Repeat("x", 40)+`"`)
	err = new(ID).UnmarshalJSON([]byte(`"` + strings.Repeat("7", 100)))
	require.ErrorContains(t, err, `JSON "\"777`)
	require.EqualError(t, new(ID).Scan(struct{}{}), "idgen: malformed id: cannot scan struct {}")
}
