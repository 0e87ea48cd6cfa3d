package idgen

import (
	"fmt"
	"math"
	"math/bits"
)

// The two short forms have a fixed length, with zeros in front, and alphabets
// in the order of their bytes: texts compare like numbers.
const (
	base32Digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: no I, L, O, U
	base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	base32Len = 13 // 5 bits each: one bit more than 64
	base62Len = 11 // 62^11 > 2^64
)

// invalid marks a byte that is no digit.
const invalid = 0xFF

// base32Values and base62Values are the values of the digits, by byte.
var (
	base32Values = digitValues(base32Digits, true)
	base62Values = digitValues(base62Digits, false)
)

// digitValues inverts an alphabet. Crockford's is read in either case, and with
// the letters that are mistaken for digits.
func digitValues(alphabet string, crockford bool) (values [256]byte) {
	for i := range values {
		values[i] = invalid
	}
	for i := range len(alphabet) {
		values[alphabet[i]] = byte(i)
	}
	if crockford {
		values['I'], values['L'], values['O'] = 1, 1, 0
		for c := byte('A'); c <= 'Z'; c++ {
			values[c|0x20] = values[c]
		}
	}
	return values
}

// Base32 returns 13 characters of Crockford's alphabet, without I, L, O and U,
// for what people read aloud and type. The forms of two ids compare like the
// ids. A negative id gives its two's complement, which ParseBase32 refuses.
func (id ID) Base32() string {
	var b [base32Len]byte
	for i, n := base32Len-1, uint64(id); i >= 0; i, n = i-1, n>>5 {
		b[i] = base32Digits[n&31]
	}
	return string(b[:])
}

// ParseBase32 reads 13 characters of Crockford's alphabet in either case; I and
// L count as 1, O as 0. The first is at most 7, since an id is not negative. An
// error matches ErrFormat. No allocation.
func ParseBase32(s string) (ID, error) {
	if len(s) != base32Len {
		return 0, formatError("base 32", s)
	}
	var n uint64
	var seen byte
	for i := range base32Len {
		d := base32Values[s[i]]
		seen |= d
		n = n<<5 | uint64(d&31)
	}
	if seen == invalid || base32Values[s[0]] > 7 {
		return 0, formatError("base 32", s)
	}
	return ID(n), nil
}

// pow62 is 62^5, the largest power that fits into 32 bits: the eleven digits
// are cut into one and twice five, and the two fives do not wait for each
// other.
const pow62 = 62 * 62 * 62 * 62 * 62

// Base62 returns 11 characters of 0-9A-Za-z, for URLs. The forms of two ids
// compare bytewise like the ids. A negative id gives its two's complement,
// which ParseBase62 refuses.
func (id ID) Base62() string {
	var b [base62Len]byte
	n := uint64(id)
	upper := n / pow62
	lo, mid := uint32(n%pow62), uint32(upper%pow62)
	b[0] = base62Digits[upper/pow62]
	for i := 5; i >= 1; i-- {
		b[i+5], lo = base62Digits[lo%62], lo/62
		b[i], mid = base62Digits[mid%62], mid/62
	}
	return string(b[:])
}

// ParseBase62 reads 11 characters of 0-9A-Za-z that do not exceed the largest
// int64. An error matches ErrFormat. No allocation.
func ParseBase62(s string) (ID, error) {
	if len(s) != base62Len {
		return 0, formatError("base 62", s)
	}
	var n uint64 // of ten digits: 62^10 < 2^60
	for i := range base62Len - 1 {
		d := base62Values[s[i]]
		if d == invalid {
			return 0, formatError("base 62", s)
		}
		n = n*62 + uint64(d)
	}
	last := base62Values[s[base62Len-1]]
	hi, lo := bits.Mul64(n, 62)
	lo, carry := bits.Add64(lo, uint64(last), 0)
	if last == invalid || hi+carry > 0 || lo > math.MaxInt64 {
		return 0, formatError("base 62", s)
	}
	return ID(lo), nil
}

// scanTypeError tells what a database handed over that no id can be read from.
func scanTypeError(src any) error { return fmt.Errorf("%w: cannot scan %T", ErrFormat, src) }
