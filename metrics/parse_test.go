package metrics

import (
	"fmt"
	"regexp"
	"strings"
)

// parsePage maps each sample, as it stands on the page, to its value.
func parsePage(page string) map[string]string {
	samples := map[string]string{}
	for line := range strings.Lines(page) {
		if name, value, ok := cutLast(strings.TrimSuffix(line, "\n"), " "); ok && !strings.HasPrefix(line, "#") {
			samples[name] = value
		}
	}
	return samples
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// sample is a parsed line.
type sample struct {
	name   string
	labels [][2]string
	value  string
}

// parsed is a parsed family.
type parsed struct {
	name, help, kind string
	samples          []sample
}

var nameRule = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*`)

// parseStrictly reads a page by the grammar of the two formats: HELP and TYPE once for each family, then its samples, no
// blank lines, and in OpenMetrics an EOF at the end. It refuses everything else.
func parseStrictly(page string, openMetrics bool) ([]parsed, error) {
	if openMetrics {
		var ok bool
		if page, ok = strings.CutSuffix(page, "# EOF\n"); !ok {
			return nil, fmt.Errorf("no EOF at the end")
		}
	}
	var families []parsed
	seen := map[string]bool{}
	lines := strings.SplitAfter(page, "\n")
	if lines[len(lines)-1] != "" {
		return nil, fmt.Errorf("the last line does not end")
	}
	lines = lines[:len(lines)-1]
	for len(lines) > 0 {
		help, kind := strings.TrimSuffix(lines[0], "\n"), ""
		if len(lines) > 1 {
			kind = strings.TrimSuffix(lines[1], "\n")
		}
		name := nameRule.FindString(strings.TrimPrefix(help, "# HELP "))
		if seen[name] || !strings.HasPrefix(help, "# HELP "+name+" ") || !strings.HasPrefix(kind, "# TYPE "+name+" ") {
			return nil, fmt.Errorf("not a new family: %q %q", help, kind)
		}
		seen[name] = true
		text, rest, err := unescape(strings.TrimPrefix(help, "# HELP "+name+" "), openMetrics, false)
		if err != nil || rest != "" {
			return nil, fmt.Errorf("help %q: %w", help, err)
		}
		f := parsed{name: name, help: text, kind: strings.TrimPrefix(kind, "# TYPE "+name+" ")}
		for lines = lines[2:]; len(lines) > 0 && !strings.HasPrefix(lines[0], "# "); lines = lines[1:] {
			s, err := parseSample(strings.TrimSuffix(lines[0], "\n"))
			if err != nil {
				return nil, err
			}
			f.samples = append(f.samples, s)
		}
		if len(f.samples) == 0 {
			return nil, fmt.Errorf("family %s has no samples", name)
		}
		families = append(families, f)
	}
	return families, nil
}

func parseSample(line string) (sample, error) {
	s := sample{name: nameRule.FindString(line)}
	rest := line[len(s.name):]
	if strings.HasPrefix(rest, "{") {
		for sep := "{"; !strings.HasPrefix(rest, "} "); sep = "," {
			var ok bool
			if rest, ok = strings.CutPrefix(rest, sep); !ok {
				return s, fmt.Errorf("no %q in %q", sep, line)
			}
			label := nameRule.FindString(rest)
			if rest, ok = strings.CutPrefix(rest[len(label):], `="`); !ok || label == "" {
				return s, fmt.Errorf("no label in %q", line)
			}
			value, after, err := unescape(rest, true, true)
			if err != nil {
				return s, fmt.Errorf("%q: %w", line, err)
			}
			s.labels, rest = append(s.labels, [2]string{label, value}), after
		}
		rest = rest[1:]
	}
	var ok bool
	if s.value, ok = strings.CutPrefix(rest, " "); !ok || s.name == "" || s.value == "" || strings.Contains(s.value, " ") {
		return s, fmt.Errorf("not a sample: %q", line)
	}
	return s, nil
}

// unescape reads up to the closing quotation mark, or to the end.
func unescape(text string, quotes, closed bool) (value, rest string, err error) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && closed:
			return out.String(), text[i+1:], nil
		case c == '"' && quotes, c == '\n':
			return "", "", fmt.Errorf("bare %q", c)
		case c != '\\':
			out.WriteByte(c)
		case i+1 == len(text):
			return "", "", fmt.Errorf("escape at the end")
		default:
			i++
			switch e := text[i]; {
			case e == 'n':
				out.WriteByte('\n')
			case e == '\\', e == '"' && quotes:
				out.WriteByte(e)
			default:
				return "", "", fmt.Errorf("escape of %q", e)
			}
		}
	}
	if closed {
		return "", "", fmt.Errorf("no closing quotation mark")
	}
	return out.String(), "", nil
}
