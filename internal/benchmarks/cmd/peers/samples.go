package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ours is the implementation that the peers are compared with.
const ours = "mainstay"

// sample is one measured line, as in BenchmarkLRUGet/impl=otter/keys=zipf-2
// 1000  31.2 ns/op.
type sample struct {
	family string // LRUGet
	row    string // keys=zipf-2: what is left without family and implementation
	impl   string // otter
	ns     float64
}

// samples are the lines in the order in which they were measured.
type samples []sample

// procs is the GOMAXPROCS suffix that the testing package appends when it is
// not 1.
var procs = regexp.MustCompile(`-\d+$`)

// parse keeps the benchmark lines of a run; everything else is for benchstat.
func parse(raw []byte) samples {
	var all samples
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") || fields[3] != "ns/op" {
			continue
		}
		ns, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			continue
		}
		s := split(fields[0])
		s.ns = ns
		all = append(all, s)
	}
	return all
}

// split takes a benchmark's name apart.
func split(name string) sample {
	suffix := procs.FindString(name)
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(name, "Benchmark"), suffix), "/")
	s := sample{family: parts[0]}
	var rest []string
	for _, part := range parts[1:] {
		if impl, found := strings.CutPrefix(part, "impl="); found {
			s.impl = impl
			continue
		}
		rest = append(rest, part)
	}
	s.row = strings.Join(rest, "/") + suffix
	return s
}

// impls are the implementations of a family in the order of measurement, ours
// first: the base of every comparison.
func (s samples) impls(family string) []string {
	var names []string
	for _, one := range s {
		if one.family == family && one.impl != ours && !slices.Contains(names, one.impl) {
			names = append(names, one.impl)
		}
	}
	return append([]string{ours}, names...)
}

// rows are the workloads of a family in the order of measurement.
func (s samples) rows(family string) []string {
	var names []string
	for _, one := range s {
		if one.family == family && !slices.Contains(names, one.row) {
			names = append(names, one.row)
		}
	}
	return names
}

// median is the middle of all rounds of one workload on one implementation, 0
// if it was not measured.
func (s samples) median(family, row, impl string) float64 {
	var ns []float64
	for _, one := range s {
		if one.family == family && one.row == row && one.impl == impl {
			ns = append(ns, one.ns)
		}
	}
	if len(ns) == 0 {
		return 0
	}
	slices.Sort(ns)
	return (ns[(len(ns)-1)/2] + ns[len(ns)/2]) / 2
}

// ratios is a Markdown table of medians: each peer's time and how many times
// ours that is. A peer that is faster stands in bold, so that a loss is seen at
// once.
func (s samples) ratios(family string) string {
	impls := s.impls(family)
	var table strings.Builder
	fmt.Fprintf(&table, "| %s | %s |\n|---|%s\n", family, strings.Join(impls, " | "), strings.Repeat("---:|", len(impls)))
	for _, row := range s.rows(family) {
		base := s.median(family, row, ours)
		fmt.Fprintf(&table, "| %s |", strings.TrimSpace(strings.ReplaceAll(row, "/", " ")))
		for _, impl := range impls {
			fmt.Fprintf(&table, " %s |", cell(s.median(family, row, impl), base, impl == ours))
		}
		table.WriteString("\n")
	}
	return table.String()
}

// cell prints one time with its ratio to the base.
func cell(ns, base float64, isBase bool) string {
	switch text := duration(ns); {
	case ns == 0:
		return ""
	case isBase, base == 0:
		return text
	case ns < base:
		return fmt.Sprintf("**%s, %.2fx**", text, ns/base)
	default:
		return fmt.Sprintf("%s, %.2fx", text, ns/base)
	}
}

// duration prints nanoseconds with three or four significant digits.
func duration(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e4:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	default:
		return fmt.Sprintf("%.1f ns", ns)
	}
}
