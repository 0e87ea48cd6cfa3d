package metrics

import (
	"math"
	"reflect"
	"strconv"
	"strings"
)

// kind is the type of a family.
type kind string

const (
	counterKind   kind = "counter"
	gaugeKind     kind = "gauge"
	histogramKind kind = "histogram"
)

// format is one of the two text formats.
type format int

const (
	text        format = iota // Prometheus 0.0.4
	openMetrics               // OpenMetrics 1.0.0
)

// source is what a Metric is to a Registry.
type source interface {
	kind() kind
	problem() error                   // why it cannot be registered
	labelNames() []string             // its own, in order
	lost() (ignored, overflow uint64) // for the metrics about metrics
	write(p *page)                    // appends the samples
}

// member is a metric without labels of its own, which may be in a Vec.
type member interface {
	kind() kind
	ignored() uint64
	render(p *page, block string)
}

// asMember is m as what all three types of members can do.
func asMember[M Counter | Gauge | Histogram](m *M) member { return any(m).(member) }

// plain is a metric that stands for itself.
type plain struct{ member }

func (s plain) problem() error {
	if reflect.ValueOf(s.member).IsNil() {
		return invalid("metric must not be nil, got a nil %T", s.member)
	}
	if a, ok := s.member.(*Average); ok && !a.made() {
		return invalid("metric must be made by NewAverage, got a zero Average")
	}
	return nil
}

func (s plain) labelNames() []string { return nil }

func (s plain) lost() (ignored, overflow uint64) { return s.ignored(), 0 }

func (s plain) write(p *page) { s.render(p, "") }

// function is a metric that is read from elsewhere. It has been called when it
// is written; its result is in the page.
type function struct {
	call func() float64
	is   kind
}

func (s function) kind() kind { return s.is }

func (s function) problem() error {
	if s.call == nil {
		return invalid("metric must not be nil, got a nil function")
	}
	return nil
}

func (s function) labelNames() []string { return nil }

func (s function) lost() (ignored, overflow uint64) { return 0, 0 }

// fits reports whether a result can be written: a counter cannot be negative or
// not a number.
func (s function) fits(v float64) bool { return s.is == gaugeKind || v >= 0 && v <= math.MaxFloat64 }

func (s function) write(p *page) {
	if v := p.results[p.family]; s.fits(v) {
		p.sampleFloat(v, "")
	}
}

func (v *Vec[L, M]) metric() source { return v }

func (v *Vec[L, M]) kind() kind { return asMember(new(M)).kind() }

func (v *Vec[L, M]) problem() error {
	if v == nil {
		return invalid("metric must not be nil, got a nil %T", v)
	}
	return v.get().schema.err
}

func (v *Vec[L, M]) labelNames() []string { return v.get().schema.names }

func (v *Vec[L, M]) lost() (ignored, overflow uint64) { return v.ignored(), v.overflow.Load() }

func (v *Vec[L, M]) write(p *page) {
	for _, s := range v.list() {
		asMember(&s.member).render(p, s.block)
	}
}

// selfLabel is the label of the metrics about metrics.
const selfLabel = "metric"

// self is one of the metrics about metrics: what the others have lost.
type self struct {
	of func(f *family) uint64
}

func (s self) kind() kind { return counterKind }

func (s self) problem() error { return nil }

func (s self) labelNames() []string { return []string{selfLabel} }

func (s self) lost() (ignored, overflow uint64) { return 0, 0 }

func (s self) write(p *page) {
	for _, f := range p.families {
		if n := s.of(f); n > 0 {
			p.sampleUint(n, f.block)
		}
	}
}

// prefix is how the lines of one name begin, up to where labels go.
type prefix struct {
	alone string // name{constant labels} and a space
	open  string // name{constant labels, and the comma
}

func newPrefix(name, constants string) prefix {
	if constants == "" {
		return prefix{name + " ", name + "{"}
	}
	return prefix{name + "{" + constants + "} ", name + "{" + constants + ","}
}

// page is a write-out in progress.
type page struct {
	buf      []byte
	format   format
	families []*family
	results  map[*family]float64 // of the functions
	family   *family             // the one being written
}

// add appends a family: HELP, TYPE and samples, or nothing when there are no
// samples.
func (p *page) add(f *family) {
	p.family = f
	start := len(p.buf)
	p.buf = append(p.buf, f.header[p.format]...)
	samples := len(p.buf)
	f.source.write(p)
	if len(p.buf) == samples {
		p.buf = p.buf[:start]
	}
}

// begin appends a line up to the value.
func (p *page) begin(x *prefix, block string) {
	if block == "" {
		p.buf = append(p.buf, x.alone...)
		return
	}
	p.buf = append(p.buf, x.open...)
	p.buf = append(p.buf, block...)
	p.buf = append(p.buf, '}', ' ')
}

func (p *page) endUint(n uint64) {
	p.buf = strconv.AppendUint(p.buf, n, 10)
	p.buf = append(p.buf, '\n')
}

func (p *page) endFloat(v float64) {
	p.buf = strconv.AppendFloat(p.buf, v, 'g', -1, 64)
	p.buf = append(p.buf, '\n')
}

func (p *page) sampleUint(n uint64, block string) {
	p.begin(&p.family.sample, block)
	p.endUint(n)
}

func (p *page) sampleFloat(v float64, block string) {
	p.begin(&p.family.sample, block)
	p.endFloat(v)
}

// bucket appends a line of a histogram; le stands after all other labels.
func (p *page) bucket(n uint64, block, le string) {
	p.buf = append(p.buf, p.family.bucket.open...)
	if block != "" {
		p.buf = append(p.buf, block...)
		p.buf = append(p.buf, ',')
	}
	p.buf = append(p.buf, `le="`...)
	p.buf = append(p.buf, le...)
	p.buf = append(p.buf, `"} `...)
	p.endUint(n)
}

func (p *page) sum(v float64, block string) {
	p.begin(&p.family.sum, block)
	p.endFloat(v)
}

func (p *page) count(n uint64, block string) {
	p.begin(&p.family.count, block)
	p.endUint(n)
}

// formatBound is an le. OpenMetrics wants floats to look like floats, so that a
// bound has one spelling.
func formatBound(v float64, f format) string {
	le := strconv.FormatFloat(v, 'g', -1, 64)
	if f == openMetrics && !math.IsInf(v, 0) && !strings.ContainsAny(le, ".e") {
		le += ".0"
	}
	return le
}

// header renders HELP and TYPE.
func header(name, help string, k kind, f format) string {
	escaped := appendEscaped(nil, help, f == openMetrics)
	return "# HELP " + name + " " + string(escaped) + "\n# TYPE " + name + " " + string(k) + "\n"
}
