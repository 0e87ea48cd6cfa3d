package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	inFlight   = 128                     // requests on the wire at once; each has a worker
	drainLimit = 1500 * time.Millisecond // for requests in flight after a stop
)

// Why a replay ended.
const (
	stoppedAtEnd     = "end"
	stoppedBySeconds = "seconds"
	stoppedBySignal  = "signal"
)

// errSeconds is the cause of a stop by -seconds.
var errSeconds = errors.New("-seconds are over")

// replayer sends a stream to the gateway at its own pace (an open loop): a
// request goes out when it is due, whether or not the ones before it have been
// answered. That holds while at most 128 are in flight; one more waits for a
// worker.
//
// The tempting version is a closed loop, in which each worker sends its next
// request after the answer to its last. It measures a server that stalls for a
// second as one slow request, because the others were politely held back:
//
//	due        1    2    3    4    5    6
//	closed     1─────stall─────>2>3>4>5>6>     one slow answer of six
//	open       1─────stall─────>
//	                2──────────>
//	                     3─────>  …            what users would have seen
//
// So latency counts from the due time, not from the time of sending, and a
// request that had to wait for a worker is charged for the wait. The lag, by
// which requests went out late, is reported beside it. A large lag has one of
// two reasons, a machine that cannot keep up or a gateway that keeps all 128
// workers waiting; whichever it is, the denials are not those of the log then.
type replayer struct {
	stream  []request
	speed   speed
	gateway string // address
	seal    seal
	client  *http.Transport

	start time.Time
	sends []send // by position in the stream; each is written by the one worker that sends it
}

// send is what became of one request. lag is how late it went out, latency how
// late the answer was complete.
type send struct {
	lag, latency   time.Duration
	sent, answered bool
}

// sending sums up a replay.
type sending struct {
	sent, unanswered int64
	cutShort         bool // requests in flight had to be cancelled
	stopped          string
	wall             time.Duration
	lag, latency     []time.Duration // sorted
}

// run replays until the stream ends or stop is done.
func (p *replayer) run(stop context.Context) (sending, error) {
	p.start = time.Now()
	p.sends = make([]send, len(p.stream))
	due := make(chan int, len(p.stream)) // never full: a busy worker cannot hold up the schedule
	flight, cut := context.WithCancel(context.WithoutCancel(stop))
	defer cut()
	defer context.AfterFunc(stop, func() { time.AfterFunc(drainLimit, cut) })()

	var group errgroup.Group
	for range inFlight {
		group.Go(func() error { return p.work(stop, flight, due) })
	}
	finished := p.schedule(stop, due)
	err := group.Wait()
	p.client.CloseIdleConnections()

	sum := p.sum()
	sum.cutShort = flight.Err() != nil
	sum.stopped = stopReason(stop, finished)
	return sum, err
}

// stopReason tells the end of the input from the two ways to be stopped before
// it.
func stopReason(stop context.Context, finished bool) string {
	switch {
	case finished:
		return stoppedAtEnd
	case errors.Is(context.Cause(stop), errSeconds):
		return stoppedBySeconds
	default:
		return stoppedBySignal
	}
}

// schedule hands out each request when it is due, and reports whether it
// reached the end.
func (p *replayer) schedule(stop context.Context, due chan<- int) bool {
	defer close(due)
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for i := range p.stream {
		alarm.Reset(p.due(i) - time.Since(p.start))
		select {
		case <-alarm.C:
		case <-stop.Done():
			return false
		}
		due <- i
	}
	return stop.Err() == nil
}

// due is the wall time of a request, counted from the start.
func (p *replayer) due(i int) time.Duration { return p.speed.wall(p.stream[i].at) }

// work sends what is due. After a stop the backlog is dropped: what has not
// been sent is not part of the run.
func (p *replayer) work(stop, flight context.Context, due <-chan int) error {
	for i := range due {
		if stop.Err() != nil {
			continue
		}
		ask, err := p.request(flight, p.stream[i])
		if err != nil {
			return err
		}
		s := send{sent: true, lag: time.Since(p.start) - p.due(i)}
		s.answered = p.exchange(ask)
		s.latency = time.Since(p.start) - p.due(i)
		p.sends[i] = s
	}
	return nil
}

// exchange sends one request and reads the answer to its end, without which the
// connection could not be used again.
func (p *replayer) exchange(ask *http.Request) bool {
	response, err := p.client.RoundTrip(ask)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil
}

// request builds what goes on the wire, with the client of the log in a header:
// all connections come from one address.
func (p *replayer) request(ctx context.Context, r request) (*http.Request, error) {
	w := onWire(r)
	ask, err := http.NewRequestWithContext(ctx, w.method, "http://"+p.gateway, http.NoBody)
	if err != nil {
		return nil, err
	}
	ask.URL = requestURL(p.gateway, w.target)
	p.seal.stamp(ask.Header)
	ask.Header.Set(headerClient, url.PathEscape(r.client))
	if w.missing {
		ask.Header.Set(headerMissing, "1")
	}
	return ask, nil
}

// wireRequest is what is really asked for a logged request.
type wireRequest struct {
	method, target string
	missing        bool
}

// onWire replays a logged 404 as a GET of a file that is missing, whatever its
// method was.
func onWire(r request) wireRequest {
	w := wireRequest{method: r.method, target: wireTarget(r.path)}
	if r.status == http.StatusNotFound {
		w.method, w.missing = http.MethodGet, true
	}
	return w
}

// sum reads what the workers wrote; they have ended, so nobody else looks.
func (p *replayer) sum() sending {
	s := sending{wall: time.Since(p.start)}
	for _, one := range p.sends {
		if !one.sent {
			continue
		}
		s.sent++
		s.lag = append(s.lag, one.lag)
		s.latency = append(s.latency, one.latency)
		if !one.answered {
			s.unanswered++
		}
	}
	slices.Sort(s.lag)
	slices.Sort(s.latency)
	return s
}

// replayed returns the part of the stream that was sent.
func (p *replayer) replayed() []request {
	var stream []request
	for i, one := range p.sends {
		if one.sent {
			stream = append(stream, p.stream[i])
		}
	}
	return stream
}

// percentile returns the nearest-rank percentile of a sorted sample, and 0 of
// none.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}
