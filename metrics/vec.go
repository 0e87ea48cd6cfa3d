package metrics

import (
	"cmp"
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/internal/chaos"
	"github.com/mainstay-go/mainstay/internal/invariants"
)

// VecConfig configures a Vec.
type VecConfig struct {
	// Labels names the labels when L is a string or an array of strings; it
	// must be nil when L is a struct.
	Labels []string

	// MaxSeries is the most label sets kept; 0 means 2000. Nothing is allocated
	// in proportion to it.
	MaxSeries int

	// MaxValues is the most distinct values of any one label; a further value
	// of that label alone becomes "_other". 0 means MaxSeries.
	MaxValues int

	// Histogram configures the members of a Vec of Histogram; it must be zero
	// for others.
	Histogram HistogramConfig
}

// Vec is a metric with labels. L is a string, an array of strings, or a struct
// whose fields are strings, bools or integers: the compiler checks their number
// and types. A struct field is the label of its `label:"…"` tag, or else its
// name in snake case. The zero value of a Vec over a struct is ready to use. A
// Vec must not be copied. All methods are safe for concurrent use; a nil Vec
// panics.
//
// A label set that is not UTF-8 is repaired, every invalid run becoming U+FFFD,
// and label sets that read alike are one series. When a label has MaxValues
// values, further ones become "_other", of that label alone: a label that
// explodes does not take the others with it. When there are MaxSeries series,
// further label sets go to the one whose labels are all "_other". So the sum
// over all series is always the true total. Nothing is evicted: what must not
// be lost is made at the start, with With. A set that was replaced is looked up
// anew each time, under a lock, unless the Vec is full and none of its labels
// is.
type Vec[L comparable, M Counter | Gauge | Histogram] struct {
	_ [0]L

	index    table[L, series[M]]
	state    atomic.Uint64                       // twice the number of changes, plus 1 while nothing can be admitted and nothing is replaced
	settings atomic.Pointer[vecSettings]         // nil until the first use of a zero Vec
	rest     atomic.Pointer[entry[L, series[M]]] // all labels "_other"; nil until needed
	overflow atomic.Uint64

	mu       sync.Mutex                      // mu guards the fields below, and is held to change index and rest
	byBlock  map[string]*entry[L, series[M]] // all series, by their labels as written out
	admitted []map[string]int                // for each label its values, and how many series have them
	sorted   []*series[M]                    // by label values; nil when it must be made anew
	peak     int                             // most series since the maps were made
}

// series is one member with its labels.
type series[M any] struct {
	member M
	values []string
	block  string
	keyed  bool // its labels are those of an L, and it is in the index
}

// vecSettings is what the type and the config say. It does not change.
type vecSettings struct {
	schema               *schema
	maxSeries, maxValues int
	layout               *layout // of histograms
}

// NewVec returns a Vec without series. An error matches ErrConfig and names the
// field at fault.
func NewVec[L comparable, M Counter | Gauge | Histogram](config VecConfig) (*Vec[L, M], error) {
	s := newVecSettings[L](config)
	switch {
	case config.MaxSeries < 0:
		return nil, invalid("MaxSeries must be at least 1, or 0 for 2000, got %d", config.MaxSeries)
	case config.MaxValues < 0:
		return nil, invalid("MaxValues must be at least 1, or 0 for MaxSeries, got %d", config.MaxValues)
	case s.schema.err != nil:
		return nil, s.schema.err
	}
	layout, err := config.Histogram.layout()
	if err != nil {
		return nil, err
	}
	if asMember(new(M)).kind() != histogramKind && (config.Histogram.Bounds != nil || config.Histogram.RelativeError != 0) {
		return nil, invalid("Histogram must be zero in a Vec of another metric, got %+v", config.Histogram)
	}
	s.layout = layout
	v := new(Vec[L, M])
	v.settings.Store(s)
	return v, nil
}

func newVecSettings[L comparable](config VecConfig) *vecSettings {
	maxSeries := cmp.Or(config.MaxSeries, 2000)
	return &vecSettings{
		schema:    newSchema(reflect.TypeFor[L](), config.Labels),
		maxSeries: maxSeries,
		maxValues: cmp.Or(config.MaxValues, maxSeries),
		layout:    defaultLayout,
	}
}

// get returns the settings, made if need be.
func (v *Vec[L, M]) get() *vecSettings {
	if v.settings.Load() == nil {
		v.settings.CompareAndSwap(nil, newVecSettings[L](VecConfig{}))
	}
	return v.settings.Load()
}

