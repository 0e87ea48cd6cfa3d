package redisscript

import (
	"fmt"
	"strconv"
)

// Int reads an integer of a reply, whichever type the client has chosen for it.
func Int(reply any) (int64, error) {
	var text string
	switch v := reply.(type) {
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return 0, fmt.Errorf("redisscript: reply %T is no integer", reply)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("redisscript: reply %.40q is no integer", text)
	}
	return n, nil
}

// Ints reads an array of at least len(dst) integers into dst. On an error dst
// may be filled in part.
func Ints(reply any, dst []int64) error {
	array, ok := reply.([]any)
	if !ok || len(array) < len(dst) {
		return fmt.Errorf("redisscript: reply %T is no array of %d integers", reply, len(dst))
	}
	for i := range dst {
		n, err := Int(array[i])
		if err != nil {
			return err
		}
		dst[i] = n
	}
	return nil
}
