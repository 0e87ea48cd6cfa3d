package metrics

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// other is the value of a label whose own was one too many.
const other = "_other"

// schema is how an L becomes labels.
type schema struct {
	names    []string // of the labels; empty strings where they are not known
	shape    reflect.Kind
	err      error // why a Vec of this L cannot be registered
	readable bool  // the values can be told, whether or not the names are good
}

// newSchema describes t, whose labels have the given names if it is a string or
// an array.
func newSchema(t reflect.Type, given []string) *schema {
	s := &schema{shape: t.Kind()}
	switch {
	case t.Kind() == reflect.Struct:
		s.fields(t, given)
	case t.Kind() == reflect.String:
		s.strings(1, given)
	case t.Kind() == reflect.Array && t.Elem().Kind() == reflect.String:
		s.strings(t.Len(), given)
	default:
		s.err = invalid("L must be a string, an array of strings or a struct, got %v", t)
		return s
	}
	if s.err == nil && len(s.names) == 0 {
		s.err = invalid("L must have at least one label, %v has none", t)
	}
	s.readable = s.readable && len(s.names) > 0
	if s.err == nil {
		s.err = checkLabels("Labels", s.names)
	}
	return s
}

// fields takes the labels from a struct.
func (s *schema) fields(t reflect.Type, given []string) {
	s.readable = true
	if given != nil {
		s.err = invalid("Labels must be nil when L is a struct, got %q", given)
	}
	for f := range t.Fields() {
		if !f.IsExported() || !renders(f.Type.Kind()) {
			s.readable = false
			s.err = invalid("L must have exported fields of strings, bools and integers only, got %s %v", f.Name, f.Type)
		}
		name, tagged := f.Tag.Lookup("label")
		if !tagged {
			name = snake(f.Name)
		}
		s.names = append(s.names, name)
	}
}

// strings takes the labels of a string or of an array of n.
func (s *schema) strings(n int, given []string) {
	s.readable = true
	s.names = slices.Clone(given)
	if len(given) != n {
		s.names = make([]string, n)
		s.err = invalid("Labels must have %d names, one for each string of L, got %q", n, given)
	}
}

// renders reports whether a field of that kind can be a label.
func renders(k reflect.Kind) bool {
	return k == reflect.String || k == reflect.Bool || k >= reflect.Int && k <= reflect.Uintptr
}

// snake turns a Go name into a label's: StatusCode status_code, HTTPCode
// http_code. A word begins at a capital after a small letter or digit, and at
// the last capital of a row that a small letter follows.
func snake(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			afterSmall := !unicode.IsUpper(runes[i-1]) && runes[i-1] != '_'
			lastOfRow := i+1 < len(runes) && unicode.IsLower(runes[i+1]) && runes[i-1] != '_'
			if afterSmall || lastOfRow {
				out.WriteByte('_')
			}
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// checkLabels checks names of labels that stand in the same series.
func checkLabels(field string, names []string) error {
	for i, name := range names {
		switch {
		case !validName(name):
			return invalid("%s must match [a-zA-Z_][a-zA-Z0-9_]*, got %q", field, name)
		case strings.HasPrefix(name, "__") || name == "le" || name == "quantile":
			return invalid("%s must not be le, quantile or begin with two underscores, got %q", field, name)
		case slices.Contains(names[:i], name):
			return invalid("%s must be distinct, got %q twice", field, name)
		}
	}
	return nil
}

// validName reports whether a metric or label may be called that.
func validName(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// values are the labels of an L as text. valid tells whether they are what L
// holds: where a string was not UTF-8 it has been repaired.
func (s *schema) values(labels reflect.Value) (values []string, valid bool) {
	values, valid = make([]string, len(s.names)), true
	for i := range values {
		text := scalar(s.part(labels, i))
		values[i] = strings.ToValidUTF8(text, string(utf8.RuneError))
		valid = valid && len(values[i]) == len(text) && utf8.ValidString(text)
	}
	return values, valid
}

// part is label i of an L.
func (s *schema) part(labels reflect.Value, i int) reflect.Value {
	switch s.shape {
	case reflect.Struct:
		return labels.Field(i)
	case reflect.Array:
		return labels.Index(i)
	default:
		return labels
	}
}

func scalar(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	default:
		return strconv.FormatUint(v.Uint(), 10)
	}
}

// rewrite puts the values in place of the strings of an L, so that it holds on
// to no memory of the caller's.
func (s *schema) rewrite(labels reflect.Value, values []string) {
	for i, value := range values {
		if part := s.part(labels, i); part.Kind() == reflect.String {
			part.SetString(value)
		}
	}
}

// block renders labels as they stand in a series, without the braces. Two label
// sets are one series if and only if their blocks are equal.
func (s *schema) block(values []string) string {
	var buf []byte
	for i, value := range values {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendLabel(buf, s.names[i], value)
	}
	return string(buf)
}

// own replaces the values by parts of their block where that is possible, which
// it is where nothing was escaped: then a series holds its labels once.
func (s *schema) own(values []string, block string) {
	at := 0
	for i, value := range values {
		at += len(s.names[i]) + len(`="`)
		if strings.HasPrefix(block[at:], value) {
			values[i] = block[at : at+len(value)]
			at += len(value) + len(`",`)
			continue
		}
		values[i] = strings.Clone(value)
		at += len(appendEscaped(nil, value, true)) + len(`",`)
	}
}

// appendLabel appends name="value".
func appendLabel(buf []byte, name, value string) []byte {
	buf = append(buf, name...)
	buf = append(buf, '=', '"')
	buf = appendEscaped(buf, value, true)
	return append(buf, '"')
}

// appendEscaped appends text with a backslash before backslashes and, if asked,
// quotation marks, and \n for line feeds.
func appendEscaped(buf []byte, text string, quotes bool) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\n':
			buf = append(buf, '\\', 'n')
		case c == '\\', c == '"' && quotes:
			buf = append(buf, '\\', c)
		default:
			buf = append(buf, c)
		}
	}
	return buf
}

// constants renders the labels of a Config.
func constants(labels map[string]string) (names []string, block string, err error) {
	for name := range labels {
		names = append(names, name)
	}
	slices.Sort(names)
	if err := checkLabels("Labels", names); err != nil {
		return nil, "", err
	}
	if slices.Contains(names, selfLabel) {
		return nil, "", fmt.Errorf("%w: Labels must not be %q, the label of the metrics about metrics", ErrConfig, selfLabel)
	}
	s := schema{names: names}
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = strings.ToValidUTF8(labels[name], string(utf8.RuneError))
	}
	return names, s.block(values), nil
}