// With returns the member of the labels, which is made on first use; never nil,
// also when L cannot be written out, of which Register tells. O(1), lock-free,
// no allocation for one that exists; keep it to save the look-up. Two calls at
// the same time get the same member.
func (v *Vec[L, M]) With(labels L) *M {
	if e := v.index.get(labels); e != nil {
		return &e.value.member
	}
	return v.withSlow(labels)
}

// withSlow is With for labels that were not there a moment ago.
func (v *Vec[L, M]) withSlow(labels L) *M {
	set := v.get()
	if !set.schema.readable {
		return v.unreadable()
	}
	read := reflect.ValueOf(&labels).Elem()
	values, valid := set.schema.values(read)
	if valid && !slices.Contains(values, other) {
		if e := v.full(labels); e != nil {
			v.overflow.Add(1)
			return &e.value.member
		}
	}
	block := set.schema.block(values)
	chaos.Point("metrics: labels absent, not yet locked")
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.byBlock[block]; e != nil {
		return &e.value.member
	}
	return &v.admitLocked(set, read, values, block).value.member
}

// unreadable is With for an L that cannot be written out: one member for all.
func (v *Vec[L, M]) unreadable() *M {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.overflow.Add(1)
	return &v.restLocked(v.get()).value.member
}

// full returns, without the lock, the series for all the rest if at some
// instant of the call the labels belonged there: nothing changed between two
// looks at the state, and the labels were not there between them.
func (v *Vec[L, M]) full(labels L) *entry[L, series[M]] {
	state := v.state.Load()
	if state&1 == 0 {
		return nil
	}
	chaos.Point("metrics: seen full, not yet looked up")
	e := v.rest.Load()
	if v.index.get(labels) != nil || v.state.Load() != state {
		return nil
	}
	return e
}

// admitLocked finds or makes the series for labels that have none.
func (v *Vec[L, M]) admitLocked(set *vecSettings, labels reflect.Value, values []string, block string) *entry[L, series[M]] {
	replaced := v.replaceLocked(set, values)
	if replaced {
		v.overflow.Add(1)
		block = set.schema.block(values)
		if e := v.byBlock[block]; e != nil {
			return e
		}
	}
	if !slices.ContainsFunc(values, func(value string) bool { return value != other }) {
		return v.restLocked(set)
	}
	if v.lenLocked() >= set.maxSeries {
		if !replaced {
			v.overflow.Add(1)
		}
		return v.restLocked(set)
	}
	return v.makeLocked(set, labels, values, block, !replaced)
}

// replaceLocked puts "_other" in place of new values of labels that have enough
// of them, and reports whether it did.
func (v *Vec[L, M]) replaceLocked(set *vecSettings, values []string) bool {
	replaced := false
	for i, admitted := range v.admitted {
		if _, known := admitted[values[i]]; !known && values[i] != other && len(admitted) >= set.maxValues {
			values[i] = other
			replaced = true
		}
	}
	return replaced
}

// makeLocked makes a series and admits its values. A series that labels of the
// caller stand for, rather than replaced ones, can be found by them.
func (v *Vec[L, M]) makeLocked(
	set *vecSettings, labels reflect.Value, values []string, block string, keyed bool,
) *entry[L, series[M]] {
	set.schema.own(values, block)
	e := &entry[L, series[M]]{value: series[M]{values: values, block: block, keyed: keyed}}
	v.startMember(set, &e.value.member)
	if v.byBlock == nil {
		v.byBlock = map[string]*entry[L, series[M]]{}
	}
	v.byBlock[block] = e
	for i, value := range values {
		if v.admitted == nil {
			v.admitted = make([]map[string]int, len(values))
		}
		if v.admitted[i] == nil {
			v.admitted[i] = map[string]int{}
		}
		if value != other {
			v.admitted[i][value]++
		}
	}
	if keyed {
		set.schema.rewrite(labels, values)
		e.key = labels.Interface().(L)
		e.hash = v.index.hash(e.key)
		v.index.insertLocked(e)
	}
	v.changedLocked(set)
	return e
}

// startMember applies the config to a new member.
func (v *Vec[L, M]) startMember(set *vecSettings, member *M) {
	if h, ok := any(member).(*Histogram); ok && set.layout != defaultLayout {
		h.start(set.layout)
	}
}

