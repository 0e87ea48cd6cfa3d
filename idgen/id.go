package idgen

import (
	"database/sql/driver"
	"strconv"
)

// ID is an identifier: a number that fits a BIGINT column, never negative when
// it comes from this package. 0 is free to mean "no id": no generator of the
// default layout makes it. The zero value is that 0.
//
// Text and JSON are decimal; JSON is a string, since JavaScript rounds numbers
// above 2^53. Base32 and Base62 are shorter and of fixed length, so that they
// sort like the number.
type ID int64

// Parse reads the decimal form and nothing but the one that String writes: no
// sign, space or leading zero, at most the largest int64. An error matches
// ErrFormat. No allocation.
func Parse(s string) (ID, error) {
	id, ok := parseDecimal(s)
	if !ok {
		return 0, formatError("decimal", s)
	}
	return id, nil
}

// parseDecimal accepts "0" and what starts with another digit. Nineteen digits
// cannot overflow a uint64.
func parseDecimal[T string | []byte](s T) (ID, bool) {
	const digits = 19 // of the largest int64
	if len(s) == 0 || len(s) > digits || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	return ID(n), int64(n) >= 0
}

// String returns the decimal form, with a sign if the id is negative, which
// Parse refuses.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// AppendText appends the decimal form to b. The error is always nil. No
// allocation if b has room.
func (id ID) AppendText(b []byte) ([]byte, error) {
	return strconv.AppendInt(b, int64(id), 10), nil
}

// MarshalText returns the decimal form. The error is always nil.
func (id ID) MarshalText() ([]byte, error) {
	return id.AppendText(make([]byte, 0, 20))
}

// UnmarshalText is Parse; on an error, which matches ErrFormat, id stays as it
// was.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, ok := parseDecimal(b)
	if !ok {
		return formatError("decimal", b)
	}
	*id = parsed
	return nil
}

// MarshalJSON returns the decimal form in quotes: JavaScript reads a bare
// number as a float64, which holds integers up to 2^53 only. The error is
// always nil.
func (id ID) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 22), '"')
	b = strconv.AppendInt(b, int64(id), 10)
	return append(b, '"'), nil
}

// UnmarshalJSON reads a string of canonical digits or a bare integer that is
// not negative; null leaves id unchanged. All else is an error that matches
// ErrFormat and leaves id unchanged too: fractions, exponents, signs, escapes,
// the empty string.
func (id *ID) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	digits := b
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		digits = b[1 : len(b)-1]
	}
	parsed, ok := parseDecimal(digits)
	if !ok {
		return formatError("JSON", b)
	}
	*id = parsed
	return nil
}

// Value makes ID a driver.Valuer: an int64. The error is always nil.
func (id ID) Value() (driver.Value, error) { return int64(id), nil }

// Scan makes *ID a sql.Scanner for columns of integers and of canonical decimal
// text. NULL, negative numbers and every other type are errors that match
// ErrFormat and leave id unchanged; for a column that may be NULL use
// sql.Null[ID].
func (id *ID) Scan(src any) error {
	switch v := src.(type) {
	case int64:
		if v < 0 {
			return formatError("negative number", strconv.FormatInt(v, 10))
		}
		*id = ID(v)
		return nil
	case string:
		return id.UnmarshalText([]byte(v))
	case []byte:
		return id.UnmarshalText(v)
	}
	return scanTypeError(src)
}
