package idgen

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// UUID is 16 bytes, and converts to and from the UUID types of google/uuid and
// gofrs/uuid, which are [16]byte as well. The zero value is the nil UUID.
type UUID [16]byte

// UUIDGenerator makes UUIDs of version 7 (RFC 9562) in strictly increasing
// order, with no node number to agree on: 58 of the bits are random.
//
//	 0                        48   52            64 66   70                   128
//	+--------------------------+----+-------------+--+----+-------------------+
//	|  Unix time in ms         | 7  |  fraction   |10|... |  random           |
//	+--------------------------+----+-------------+--+----+-------------------+
//	                                 \_ 12 bits of it, and 4 more _/
//
// The fraction is of the millisecond, in units of 15 ns (method 3 of the RFC,
// extended by 4 bits). Time and fraction grow by at least one unit with each
// UUID of a generator, so that order holds while the clock stands still or goes
// back, and yet the time does not run ahead of the clock, since a UUID takes
// longer to make than one unit.
//
// The zero value is ready. All methods may be called concurrently; calls of one
// goroutine, or calls ordered otherwise, get increasing UUIDs. Do not copy a
// UUIDGenerator after its first use.
type UUIDGenerator struct {
	_    [0]func()
	last atomic.Uint64 // ms<<16 | fraction of the last UUID
	now  func() (sec int64, nsec int64)
}

// Next returns the next UUID. It does not block and does not allocate.
func (g *UUIDGenerator) Next() UUID {
	var u UUID
	_, _ = rand.Read(u[8:]) // never fails: it ends the program instead
	u.stamp(g.reserve(1))
	return u
}

// uuidBatch is how many UUIDs are given their random bits by one call: 512
// bytes on the stack.
const uuidBatch = 64

// NextN fills dst with the next UUIDs, which follow each other without a gap in
// the sequence of the generator. It does not block and does not allocate.
func (g *UUIDGenerator) NextN(dst []UUID) {
	if len(dst) == 0 {
		return
	}
	stamp := g.reserve(uint64(len(dst)))
	var random [uuidBatch * 8]byte
	for len(dst) > 0 {
		batch := dst[:min(len(dst), uuidBatch)]
		_, _ = rand.Read(random[:8*len(batch)])
		for i := range batch {
			copy(batch[i][8:], random[8*i:])
			batch[i].stamp(stamp)
			stamp++
		}
		dst = dst[len(batch):]
	}
}

// reserve takes n stamps and returns the first.
func (g *UUIDGenerator) reserve(n uint64) uint64 {
	now := g.clock()
	for {
		last := g.last.Load()
		first := max(last+1, now)
		chaos.Point("idgen: last UUID read, not yet moved")
		// Moving last passes the n stamps from first on to this call.
		if g.last.CompareAndSwap(last, first+n-1) {
			return first
		}
	}
}

// clock returns ms<<16 | fraction of the wall clock; 0 before 1970.
func (g *UUIDGenerator) clock() uint64 {
	var sec, nsec int64
	if g.now != nil {
		sec, nsec = g.now()
	} else {
		now := time.Now()
		sec, nsec = now.Unix(), int64(now.Nanosecond())
	}
	if sec < 0 {
		return 0
	}
	const ms = uint64(time.Millisecond)
	n := uint64(nsec)
	return (uint64(sec)*1000+n/ms)<<16 | n%ms<<16/ms
}

// stamp writes time, fraction, version and variant over the first 70 bits.
func (u *UUID) stamp(s uint64) {
	binary.BigEndian.PutUint64(u[:], s&^0xFFFF|7<<12|s>>4&0xFFF)
	u[8] = 0x80 | byte(s&0xF)<<2 | u[8]&0x03
}

// Time returns the 48 bits of Unix milliseconds, in UTC. It means something for
// version 7 only.
func (u UUID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(u[:]) >> 16)).UTC()
}

const uuidLen = 36

// ParseUUID reads 8-4-4-4-12 hexadecimal digits with hyphens, in either case,
// of any version; no braces and no urn:uuid:. An error matches ErrFormat. No
// allocation.
func ParseUUID(s string) (UUID, error) {
	u, ok := parseUUID(s)
	if !ok {
		return UUID{}, formatError("UUID", s)
	}
	return u, nil
}

// hexValues are the values of the hexadecimal digits, by byte.
var hexValues = func() (values [256]byte) {
	for i := range values {
		values[i] = invalid
	}
	for i := range byte(10) {
		values['0'+i] = i
	}
	for i := range byte(6) {
		values['a'+i], values['A'+i] = 10+i, 10+i
	}
	return values
}()

// uuidOffsets are where the digits of each byte stand in the text.
var uuidOffsets = [16]byte{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

func parseUUID[T string | []byte](s T) (u UUID, ok bool) {
	if len(s) != uuidLen || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, false
	}
	var seen byte
	for i, at := range uuidOffsets {
		hi, lo := hexValues[s[at]], hexValues[s[at+1]]
		seen |= hi | lo
		u[i] = hi<<4 | lo
	}
	return u, seen != invalid
}

// AppendText appends the 36 characters of the lower-case form. The error is
// always nil. No allocation if b has room.
func (u UUID) AppendText(b []byte) ([]byte, error) {
	var text [uuidLen]byte
	u.encode(&text)
	return append(b, text[:]...), nil
}

func (u *UUID) encode(text *[uuidLen]byte) {
	hex.Encode(text[:8], u[:4])
	hex.Encode(text[9:13], u[4:6])
	hex.Encode(text[14:18], u[6:8])
	hex.Encode(text[19:23], u[8:10])
	hex.Encode(text[24:], u[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
}

// String returns the 36 characters of the lower-case form.
func (u UUID) String() string {
	var text [uuidLen]byte
	u.encode(&text)
	return string(text[:])
}

// MarshalText returns the 36 characters of the lower-case form; JSON uses it.
// The error is always nil.
func (u UUID) MarshalText() ([]byte, error) { return u.AppendText(make([]byte, 0, uuidLen)) }

// UnmarshalText is ParseUUID; on an error, which matches ErrFormat, u stays as
// it was.
func (u *UUID) UnmarshalText(b []byte) error {
	parsed, ok := parseUUID(b)
	if !ok {
		return formatError("UUID", b)
	}
	*u = parsed
	return nil
}

// Value makes UUID a driver.Valuer: the 36 characters. The error is always nil.
func (u UUID) Value() (driver.Value, error) { return u.String(), nil }

// Scan makes *UUID a sql.Scanner for text of 36 characters and for 16 bytes.
// NULL and everything else are errors that match ErrFormat and leave u
// unchanged.
func (u *UUID) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return u.UnmarshalText([]byte(v))
	case []byte:
		if len(v) == len(u) {
			copy(u[:], v)
			return nil
		}
		return u.UnmarshalText(v)
	}
	return scanTypeError(src)
}
