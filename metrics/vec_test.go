package metrics

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mainstay-go/mainstay/internal/hammer"
	"github.com/mainstay-go/mainstay/internal/litmus"
)

// counts are the series of a Vec of counters as they are written out.
func counts[L comparable](tb testing.TB, v *Vec[L, Counter]) map[string]string {
	tb.Helper()
	r := must(New(Config{}))
	require.NoError(tb, r.Register("v_total", "h", v))
	samples := map[string]string{}
	for series, value := range parsePage(textOf(tb, r)) {
		if block, ok := strings.CutPrefix(series, "v_total"); ok {
			samples[block] = value
		}
	}
	return samples
}

func TestVecBasics(t *testing.T) {
	var v Vec[route, Counter]
	get := v.With(route{"GET", "200"})
	get.Inc()
	assert.Same(t, get, v.With(route{"GET", "200"}))
	v.With(route{"PUT", "200"}).Add(2)
	assert.Equal(t, map[string]string{`{method="GET",code="200"}`: "1", `{method="PUT",code="200"}`: "2"}, counts(t, &v))
	assert.Len(t, collect(v.All()), 2)
	assert.Same(t, get, collect(v.All())[route{"GET", "200"}])
	assert.Equal(t, Stats{Len: 2}, v.Stats())
	assert.True(t, v.Delete(route{"GET", "200"}))
	assert.False(t, v.Delete(route{"GET", "200"}))
	get.Inc()
	assert.Equal(t, uint64(2), get.Value(), "a member that is held stays usable")
	assert.Equal(t, map[string]string{`{method="PUT",code="200"}`: "2"}, counts(t, &v))
	assert.Zero(t, v.With(route{"GET", "200"}).Value(), "a new one starts from 0")
}

// With MaxValues a label that explodes becomes "_other" alone and the other labels keep theirs; OpenTelemetry's limit is
// first come, first served, so that the exploding label ruins every later series (gofr-dev/gofr#3972, the idea for labels:
// grafana/tempo#6414). client_golang#1983 and #2053: no limit at all.
func TestExplodingLabelIsReplacedAlone(t *testing.T) {
	v := must(NewVec[route, Counter](VecConfig{MaxSeries: 100, MaxValues: 2}))
	for i := range 50 {
		v.With(route{fmt.Sprint(i), "200"}).Inc()
	}
	for range 3 {
		v.With(route{"1", "500"}).Inc()
		v.With(route{"new", "500"}).Inc()
	}
	assert.Equal(t, map[string]string{
		`{method="0",code="200"}`: "1", `{method="1",code="200"}`: "1", `{method="_other",code="200"}`: "48",
		`{method="1",code="500"}`: "3", `{method="_other",code="500"}`: "3",
	}, counts(t, v))
	assert.Equal(t, Stats{Len: 5, Overflow: 51}, v.Stats(), "replaced sets count in Len")
	v.With(route{"another", "404"}).Inc()
	assert.Equal(t, "1", counts(t, v)[`{method="_other",code="_other"}`])
	assert.Equal(t, Stats{Len: 5, Overflow: 52}, v.Stats(), "the rest does not")
	assert.Len(t, collect(v.All()), 3, "without those that hold a replaced label")
}

func TestMaxSeries(t *testing.T) {
	v := must(NewVec[route, Counter](VecConfig{MaxSeries: 2}))
	a := v.With(route{"a", "1"})
	v.With(route{"a", "2"}).Inc()
	rest := v.With(route{"b", "1"})
	rest.Inc()
	assert.Same(t, rest, v.With(route{"c", "9"}))
	assert.Same(t, rest, v.With(route{"_other", "_other"}), "a literal one is the same series")
	assert.Equal(t, Stats{Len: 2, Overflow: 2}, v.Stats())
	assert.Same(t, a, v.With(route{"a", "1"}), "what is there stays")
	assert.True(t, v.Delete(route{"a", "1"}))
	fresh := v.With(route{"b", "1"})
	assert.NotSame(t, rest, fresh, "a place is free again")
	assert.Equal(t, Stats{Len: 2, Overflow: 2}, v.Stats())
	assert.True(t, v.Delete(route{"_other", "_other"}))
	assert.NotSame(t, rest, v.With(route{"c", "9"}))
	assert.Equal(t, map[string]string{`{method="a",code="2"}`: "1", `{method="b",code="1"}`: "0", `{method="_other",code="_other"}`: "0"}, counts(t, v))
}

// The values of a deleted series make room for others, unless another series has them.
func TestDeleteFreesValues(t *testing.T) {
	v := must(NewVec[route, Counter](VecConfig{MaxValues: 2}))
	for _, l := range []route{{"a", "1"}, {"b", "1"}, {"a", "2"}} {
		v.With(l)
	}
	v.Delete(route{"a", "1"})
	v.With(route{"c", "1"}).Inc()
	assert.Equal(t, "1", counts(t, v)[`{method="_other",code="1"}`], "a is still in use")
	v.Delete(route{"a", "2"})
	v.With(route{"c", "1"}).Inc()
	assert.Equal(t, "1", counts(t, v)[`{method="c",code="1"}`])
	assert.False(t, v.Delete(route{"nobody", "1"}), "a replaced set is not deleted in place of an absent one")
}

