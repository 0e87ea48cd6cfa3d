package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suite is the compiled test binary and the names of its benchmarks.
type suite struct {
	binary     string
	benchmarks []string
}

// build compiles the benchmarks of this module into dir.
func build(ctx context.Context, dir string) (*suite, error) {
	s := &suite{binary: filepath.Join(dir, "peers.test")}
	if _, err := output(ctx, "go", "test", "-c", "-o", s.binary, "."); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.binary); err != nil {
		return nil, fmt.Errorf("no test files in this folder: run it in internal/benchmarks: %w", err)
	}
	list, err := output(ctx, s.binary, "-test.list", "^Benchmark")
	s.benchmarks = strings.Fields(string(list))
	return s, err
}

// measure runs the chosen benchmarks once a round and returns all that they
// printed.
func (s *suite) measure(ctx context.Context, selected map[string][]string, opts options) ([]byte, error) {
	var raw bytes.Buffer
	for round := range opts.rounds {
		start := time.Now()
		out, err := output(ctx, s.binary,
			"-test.run", "^$", "-test.bench", pattern(selected), "-test.benchmem", "-test.count", "1",
			"-test.benchtime", opts.benchtime, "-test.cpu", opts.cpu, "-test.timeout", "0")
		if err != nil {
			return nil, err
		}
		raw.Write(out)
		fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, opts.rounds, time.Since(start).Round(time.Second))
	}
	return raw.Bytes(), nil
}

// pattern matches exactly the chosen benchmarks.
func pattern(selected map[string][]string) string {
	var names []string
	for _, families := range selected {
		names = append(names, families...)
	}
	slices.Sort(names)
	return "^(" + strings.Join(names, "|") + ")$"
}

// benchstat compares the implementations of one family; the first is the base.
func benchstat(ctx context.Context, rawFile, family string, impls []string) ([]byte, error) {
	quoted := make([]string, len(impls))
	for i, impl := range impls {
		quoted[i] = strconv.Quote(impl)
	}
	return output(ctx, "go", "-C", filepath.Join("..", "tools"), "tool", "benchstat",
		"-filter", ".name:"+family, "-col", "/impl@("+strings.Join(quoted, " ")+")", rawFile)
}

// output runs a command and returns its standard output; an error carries
// everything the command said.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes(), nil
}

// packages names the folders of the root module that may own benchmarks.
func packages(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "internal" && e.Name() != "examples" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// byPackage sorts benchmarks by the package that their names start with, in any
// case: BenchmarkLRUGet is of lru. The longest match wins, so that ratelimit
// and ratelimithttp could live side by side.
func byPackage(benchmarks, known []string) (map[string][]string, error) {
	owned := map[string][]string{}
	for _, benchmark := range benchmarks {
		name := strings.ToLower(strings.TrimPrefix(benchmark, "Benchmark"))
		owner := ""
		for _, pkg := range known {
			if strings.HasPrefix(name, pkg) && len(pkg) > len(owner) {
				owner = pkg
			}
		}
		if owner == "" {
			return nil, fmt.Errorf("%s starts with no package of %v", benchmark, known)
		}
		owned[owner] = append(owned[owner], benchmark)
	}
	return owned, nil
}
