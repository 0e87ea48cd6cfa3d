// Command edgegate replays a day of web traffic through a small edge on
// loopback: a gateway built from tokenbucket and lru in front of three origins
// that serve real files. What it reports of the gateway is counted from
// requests that went over TCP; what should have come out is computed beside it.
//
//	go run ./examples/edgegate -headless
//	go run ./examples/edgegate -headless -log access.log.gz -speed 3600
//
// # The parts
//
//	log or synthetic day ──> replayer ──> gateway ──> origin-0, origin-1, origin-2
//	        │                                │
//	        └──> exact pass ──> report <─────┘
//
// All of them are in one process but talk over real sockets. The replayer keeps
// to the times of the log, divided by -speed. The gateway limits each client
// and caches answers. Beside the replay, an exact pass decides the same
// requests one by one at their logged times; the report prints both, so that a
// limiter which is off by one, or a cache which is not quite LRU, shows.
//
// # Reading the program
//
// gateway.go and chain.go are the answer to the question how a limiter and a
// cache go together. replay.go shows how to load a server without flattering
// it, invariants.go how to check a limiter from the outside, oracle.go what it
// should have done, and traffic.go how to make a day of traffic that has the
// bursts of a real one. The rest is flags, formats and printing.
//
// # Limits
//
// Entries of the cache do not expire, and two requests that miss on the same
// target both go to the origin. Nothing is retried. An origin that fails is a
// 502 or 504 at once.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	exitOK          = 0
	exitBroken      = 1
	exitUsage       = 2
	exitInterrupted = 130

	forcedExit = 3 * time.Second // after the first signal
)

// errInterrupted means that there is nothing to report yet.
var errInterrupted = errors.New("interrupted before the first request")

func main() {
	os.Exit(run(interruptible(), os.Args[1:], os.Stdout, os.Stderr))
}

// interruptible returns a context that ends with the first signal. The second
// signal ends the process, and so does time: an input that blocks must not
// outlive the user's patience.
func interruptible() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		select {
		case <-signals:
		case <-time.After(forcedExit):
		}
		os.Exit(exitInterrupted)
	}()
	return ctx
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out, notes := &printer{w: stdout}, &printer{w: stderr}
	opts, err := parseOptions(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		printUsage(stdout)
		return exitOK
	case err != nil:
		notes.printf("edgegate: %v\n", err)
		return exitUsage
	case opts.sabotage == listSabotages:
		out.printf("%s\n", strings.Join(sabotageNames(), "\n"))
		return exitOK
	}
	report, err := simulate(ctx, opts, out, notes)
	if err == nil {
		err = report.print(out, opts)
	}
	if err != nil {
		notes.printf("edgegate: %v\n", err)
		return failure(err)
	}
	return verdict(report.Violations, notes)
}

// failure is the exit code of a run without a report.
func failure(err error) int {
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	return exitUsage
}

// verdict names what is broken and returns the exit code.
func verdict(broken []violation, notes *printer) int {
	if len(broken) == 0 {
		return exitOK
	}
	for _, v := range broken {
		notes.printf("edgegate: %s broken: %s\n", v.ID, v.Text)
	}
	return exitBroken
}

// simulate loads the input, runs the edge and checks the invariants. An error
// means that nothing can be reported.
func simulate(ctx context.Context, opts options, out, notes *printer) (*report, error) {
	in, err := loadInput(ctx, opts)
	if ctx.Err() != nil {
		return nil, errInterrupted // err may blame the docroot for a walk that was cut short
	}
	if err != nil {
		return nil, err
	}
	before := runtime.NumGoroutine()
	e, err := startEdge(ctx, opts, in)
	if err != nil {
		return nil, err
	}
	announce(e.replayer.gateway, opts, out, notes)
	sum, err := e.replay(ctx)
	heap := heapBytes()
	if err := errors.Join(err, e.stop(ctx)); err != nil {
		return nil, err
	}
	broken := e.check(ctx, sum, before)
	return e.report(sum, heap, before, broken)
}

// announce prints the line of addresses that scripts wait for. With -json
// stdout belongs to the report alone.
func announce(address string, opts options, out, notes *printer) {
	progress := out
	if opts.json {
		progress = notes
	}
	progress.printf("edgegate: page http://%[1]s/  gateway http://%[1]s/  naive http://%[1]s/\n", address)
	if opts.maxGap > 0 {
		progress.printf("edgegate: silences of the input longer than %v are shortened to it\n", opts.maxGap)
	}
	if !opts.headless {
		notes.printf("edgegate: there is no page yet, running as with -headless\n")
	}
}

// heapBytes is what the program holds at the end of the replay, caches and
// record included.
func heapBytes() uint64 {
	runtime.GC() // what is garbage already is not held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