func TestLiteralOther(t *testing.T) {
	v := must(NewVec[route, Counter](VecConfig{MaxSeries: 5, MaxValues: 1}))
	literal := v.With(route{"_other", "1"})
	v.With(route{"a", "1"})
	assert.Same(t, literal, v.With(route{"b", "1"}), "it needs no admission, and replaced sets join it")
	assert.Equal(t, Stats{Len: 2, Overflow: 1}, v.Stats())
	w := must(NewVec[route, Counter](VecConfig{MaxSeries: 5, MaxValues: 1}))
	w.With(route{"a", "1"})
	replaced := w.With(route{"b", "1"})
	assert.Same(t, replaced, w.With(route{"_other", "1"}))
	assert.True(t, w.Delete(route{"_other", "1"}))
}

// client_golang panics in WithLabelValues on what a client sent, and stops the process: grafana/loki#21162,
// itzg/mc-router#582, drpcorg/nodecore#233, TykTechnologies/tyk-pump#1063, oxyno-zeta/s3-proxy#121.
func TestInvalidUTF8IsRepaired(t *testing.T) {
	v := must(NewVec[string, Counter](VecConfig{Labels: []string{"path"}}))
	a := v.With("a\xff\xfeb")
	a.Inc()
	assert.Same(t, a, v.With("a\xc3b"), "label sets that read alike are one series")
	assert.Same(t, a, v.With("a\uFFFDb"))
	assert.Equal(t, map[string]string{`{path="a` + "\uFFFD" + `b"}`: "1"}, counts(t, v))
	assert.True(t, v.Delete("a\x80b"))
	assert.Zero(t, v.Len())
}

// A label value that is a part of a request's buffer does not keep the buffer alive, or change with it.
func TestLabelsAreCopied(t *testing.T) {
	v := must(NewVec[string, Counter](VecConfig{Labels: []string{"path"}}))
	before := heap()
	for i := range 16 {
		buffer := strings.Repeat("x", 1<<20)
		v.With(buffer[i : i+3+i]).Inc()
		v.With("\"" + buffer[i:i+3+i]).Inc()
	}
	assert.Less(t, heap()-before, int64(1<<20))
	assert.Equal(t, 32, v.Len())
}

// With never returns nil, also where Register will refuse.
func TestUnusableLabels(t *testing.T) {
	type bad struct{ Ratio float64 }
	var v Vec[bad, Counter]
	v.With(bad{1}).Inc()
	v.With(bad{math.NaN()}).Inc()
	assert.Equal(t, uint64(2), v.With(bad{2}).Value(), "one member for all, so that nothing grows")
	assert.False(t, v.Delete(bad{1}))
	assert.Equal(t, Stats{Overflow: 3}, v.Stats())
	var anything Vec[any, Gauge]
	anything.With([]int{1}).Set(1)
	var none Vec[struct{}, Counter]
	none.With(struct{}{}).Inc()
	require.ErrorIs(t, must(New(Config{})).Register("none_total", "h", &none), ErrConfig) // {} is not valid: VictoriaMetrics/metrics#78
	var unnamed Vec[string, Counter]
	unnamed.With("a").Inc()
	assert.Zero(t, unnamed.With("b").Value())
	require.ErrorIs(t, must(New(Config{})).Register("u_total", "h", &unnamed), ErrConfig)
}

func TestVecOfHistograms(t *testing.T) {
	v := must(NewVec[string, Histogram](VecConfig{
		Labels: []string{"op"}, MaxSeries: 1, Histogram: HistogramConfig{Bounds: []float64{1}, RelativeError: 0.05},
	}))
	v.With("get").Observe(0.5)
	v.With("put").Observe(2)
	v.With("put").Observe(math.NaN())
	assert.Equal(t, Stats{Len: 1, Overflow: 2, Ignored: 1}, v.Stats())
	r := must(New(Config{}))
	require.NoError(t, r.Register("v", "h", v))
	assert.Contains(t, textOf(t, r), `v_bucket{op="_other",le="1"} 0
v_bucket{op="_other",le="+Inf"} 1
v_sum{op="_other"} 2
v_count{op="_other"} 1
v_bucket{op="get",le="1"} 1
v_bucket{op="get",le="+Inf"} 1
`)
	var zero Vec[route, Histogram]
	zero.With(route{}).Observe(1)
	assert.Equal(t, uint64(1), zero.With(route{}).Snapshot().Count)
}

