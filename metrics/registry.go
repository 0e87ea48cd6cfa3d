package metrics

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Config configures a Registry.
type Config struct {
	// Prefix is put before every registered name ("shop_"). It must itself be a
	// valid name, or be empty.
	Prefix string

	// Labels are added to every series, before its own labels. The label metric
	// is taken.
	Labels map[string]string
}

// Metric is a *Counter, *Gauge, *Histogram, *Average, *Vec, CounterFunc or
// GaugeFunc. It is sealed so that the compiler checks Register.
type Metric interface{ metric() source }

// Registry is a set of named metrics and writes them out. Create it with New.
// All methods are safe for concurrent use, also from the functions that it
// calls, and panic on a nil or zero Registry. Nothing is registered in it that
// it does not write itself: there is no global registry.
type Registry struct {
	prefix     string
	labelNames []string // of Config.Labels
	constants  string   // and these, rendered
	pool       sync.Pool

	mu       sync.Mutex         // mu guards the fields below
	names    map[string]*family // by name without _total
	families []*family          // by name; replaced, never changed
}

// family is a registered metric.
type family struct {
	name   string // with prefix
	source source
	block  string    // its name as the label of the metrics about metrics
	header [2]string // HELP and TYPE, in the two formats

	sample, bucket, sum, count prefix

	refused Counter // results of a CounterFunc
}

// The metrics about metrics.
const (
	ignoredName  = "metrics_ignored_total"
	overflowName = "metrics_overflow_total"
)

// New returns a Registry in which nothing is registered. An error matches
// ErrConfig and names the field at fault.
func New(config Config) (*Registry, error) {
	if config.Prefix != "" && !validName(config.Prefix) {
		return nil, invalid("Prefix must match [a-zA-Z_][a-zA-Z0-9_]*, or be empty, got %q", config.Prefix)
	}
	names, block, err := constants(config.Labels)
	if err != nil {
		return nil, err
	}
	r := &Registry{prefix: config.Prefix, labelNames: names, constants: block, names: map[string]*family{}}
	for _, f := range []*family{
		r.newFamily(ignoredName, "Values and function results that were ignored.", self{ignoredBy}),
		r.newFamily(overflowName, "Look-ups whose labels were replaced by _other.", self{overflowOf}),
	} {
		r.addLocked(f)
	}
	return r, nil
}

func ignoredBy(f *family) uint64 {
	ignored, _ := f.source.lost()
	return ignored + f.refused.Value()
}

func overflowOf(f *family) uint64 {
	_, overflow := f.source.lost()
	return overflow
}

func (r *Registry) newFamily(name, help string, s source) *family {
	help = strings.ToValidUTF8(help, string(utf8.RuneError))
	return &family{
		name:   name,
		source: s,
		block:  string(appendLabel(nil, selfLabel, name)),
		header: [2]string{
			text:        header(name, help, s.kind(), text),
			openMetrics: header(base(name), help, s.kind(), openMetrics),
		},
		sample: newPrefix(name, r.constants),
		bucket: newPrefix(name+"_bucket", r.constants),
		sum:    newPrefix(name+"_sum", r.constants),
		count:  newPrefix(name+"_count", r.constants),
	}
}

// base is the name of a family in OpenMetrics.
func base(name string) string { return strings.TrimSuffix(name, "_total") }

// Register makes the registry write metric out as Prefix+name. It is ErrConfig
// if the name, the help text, the metric or its labels are not valid, and
// ErrConflict if the name is taken, with or without _total at the end; then
// nothing changes. One metric may be registered under several names and in
// several registries.
//
// The name of a counter ends in _total, and no other; no name ends in _bucket,
// _count, _sum, _created, _gcount, _gsum or _info. O(registered).
func (r *Registry) Register(name, help string, metric Metric) error {
	r.mustBeMade()
	s, err := sourceOf(metric)
	if err != nil {
		return fmt.Errorf("%w (registering %q)", err, name)
	}
	if err := r.check(name, help, s); err != nil {
		return err
	}
	f := r.newFamily(r.prefix+name, help, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[base(f.name)] != nil {
		return fmt.Errorf("%w: %q, by %q", ErrConflict, f.name, r.names[base(f.name)].name)
	}
	r.addLocked(f)
	return nil
}

// sourceOf finds out what a metric is, also one that is embedded in a type of
// the user's.
func sourceOf(metric Metric) (source, error) {
	if metric == nil {
		return nil, invalid("metric must not be nil")
	}
	if v := reflect.ValueOf(metric); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, invalid("metric must not be nil, got a nil %T", metric)
	}
	s := metric.metric()
	return s, s.problem()
}