// restLocked returns the series whose labels are all "_other", made if need be.
func (v *Vec[L, M]) restLocked(set *vecSettings) *entry[L, series[M]] {
	if e := v.rest.Load(); e != nil {
		return e
	}
	values := make([]string, len(set.schema.names))
	for i := range values {
		values[i] = other
	}
	block := set.schema.block(values)
	e := &entry[L, series[M]]{value: series[M]{values: values, block: block}}
	v.startMember(set, &e.value.member)
	if v.byBlock == nil {
		v.byBlock = map[string]*entry[L, series[M]]{}
	}
	v.byBlock[block] = e
	v.rest.Store(e)
	v.changedLocked(set)
	return e
}

// lenLocked is the number of series that count for MaxSeries.
func (v *Vec[L, M]) lenLocked() int {
	if v.rest.Load() != nil {
		return len(v.byBlock) - 1
	}
	return len(v.byBlock)
}

// changedLocked publishes that the set of series is another.
func (v *Vec[L, M]) changedLocked(set *vecSettings) {
	v.sorted = nil
	v.peak = max(v.peak, len(v.byBlock))
	state := v.state.Load()&^1 + 2
	saturated := func(admitted map[string]int) bool { return len(admitted) >= set.maxValues }
	if v.rest.Load() != nil && v.lenLocked() >= set.maxSeries && !slices.ContainsFunc(v.admitted, saturated) {
		state |= 1
	}
	v.state.Store(state)
	if invariants.Enabled && len(v.byBlock) <= checkedUpTo {
		invariants.Check(v.validateLocked(set))
	}
}

// Delete removes the series of the labels, and reports whether there was one.
// Its place, and those of its values that no other series has, are free again.
// A member that is held stays usable and is no longer written out; With makes a
// new one from 0. Amortised O(1).
func (v *Vec[L, M]) Delete(labels L) bool {
	set := v.get()
	if !set.schema.readable {
		return false
	}
	values, _ := set.schema.values(reflect.ValueOf(labels))
	block := set.schema.block(values)
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.byBlock[block]
	if e == nil {
		return false
	}
	v.removeLocked(e)
	v.changedLocked(set)
	return true
}

func (v *Vec[L, M]) removeLocked(e *entry[L, series[M]]) {
	v.state.Store(v.state.Load()&^1 + 2) // not full, before others can see that it is gone
	chaos.Point("metrics: said to be open, series still there")
	delete(v.byBlock, e.value.block)
	if e == v.rest.Load() {
		v.rest.Store(nil)
		return
	}
	if e.value.keyed {
		v.index.deleteLocked(e.hash, e.key)
	}
	for i, value := range e.value.values {
		if v.admitted[i][value] > 1 {
			v.admitted[i][value]--
			continue
		}
		delete(v.admitted[i], value)
	}
	if 8*len(v.byBlock) < v.peak {
		v.shrinkLocked()
	}
}

// shrinkLocked copies the maps, since a Go map never shrinks by itself.
func (v *Vec[L, M]) shrinkLocked() {
	v.peak = len(v.byBlock)
	v.byBlock = smaller(v.byBlock)
	for i := range v.admitted {
		v.admitted[i] = smaller(v.admitted[i])
	}
}

func smaller[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	maps.Copy(c, m)
	return c
}

// All ranges over the label sets and their members, in no order, without those
// that hold a replaced label. It is not a snapshot: what is made or deleted
// meanwhile may or may not be seen. No lock is held, so that the body may call
// any method.
func (v *Vec[L, M]) All() iter.Seq2[L, *M] {
	return func(yield func(L, *M) bool) {
		for e := range v.index.all() {
			if !yield(e.key, &e.value.member) {
				return
			}
		}
	}
}

// Len returns the number of series, which never exceeds MaxSeries. The one for
// all the rest does not count.
func (v *Vec[L, M]) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lenLocked()
}

// Stats returns the bounds; Ignored is that of the present members. The fields
// are read one after the other. O(Len).
func (v *Vec[L, M]) Stats() Stats {
	return Stats{Len: v.Len(), Overflow: v.overflow.Load(), Ignored: v.ignored()}
}

func (v *Vec[L, M]) ignored() uint64 {
	sum := uint64(0)
	if v.kind() == counterKind {
		return 0 // ignores nothing
	}
	for _, s := range v.list() {
		sum += asMember(&s.member).ignored()
	}
	return sum
}

// list returns all series by label values. The slice is not changed any more.
func (v *Vec[L, M]) list() []*series[M] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sorted == nil {
		for _, e := range v.byBlock {
			v.sorted = append(v.sorted, &e.value)
		}
		slices.SortFunc(v.sorted, func(a, b *series[M]) int { return slices.Compare(a.values, b.values) })
	}
	return v.sorted
}