func TestVecIterationBodyMayChangeIt(t *testing.T) {
	var v Vec[route, Counter]
	for i := range 20 {
		v.With(route{Code: fmt.Sprint(i)})
	}
	n := 0
	for l := range v.All() {
		v.Delete(l)
		v.With(route{Method: "new", Code: l.Code})
		v.Stats()
		if n++; n == 10 {
			break
		}
	}
	assert.Equal(t, 20, v.Len())
}

// The rules for a miss, in the order of the documentation, on plain maps.
type vecModel struct {
	maxSeries, maxValues int
	series               map[[2]string]uint64
	rest                 *uint64
	overflow             uint64
}

func (m *vecModel) values(i int) map[string]bool {
	values := map[string]bool{}
	for l := range m.series {
		if l[i] != other {
			values[l[i]] = true
		}
	}
	return values
}

func (m *vecModel) inc(l [2]string) {
	if _, ok := m.series[l]; ok {
		m.series[l]++
		return
	}
	replaced := false
	for i := range l {
		if known := m.values(i); l[i] != other && !known[l[i]] && len(known) >= m.maxValues {
			l[i], replaced = other, true
		}
	}
	_, exists := m.series[l]
	all := l == [2]string{other, other}
	if !exists && !all && len(m.series) >= m.maxSeries {
		replaced = true
		all = true
	}
	if replaced {
		m.overflow++
	}
	if all {
		if m.rest == nil {
			m.rest = new(uint64)
		}
		*m.rest++
		return
	}
	m.series[l]++
}

func TestVecModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &vecModel{series: map[[2]string]uint64{}}
		m.maxSeries = rapid.IntRange(1, 12).Draw(t, "MaxSeries")
		m.maxValues = rapid.IntRange(1, 6).Draw(t, "MaxValues")
		v := must(NewVec[[2]string, Counter](VecConfig{Labels: []string{"a", "b"}, MaxSeries: m.maxSeries, MaxValues: m.maxValues}))
		value := rapid.SampledFrom([]string{"0", "1", "2", "3", "4", "5", "6", "7", other, "\uFFFD", "\"\\\n"})
		labels := rapid.Custom(func(t *rapid.T) [2]string { return [2]string{value.Draw(t, "a"), value.Draw(t, "b")} })
		t.Repeat(map[string]func(*rapid.T){
			"inc": func(t *rapid.T) {
				l := labels.Draw(t, "labels")
				v.With(l).Inc()
				m.inc(l)
			},
			"delete": func(t *rapid.T) {
				l := labels.Draw(t, "labels")
				_, ok := m.series[l]
				if l == [2]string{other, other} {
					ok, m.rest = m.rest != nil, nil
				}
				require.Equal(t, ok, v.Delete(l))
				delete(m.series, l)
			},
			"": func(t *rapid.T) {
				require.Equal(t, Stats{Len: len(m.series), Overflow: m.overflow}, v.Stats())
				got := map[[2]string]uint64{}
				for _, s := range v.list() {
					got[[2]string(s.values)] = s.member.Value()
				}
				want := map[[2]string]uint64{}
				maps.Copy(want, m.series)
				if m.rest != nil {
					want[[2]string{other, other}] = *m.rest
				}
				require.Equal(t, want, got)
				require.NoError(t, v.validateLocked(v.get()))
				for l, c := range v.All() {
					require.Equal(t, m.series[l], c.Value())
				}
			},
		})
	})
}

// Two concurrent Withs of the same new set get the same member.
func TestLitmusWith(t *testing.T) {
	fresh := func() *Vec[string, Counter] {
		return must(NewVec[string, Counter](VecConfig{Labels: []string{"a"}}))
	}
	inc := func(v *Vec[string, Counter]) int {
		v.With("x").Inc()
		return v.Len()
	}
	var all []*Vec[string, Counter]
	seen := litmus.Run(5000, func() *Vec[string, Counter] {
		v := fresh()
		all = append(all, v)
		return v
	}, inc, inc)
	assert.Equal(t, map[litmus.Outcome]int{{A: 1, B: 1}: 5000}, seen)
	for _, v := range all {
		require.Equal(t, uint64(2), v.With("x").Value())
	}
}

// Whatever is replaced meanwhile, the sum over all series is the true total, and the bounds hold.
func TestHammerVec(t *testing.T) {
	const workers, rounds = 8, 3000
	v := must(NewVec[route, Counter](VecConfig{MaxSeries: 20, MaxValues: 9}))
	hammer.Run(t, workers, rounds, func(_ int, rng *rand.Rand) error {
		v.With(route{fmt.Sprint(rng.IntN(12)), fmt.Sprint(rng.IntN(12))}).Inc()
		if n := v.Len(); n > 20 {
			return fmt.Errorf("%d series", n)
		}
		return nil
	})
	sum := uint64(0)
	for _, s := range v.list() {
		sum += s.member.Value()
	}
	assert.Equal(t, uint64(workers*rounds), sum)
	require.NoError(t, v.validateLocked(v.get()))
}
