package metrics

import (
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func second[T any](_ T, err error) error { return err }

// Every field out of range is an ErrConfig that names it.
func TestConstructorsReject(t *testing.T) {
	alert := func(a BurnAlert) error {
		return second(NewSLO(SLOConfig{Objective: 0.999, Alerts: []BurnAlert{{"ok", time.Hour, 0, 1}, a}}))
	}
	vec := func(c VecConfig) error { return second(NewVec[string, Counter](c)) }
	type unexported struct{ _ string }
	type float struct{ Ratio float64 }
	type embedded struct{ route }
	type twice struct {
		A string `label:"x"`
		B string `label:"x"`
	}
	type badTag struct {
		A string `label:"a-b"`
	}
	nan, inf := math.NaN(), math.Inf(1)
	for want, err := range map[string]error{
		"Prefix must match": second(New(Config{Prefix: "shop-"})),
		`Prefix must match [a-zA-Z_][a-zA-Z0-9_]*, or be empty, got "1"`: second(New(Config{Prefix: "1"})),
		`Labels must match [a-zA-Z_][a-zA-Z0-9_]*, got "a b"`:            second(New(Config{Labels: map[string]string{"a b": ""}})),
		`got "le"`:       second(New(Config{Labels: map[string]string{"le": ""}})),
		`got "quantile"`: second(New(Config{Labels: map[string]string{"quantile": ""}})),
		`got "__a"`:      second(New(Config{Labels: map[string]string{"__a": ""}})),
		`"metric"`:       second(New(Config{Labels: map[string]string{"metric": ""}})),

		"RelativeError must be from 0.001 to 0.1, or 0 for 0.01, got NaN":  second(NewHistogram(HistogramConfig{RelativeError: nan})),
		"RelativeError must be from 0.001 to 0.1, or 0 for 0.01, got -1":   second(NewHistogram(HistogramConfig{RelativeError: -1})),
		"RelativeError must be from 0.001 to 0.1, or 0 for 0.01, got +Inf": second(NewHistogram(HistogramConfig{RelativeError: inf})),
		"got 0.0009":               second(NewHistogram(HistogramConfig{RelativeError: 0.0009})),
		"got 0.11":                 second(NewHistogram(HistogramConfig{RelativeError: 0.11})),
		"Bounds must not be empty": second(NewHistogram(HistogramConfig{Bounds: []float64{}})),
		"Bounds[0] must be finite and above 0, got 0":    second(NewHistogram(HistogramConfig{Bounds: []float64{0}})),
		"Bounds[0] must be finite and above 0, got -1":   second(NewHistogram(HistogramConfig{Bounds: []float64{-1}})),
		"Bounds[0] must be finite and above 0, got NaN":  second(NewHistogram(HistogramConfig{Bounds: []float64{nan}})),
		"Bounds[1] must be finite and above 1, got +Inf": second(NewHistogram(HistogramConfig{Bounds: []float64{1, inf}})),
		"Bounds[1] must be finite and above 1, got 1":    second(NewHistogram(HistogramConfig{Bounds: []float64{1, 1}})),
		"Bounds[2] must be finite and above 2, got 1":    second(NewHistogram(HistogramConfig{Bounds: []float64{1, 2, 1}})),

		"Window must be positive, or 0 for a minute, got -1ns":                      second(NewAverage(AverageConfig{Window: -1})),
		"Window must be positive, or 0 for a minute, got -2562047h47m16.854775808s": second(NewAverage(AverageConfig{Window: math.MinInt64})),
		"got -1":      second(NewAverage(AverageConfig{Buckets: -1})),
		"got 1048577": second(NewAverage(AverageConfig{Buckets: 1<<20 + 1})),
		"Buckets must be from 1 to 1048576, or 0 for 60, got " + strconv.Itoa(math.MaxInt): second(NewAverage(AverageConfig{Buckets: math.MaxInt})),
		"Buckets must divide Window, 60 does not divide 1ns":                               second(NewAverage(AverageConfig{Window: 1})),
		"7 does not divide 1m0s": second(NewAverage(AverageConfig{Buckets: 7})),

		"MaxSeries must be at least 1, or 0 for 2000, got -1":                vec(VecConfig{Labels: []string{"a"}, MaxSeries: -1}),
		"MaxValues must be at least 1, or 0 for MaxSeries, got -1":           vec(VecConfig{Labels: []string{"a"}, MaxValues: -1}),
		"got " + strconv.Itoa(math.MinInt):                                   vec(VecConfig{Labels: []string{"a"}, MaxSeries: math.MinInt}),
		"Histogram must be zero in a Vec of another metric":                  vec(VecConfig{Labels: []string{"a"}, Histogram: HistogramConfig{RelativeError: 0.01}}),
		"Bounds[0] must be finite":                                           second(NewVec[string, Histogram](VecConfig{Labels: []string{"a"}, Histogram: HistogramConfig{Bounds: []float64{nan}}})),
		"Labels must have 1 names":                                           vec(VecConfig{}),
		`Labels must have 1 names, one for each string of L, got ["a" "b"]`:  vec(VecConfig{Labels: []string{"a", "b"}}),
		"Labels must have 3 names":                                           second(NewVec[[3]string, Gauge](VecConfig{Labels: []string{"a", "b"}})),
		`Labels must be distinct, got "a" twice`:                             second(NewVec[[2]string, Gauge](VecConfig{Labels: []string{"a", "a"}})),
		`Labels must be nil when L is a struct, got ["a"]`:                   second(NewVec[route, Gauge](VecConfig{Labels: []string{"a"}})),
		"L must have at least one label, struct {} has none":                 second(NewVec[struct{}, Gauge](VecConfig{})),
		"L must have at least one label, [0]string has none":                 second(NewVec[[0]string, Gauge](VecConfig{})),
		"L must be a string, an array of strings or a struct, got int":       second(NewVec[int, Gauge](VecConfig{})),
		"L must be a string, an array of strings or a struct, got interface": second(NewVec[any, Gauge](VecConfig{})),
		"got _ string":            second(NewVec[unexported, Gauge](VecConfig{})),
		"got Ratio float64":       second(NewVec[float, Gauge](VecConfig{})),
		"got route metrics.route": second(NewVec[embedded, Gauge](VecConfig{})),
		`got "x" twice`:           second(NewVec[twice, Gauge](VecConfig{})),
		`got "a-b"`:               second(NewVec[badTag, Gauge](VecConfig{})),

		"MaxKeys must be from 1 to 1073741824, or 0 for 10000, got -1":         second(NewKeyed[int](KeyedConfig{MaxKeys: -1})),
		"MaxKeys must be from 1 to 1073741824, or 0 for 10000, got 1073741825": second(NewKeyed[int](KeyedConfig{MaxKeys: 1<<30 + 1})),

		"Objective must be above 0 and below 1, got 0":                                                      second(NewSLO(SLOConfig{})),
		"Objective must be above 0 and below 1, got 1":                                                      second(NewSLO(SLOConfig{Objective: 1})),
		"Objective must be above 0 and below 1, got -0.5":                                                   second(NewSLO(SLOConfig{Objective: -0.5})),
		"Objective must be above 0 and below 1, got NaN":                                                    second(NewSLO(SLOConfig{Objective: nan})),
		"Objective must be above 0 and below 1, got +Inf":                                                   second(NewSLO(SLOConfig{Objective: inf})),
		"Period must be a positive multiple of 50ns, or 0 for 30 days, got -1ns":                            second(NewSLO(SLOConfig{Objective: 0.5, Period: -1})),
		"Period must be a positive multiple of 50ns, or 0 for 30 days, got 51ns":                            second(NewSLO(SLOConfig{Objective: 0.5, Period: 51})),
		"Period must be a positive multiple of 50ns, or 0 for 30 days, got 2562":                            second(NewSLO(SLOConfig{Objective: 0.5, Period: math.MaxInt64})),
		"Alerts[1].Name must not be empty":                                                                  alert(BurnAlert{"", time.Hour, 0, 1}),
		"Alerts[1].Long must be a positive multiple of 50ns, at most Period 720h0m0s, got 0s":               alert(BurnAlert{"a", 0, 0, 1}),
		"Alerts[1].Long must be a positive multiple of 50ns, at most Period 720h0m0s, got -1h0m0s":          alert(BurnAlert{"a", -time.Hour, 0, 1}),
		"Alerts[1].Long must be a positive multiple of 50ns, at most Period 720h0m0s, got 721h0m0s":         alert(BurnAlert{"a", 721 * time.Hour, 0, 1}),
		"Alerts[1].Long must be a positive multiple of 50ns, at most Period 720h0m0s, got 1h0m0.000000001s": alert(BurnAlert{"a", time.Hour + 1, time.Minute, 1}),
		"Alerts[1].Short must be a positive multiple of 50ns, less than Long 1h0m0s, got -1ns":              alert(BurnAlert{"a", time.Hour, -1, 1}),
		"Alerts[1].Short must be a positive multiple of 50ns, less than Long 1h0m0s, got 1h0m0s":            alert(BurnAlert{"a", time.Hour, time.Hour, 1}),
		"Alerts[1].Short must be a positive multiple of 50ns, less than Long 1h0m0s, got 51ns":              alert(BurnAlert{"a", time.Hour, 51, 1}),
		"Alerts[1].Short must be a positive multiple of 50ns, less than Long 50ns, got 4ns":                 alert(BurnAlert{"a", 50, 0, 1}),
		"Alerts[1].Factor must be finite and above 0, got 0":                                                alert(BurnAlert{"a", time.Hour, 0, 0}),
		"Alerts[1].Factor must be finite and above 0, got NaN":                                              alert(BurnAlert{"a", time.Hour, 0, nan}),
		"Alerts[1].Factor must be finite and above 0, got +Inf":                                             alert(BurnAlert{"a", time.Hour, 0, inf}),
		"Alerts[1].Factor must be below 1000, or it can never fire at Objective 0.999, got 1000":            alert(BurnAlert{"a", time.Hour, 0, 1000}),
		"Alerts[0].Factor must be below 10":                                                                 second(NewSLO(SLOConfig{Objective: 0.9})),
		"Alerts[0].Factor must be below 14.28":                                                              second(NewSLO(SLOConfig{Objective: 0.93})),
		"Alerts[3].Long must be a positive multiple of 50ns, at most Period 48h0m0s, got 72h0m0s":           second(NewSLO(SLOConfig{Objective: 0.999, Period: 48 * time.Hour})),
	} {
		require.ErrorIs(t, err, ErrConfig, want)
		assert.Contains(t, err.Error(), want)
		assert.True(t, strings.HasPrefix(err.Error(), "metrics: invalid config: "), err)
	}
}

func TestConstructorsAccept(t *testing.T) {
	for name, err := range map[string]error{
		"all defaults":        second(New(Config{})),
		"prefix and labels":   second(New(Config{Prefix: "_x9_", Labels: map[string]string{"pod": "a\xffb", "az": ""}})),
		"tiny and huge bound": second(NewHistogram(HistogramConfig{Bounds: []float64{5e-324, math.MaxFloat64}})),
		"finest error":        second(NewHistogram(HistogramConfig{RelativeError: 0.001})),
		"coarsest error":      second(NewHistogram(HistogramConfig{RelativeError: 0.1})),
		"longest window":      second(NewAverage(AverageConfig{Window: math.MaxInt64, Buckets: 1})),
		"most series":         second(NewVec[string, Counter](VecConfig{Labels: []string{"a"}, MaxSeries: math.MaxInt, MaxValues: math.MaxInt})),
		"most keys":           second(NewKeyed[string](KeyedConfig{MaxKeys: 1 << 30})),
		"no alerts":           second(NewSLO(SLOConfig{Objective: 0.5, Alerts: []BurnAlert{}})),
		"0.94 can page":       second(NewSLO(SLOConfig{Objective: 0.94})),
		"shortest SLO":        second(NewSLO(SLOConfig{Objective: 1e-9, Period: 100, Alerts: []BurnAlert{{"a", 100, 50, 1}}})),
		"longest period":      second(NewSLO(SLOConfig{Objective: 0.99999, Period: math.MaxInt64 - math.MaxInt64%50})),
	} {
		assert.NoError(t, err, name)
	}
}

// go vet finds a copy of what holds, in a field or an array, something with a Lock method, as atomics and mutexes do.
func TestVetReportsCopies(t *testing.T) {
	locker := reflect.TypeFor[sync.Locker]()
	var locks func(reflect.Type) bool
	locks = func(typ reflect.Type) bool {
		switch {
		case reflect.PointerTo(typ).Implements(locker):
			return true
		case typ.Kind() == reflect.Array:
			return locks(typ.Elem())
		case typ.Kind() != reflect.Struct:
			return false
		}
		for f := range typ.Fields() {
			if locks(f.Type) {
				return true
			}
		}
		return false
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[Counter](), reflect.TypeFor[Gauge](), reflect.TypeFor[Histogram](), reflect.TypeFor[Average](),
		reflect.TypeFor[SLO](), reflect.TypeFor[Registry](), reflect.TypeFor[Keyed[string]](), reflect.TypeFor[Vec[route, Counter]](),
	} {
		assert.True(t, locks(typ), typ)
	}
	assert.False(t, locks(reflect.TypeFor[Snapshot]()), "a Snapshot is a value")
}

// Zero values work where the documentation says so, also when they are written out.
func TestZeroValues(t *testing.T) {
	var c Counter
	var g Gauge
	var h Histogram
	var k Keyed[string]
	var v Vec[route, Counter]
	assert.Zero(t, c.Value())
	assert.Zero(t, g.Value())
	assert.Equal(t, uint64(0), h.Snapshot().Count)
	assert.True(t, math.IsNaN(h.Quantile(0.5)))
	assert.Zero(t, k.Stats())
	assert.False(t, k.Delete("a"))
	assert.Nil(t, k.Top(3))
	for range k.All() {
		t.Error("a zero Keyed has a key")
	}
	k.Clear()
	assert.Zero(t, v.Stats())
	assert.False(t, v.Delete(route{}))
	for range v.All() {
		t.Error("a zero Vec has a series")
	}
	r := must(New(Config{}))
	require.NoError(t, r.Register("c_total", "c", &c))
	require.NoError(t, r.Register("g", "g", &g))
	require.NoError(t, r.Register("h", "h", &h))
	require.NoError(t, r.Register("v_total", "v", &v))
	assert.Contains(t, textOf(t, r), "c_total 0\n")
	assert.Contains(t, textOf(t, r), "h_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n")
	assert.NotContains(t, textOf(t, r), "v_total")
}

// What must be made by a constructor says so instead of hanging; a nil pointer to the others panics as any does.
func TestNilAndUnmadePanic(t *testing.T) {
	for _, r := range []*Registry{nil, new(Registry)} {
		const text = "metrics: Registry not made by New"
		assert.PanicsWithValue(t, text, func() { _ = r.Register("a", "b", new(Gauge)) })
		assert.PanicsWithValue(t, text, func() { r.Unregister("a") })
		assert.PanicsWithValue(t, text, func() { _ = r.WriteText(io.Discard) })
		assert.PanicsWithValue(t, text, func() { _ = r.WriteOpenMetrics(io.Discard) })
	}
	for _, a := range []*Average{nil, new(Average)} {
		const text = "metrics: Average not made by NewAverage"
		assert.PanicsWithValue(t, text, func() { a.Observe(1) })
		assert.PanicsWithValue(t, text, func() { a.Mean() })
	}
	for _, s := range []*SLO{nil, new(SLO)} {
		const text = "metrics: SLO not made by NewSLO"
		assert.PanicsWithValue(t, text, func() { s.Record(true) })
		assert.PanicsWithValue(t, text, func() { s.Budget() })
		assert.PanicsWithValue(t, text, func() { s.Alerts() })
	}
	for name, call := range map[string]func(){
		"Counter":   func() { (*Counter)(nil).Inc() },
		"Gauge":     func() { (*Gauge)(nil).Set(1) },
		"Histogram": func() { (*Histogram)(nil).Observe(1) },
		"Vec":       func() { (*Vec[route, Counter])(nil).With(route{}) },
		"Keyed":     func() { (*Keyed[int])(nil).Inc(1) },
	} {
		assert.Panics(t, call, name)
	}
}

// The bounds of a config are copied.
func TestConfigIsNotShared(t *testing.T) {
	bounds := []float64{1, 2}
	h := must(NewHistogram(HistogramConfig{Bounds: bounds}))
	bounds[0] = 100
	h.Observe(1.5)
	for bound, n := range h.Snapshot().Buckets() {
		assert.Equal(t, map[float64]uint64{1: 0, 2: 1, math.Inf(1): 1}[bound], n, bound)
	}
	alerts := []BurnAlert{{"a", time.Hour, 0, 1}}
	s := must(NewSLO(SLOConfig{Objective: 0.9, Alerts: alerts}))
	alerts[0].Name = "b"
	assert.Equal(t, BurnAlert{"a", time.Hour, 5 * time.Minute, 1}, s.Alerts()[0].BurnAlert)
	names := []string{"a"}
	v := must(NewVec[string, Counter](VecConfig{Labels: names}))
	names[0] = "b"
	v.With("x").Inc()
	r := must(New(Config{}))
	require.NoError(t, r.Register("v_total", "v", v))
	assert.Contains(t, textOf(t, r), `v_total{a="x"} 1`)
}
