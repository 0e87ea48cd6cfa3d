package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxEntries bounds -clients and -cache.
const maxEntries = 1 << 20

// options are the flags.
type options struct {
	headless bool
	json     bool

	// The input: a log, or the synthetic day of the seed when log is "".
	log    string
	seed   uint64
	maxGap time.Duration // 0: off

	// How it is replayed.
	speed   speed
	seconds time.Duration // 0: until the input ends

	// The edge.
	docroot   string // "": the Go source tree
	policy    policy
	clients   int
	cacheSize int
	sabotage  string
}

const usage = `edgegate replays a day of web traffic through a gateway on loopback: a token bucket for each client, an LRU
cache of answers, three origins. It reports what it counted and checks its invariants.

Exit codes: 0 all invariants hold, 1 at least one is broken, 2 usage or environment, 130 interrupted before the first
request or a second time.
There is no page yet: the program runs as with -headless whether or not the flag is given.

`

// flagSet defines the flags. Each checks its own value, so a refusal names the
// flag.
func flagSet(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("edgegate", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the one line that matters
	fs.BoolVar(&o.headless, "headless", false, "run without the page")
	fs.BoolVar(&o.json, "json", false, "print the report as one JSON object on stdout, everything else on stderr")
	fs.Func("seconds", "stop after `N` seconds; 0: when the input ends (default 0)", setSeconds(&o.seconds))
	fs.Func("log", "replay the access log `FILE` (Common, Combined or NASA TSV, plain or gzip) instead of the synthetic day",
		setPath(&o.log))
	fs.Func("speed", "replay `N` times faster than the log (default 600)", set(&o.speed, parseSpeed))
	fs.Func("maxgap", "shorten longer silences of the log to `DURATION`; 0: off (default 0)", setGap(&o.maxGap))
	fs.Func("docroot", "serve the *.go files below `DIR` (default $(go env GOROOT)/src)", setPath(&o.docroot))
	fs.Func("seed", "seed `N` of the synthetic day (default 1)", set(&o.seed, parseSeed))
	fs.Func("rate", "refill of each client's bucket as `N/DURATION` in the time of the log (default 1/30s)",
		func(s string) (err error) {
			o.policy.tokens, o.policy.per, err = parseRate(s)
			return err
		})
	fs.Func("burst", "size `N` of each client's bucket (default 30)", set(&o.policy.burst, parseBurst))
	fs.Func("clients", "remember the buckets of `N` clients (default 4096)", set(&o.clients, parseEntries))
	fs.Func("cache", "keep `N` answers (default 256)", set(&o.cacheSize, parseEntries))
	fs.Func("sabotage", "plant the fault `NAME`, which the run must then report; list: print the names",
		set(&o.sabotage, parseSabotage))
	return fs
}

// parseOptions returns flag.ErrHelp for -h, or an error of one line that names
// the flag.
func parseOptions(args []string) (options, error) {
	o := options{
		speed:     600 * speedUnit,
		policy:    policy{tokens: 1, per: 30 * time.Second, burst: 30},
		clients:   4096,
		cacheSize: 256,
		seed:      1,
	}
	fs := flagSet(&o)
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: there are only flags, see -h", fs.Arg(0))
	}
	return o, nil
}

// printUsage is the answer to -h, which goes to stdout: it was asked for.
func printUsage(w io.Writer) {
	fs := flagSet(new(options))
	fs.SetOutput(w)
	(&printer{w: w}).printf("%s", usage)
	fs.PrintDefaults()
}

// set adapts a parser to a flag.
func set[T any](target *T, parse func(string) (T, error)) func(string) error {
	return func(s string) (err error) {
		*target, err = parse(s)
		return err
	}
}

// setSeconds accepts fractions. The comparison is written so that NaN fails it.
func setSeconds(target *time.Duration) func(string) error {
	return set(target, func(s string) (time.Duration, error) {
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil || !(seconds >= 0 && seconds <= math.MaxInt64/float64(time.Second)/2) {
			return 0, errors.New("want a number of seconds, 0 or more")
		}
		limit := time.Duration(seconds * float64(time.Second))
		if limit == 0 && seconds > 0 { // 0 would mean no limit at all
			return 0, errors.New("want a nanosecond at least, or 0")
		}
		return limit, nil
	})
}

// setGap takes a duration in the time of the log.
func setGap(target *time.Duration) func(string) error {
	return set(target, func(s string) (time.Duration, error) {
		gap, err := time.ParseDuration(s)
		if err != nil || gap < 0 {
			return 0, errors.New("want a duration such as 120s, 0 or more")
		}
		return gap, nil
	})
}

// setPath refuses "", which a shell makes of an unset variable and which would
// silently mean the default.
func setPath(target *string) func(string) error {
	return set(target, func(s string) (string, error) {
		if s == "" {
			return "", errors.New("want a path")
		}
		return s, nil
	})
}

// parseBurst has no upper bound of its own: how much is too much depends on the
// rate, see policy.bucket.
func parseBurst(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, errors.New("want a whole number, 1 or more")
	}
	return n, nil
}

// parseSeed accepts 0 too: every seed gives a day.
func parseSeed(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("want a whole number, 0 or more")
	}
	return n, nil
}

// parseEntries reads a capacity.
func parseEntries(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxEntries {
		return 0, fmt.Errorf("want a whole number in 1..%d", maxEntries)
	}
	return n, nil
}

// goSource finds the source tree of the Go distribution; runtime.GOROOT knows
// only where the program was built.
func goSource(ctx context.Context) (string, error) {
	root := os.Getenv("GOROOT")
	if root == "" {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return "", fmt.Errorf("no GOROOT and no go command (%w); name a directory with Go files", err)
		}
		root = strings.TrimSpace(string(out))
	}
	return filepath.Join(root, "src"), nil
}
