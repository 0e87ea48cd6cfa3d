package metrics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What goes in as labels and help text comes out of both formats as it was, repaired to UTF-8, whatever it is.
func FuzzPage(f *testing.F) {
	f.Add("Requests served.", "shop", "GET", "/a", uint64(1), 0.5)
	f.Fuzz(func(t *testing.T, help, constant, method, path string, n uint64, v float64) {
		if help == "" {
			help = "h"
		}
		r := must(New(Config{Labels: map[string]string{"app": constant}}))
		c := must(NewVec[[2]string, Counter](VecConfig{Labels: []string{"method", "path"}}))
		c.With([2]string{method, path}).Add(n)
		c.With([2]string{path, method}).Add(0)
		var h Vec[route, Histogram]
		h.With(route{method, path}).Observe(v)
		require.NoError(t, r.Register("c_total", help, c))
		require.NoError(t, r.Register("h", help, &h))
		fixed := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		for _, openMetrics := range []bool{false, true} {
			write := textOf
			name := "c_total"
			if openMetrics {
				write, name = openMetricsOf, "c"
			}
			families, err := parseStrictly(write(t, r), openMetrics)
			require.NoError(t, err)
			require.Equal(t, name, families[0].name)
			require.Equal(t, fixed(help), families[0].help)
			want := [][2]string{{"app", fixed(constant)}, {"method", fixed(method)}, {"path", fixed(path)}}
			found := false
			for _, s := range families[0].samples {
				found = found || [3][2]string(s.labels) == [3][2]string(want)
			}
			require.True(t, found, "%q in %+v", want, families[0])
			require.Len(t, families[1].samples, len(defaultBounds)+3)
		}
		require.NoError(t, c.validateLocked(c.get()))
	})
}

// A Keyed and a Vec are maps with a bound, for any sequence of calls.
func FuzzBounds(f *testing.F) {
	f.Add(uint8(3), uint8(2), []byte("\x01\x02\x83\x02\x41\x01"))
	f.Fuzz(func(t *testing.T, series, values uint8, calls []byte) {
		if len(calls) > 300 {
			return
		}
		maxSeries, maxValues := 1+int(series%8), 1+int(values%5)
		v := must(NewVec[[2]string, Counter](VecConfig{Labels: []string{"a", "b"}, MaxSeries: maxSeries, MaxValues: maxValues}))
		k := must(NewKeyed[byte](KeyedConfig{MaxKeys: maxSeries}))
		m := &vecModel{maxSeries: maxSeries, maxValues: maxValues, series: map[[2]string]uint64{}}
		kept, total := map[byte]bool{}, uint64(0)
		for _, c := range calls {
			l := [2]string{string('a' + c&7), string('a' + c>>3&7)}
			if c&0x80 != 0 {
				_, ok := m.series[l]
				require.Equal(t, ok, v.Delete(l))
				delete(m.series, l)
				require.Equal(t, kept[c&63], k.Delete(c&63))
				delete(kept, c&63)
				continue
			}
			v.With(l).Inc()
			m.inc(l)
			k.Inc(c & 63)
			total++
			if len(kept) < maxSeries {
				kept[c&63] = true
			}
			require.Equal(t, Stats{Len: len(m.series), Overflow: m.overflow}, v.Stats())
			require.Equal(t, len(kept), k.Len())
		}
		for l, c := range v.All() {
			require.Equal(t, m.series[l], c.Value())
		}
		require.LessOrEqual(t, k.Stats().Overflow, total)
		require.NoError(t, v.validateLocked(v.get()))
		require.NoError(t, k.index.validateLocked())
	})
}