// reserved are the endings that the formats give a meaning to.
var reserved = []string{"_bucket", "_count", "_sum", "_created", "_gcount", "_gsum", "_info"}

// check applies the rules for names, help texts and labels.
func (r *Registry) check(name, help string, s source) error {
	full := r.prefix + name
	hasEnding := func(ending string) bool { return strings.HasSuffix(full, ending) }
	i := slices.IndexFunc(reserved, hasEnding)
	switch isCounter := s.kind() == counterKind; {
	case name == "" || !validName(full):
		return invalid("name must match [a-zA-Z_][a-zA-Z0-9_]*, got %q", full)
	case isCounter && (!hasEnding("_total") || base(full) == ""):
		return invalid("name of a counter must end in _total, after something, got %q", full)
	case !isCounter && hasEnding("_total"):
		return invalid("name must end in _total only for counters, got %q for a %s", full, s.kind())
	case i >= 0:
		return invalid("name must not end in %s, got %q", reserved[i], full)
	case help == "":
		return invalid("help of %q must not be empty", full)
	default:
		return checkLabels("Labels of Config and "+full, append(slices.Clone(r.labelNames), s.labelNames()...))
	}
}

func (r *Registry) addLocked(f *family) {
	r.names[base(f.name)] = f
	r.families = append(slices.Clone(r.families), f)
	slices.SortFunc(r.families, func(a, b *family) int { return strings.Compare(a.name, b.name) })
}

// Unregister forgets the metric of that name, as given to Register, and reports
// whether there was one. The metric itself stays as it is. O(registered).
func (r *Registry) Unregister(name string) bool {
	r.mustBeMade()
	full := r.prefix + name
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.names[base(full)]
	if f == nil || f.name != full {
		return false
	}
	if _, about := f.source.(self); about {
		return false
	}
	delete(r.names, base(full))
	r.families = slices.DeleteFunc(slices.Clone(r.families), func(g *family) bool { return g == f })
	return true
}

// WriteText writes all metrics in the Prometheus text format 0.0.4, sorted by
// name and then by label values. The page is rendered into memory and given to
// w in one Write, without a lock, so that a slow reader delays nobody. The
// error is that of w, or io.ErrShortWrite.
func (r *Registry) WriteText(w io.Writer) error { return r.write(w, text) }

// WriteOpenMetrics is WriteText in the OpenMetrics 1.0.0 text format.
func (r *Registry) WriteOpenMetrics(w io.Writer) error { return r.write(w, openMetrics) }

func (r *Registry) write(w io.Writer, f format) error {
	r.mustBeMade()
	buf, _ := r.pool.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = r.render((*buf)[:0], f)
	n, err := w.Write(*buf)
	if err == nil && n < len(*buf) {
		err = io.ErrShortWrite
	}
	r.pool.Put(buf) // not if w panicked, who knows what it still does with it
	return err
}

// render appends the page. All functions are called first, so that what they
// ignored is on the same page.
func (r *Registry) render(buf []byte, f format) []byte {
	r.mu.Lock()
	families := r.families
	r.mu.Unlock()
	p := page{buf: buf, format: f, families: families}
	for _, f := range families {
		if s, ok := f.source.(function); ok {
			if p.results == nil {
				p.results = map[*family]float64{}
			}
			v := s.call()
			if p.results[f] = v; !s.fits(v) {
				f.refused.Inc()
			}
		}
	}
	for _, f := range families {
		p.add(f)
	}
	if f == openMetrics {
		p.buf = append(p.buf, "# EOF\n"...)
	}
	return p.buf
}

func (r *Registry) mustBeMade() {
	if r == nil || r.names == nil {
		panic("metrics: Registry not made by New")
	}
}
