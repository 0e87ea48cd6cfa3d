// Command peers measures mainstay beside its peers and writes the tables of
// RESULTS.md.
//
//	go -C internal/benchmarks run ./cmd/peers                      # every package
//	go -C internal/benchmarks run ./cmd/peers -pkg lru -rounds 8   # one package
//
// go test -count=8 repeats each benchmark eight times before it starts the
// next, so that a machine that slows down for ten seconds slows down one
// implementation. Here the test binary is built once and run whole, -rounds
// times: every round measures all implementations one after the other, and a
// slow spell spreads over all of them.
//
// The sections of the packages that were measured are replaced, the others
// stay, and so does the prose between the notes markers of each section.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// options are the flags. They are printed with the results, as the command that
// regenerates them.
type options struct {
	pkgs      string
	rounds    int
	benchtime string
	cpu       string
	out       string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opts, err := parseFlags(os.Args[1:])
	if err == nil {
		err = run(ctx, opts)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// parseFlags reads the command line. The zero rounds are refused here rather
// than measured.
func parseFlags(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.StringVar(&opts.pkgs, "pkg", "", "packages to measure, separated by commas (default all)")
	flags.IntVar(&opts.rounds, "rounds", 8, "runs of the whole binary")
	flags.StringVar(&opts.benchtime, "benchtime", "200ms", "time, or Nx iterations, of one benchmark in one round")
	flags.StringVar(&opts.cpu, "cpu", "1,2", "values of GOMAXPROCS")
	flags.StringVar(&opts.out, "out", "RESULTS.md", "file to update")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if opts.rounds < 1 {
		return options{}, fmt.Errorf("-rounds must be at least 1, got %d", opts.rounds)
	}
	return opts, nil
}

// command is how to get the same table again, from the root of the repository.
func (o options) command() string {
	pkg := ""
	if o.pkgs != "" {
		pkg = " -pkg " + o.pkgs
	}
	return fmt.Sprintf("go -C internal/benchmarks run ./cmd/peers%s -rounds %d -benchtime %s -cpu %s",
		pkg, o.rounds, o.benchtime, o.cpu)
}

// run measures and then updates the results; a failed benchmark leaves the file
// alone.
func run(ctx context.Context, opts options) error {
	tmp, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	suite, err := build(ctx, tmp)
	if err != nil {
		return err
	}
	selected, err := choose(suite.benchmarks, opts.pkgs)
	if err != nil {
		return err
	}
	raw, err := suite.measure(ctx, selected, opts)
	if err != nil {
		return err
	}
	rawFile := filepath.Join(tmp, "raw.txt")
	if err := os.WriteFile(rawFile, raw, 0o600); err != nil {
		return err
	}
	sections, err := render(ctx, selected, rawFile, raw, header(machine(), opts.command()))
	if err != nil {
		return err
	}
	return update(opts.out, sections)
}

// choose sorts the benchmarks by package and keeps the packages asked for, or
// all.
func choose(benchmarks []string, pkgs string) (map[string][]string, error) {
	known, err := packages(filepath.Join("..", ".."))
	if err != nil {
		return nil, err
	}
	all, err := byPackage(benchmarks, known)
	if err != nil || pkgs == "" {
		return all, err
	}
	selected := map[string][]string{}
	for pkg := range strings.SplitSeq(pkgs, ",") {
		if len(all[pkg]) == 0 {
			return nil, fmt.Errorf("no benchmark of package %q: a name starts with its package, as in BenchmarkLRUGet", pkg)
		}
		selected[pkg] = all[pkg]
	}
	return selected, nil
}

// render makes the body of each package's section: the ratios at a glance, then
// what benchstat says of each family.
func render(ctx context.Context, selected map[string][]string, rawFile string, raw []byte, head string) (map[string]string, error) {
	measured := parse(raw)
	sections := map[string]string{}
	for pkg, families := range selected {
		var body bytes.Buffer
		body.WriteString(head)
		for _, family := range families {
			name := strings.TrimPrefix(family, "Benchmark")
			table, err := benchstat(ctx, rawFile, name, measured.impls(name))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&body, "### %s\n\n%s\n```\n%s```\n\n", name, measured.ratios(name), table)
		}
		sections[pkg] = body.String()
	}
	return sections, nil
}

// update rewrites the file with the new sections spliced in.
func update(file string, sections map[string]string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(file, []byte(splice(cmp.Or(string(old), preamble), sections)), 0o644)
}
