package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// request is one line of traffic, synthetic or logged. Its strings are shared
// between requests.
type request struct {
	at     time.Duration // since the first instant of the stream
	client string
	method string
	path   string // the logged target, before wireTarget makes it safe
	status int    // the logged status; only 404 changes what is replayed
	bytes  int64  // the logged size; 0 when unknown
}

// The synthetic day follows the published shape of one day of the NASA-HTTP
// trace (Arlitt and Williamson, "Web Server Workload Characterization",
// SIGMETRICS 1996): 12.9 hours, a quiet night, a busy afternoon, few hot URLs
// and a long tail.
//
// Visitors arrive as a Poisson process whose rate follows hourlyQuota and
// wanders every five minutes by a gamma factor. A visitor opens a page, loads
// its inline images within three seconds, thinks, and perhaps opens another
// page. These nested bursts, and not any explicit noise, make the request count
// per minute about eighteen times as dispersed as a plain Poisson stream would
// be.
//
// Whatever decides is an integer: the same seed gives the same bytes on every
// platform, whatever its floats do.
const (
	daySpan = 12*time.Hour + 54*time.Minute

	slotLength   = 5 * time.Minute
	slotsPerHour = int(time.Hour / slotLength)
	gammaShape   = 25 // the rate of a slot varies by 1/sqrt(25) = 20 %

	pages, pageShift = 3000, 5
	images           = 40
	brokenLinks      = 60

	morePercent      = 72 // chance that a visitor opens one page more
	maxPages         = 10
	devotedPermille  = 4 // visitors who stay devotedFactor times as long
	devotedFactor    = 12
	brokenPermille   = 30 // page views that follow a broken link
	imageMeanTenths  = 32
	maxInline        = 8
	inlineWithinMsec = 3000
)

// hourlyQuota is how many requests ordinary visitors make in each hour; the
// last "hour" has 54 minutes. It is 96 % of the measured day, which leaves room
// for the abusers.
var hourlyQuota = [...]int{953, 1170, 946, 1100, 981, 1707, 2744, 3071, 3636, 3886, 4265, 3167, 2103}

// thinkSeconds holds the sixteenths of a lognormal think time with median 30 s
// and sigma 1.4, cut off at both ends.
var thinkSeconds = [...]uint64{2, 4, 6, 9, 12, 15, 19, 24, 30, 37, 47, 59, 77, 104, 150, 257, 519}

// syntheticDay returns the stream of the seed, in time order.
func syntheticDay(seed uint64) []request {
	d := newDay(seed)
	for hour := range hourlyQuota {
		d.fillHour(hour)
	}
	d.abuse()
	slices.SortStableFunc(d.stream, byTime)
	return d.stream
}

// byTime orders a stream; sort stably with it, for equal times keep the order
// of the log.
func byTime(a, b request) int { return cmp.Compare(a.at, b.at) }

// day is a stream under construction.
type day struct {
	dice     dice
	stream   []request
	inHour   [len(hourlyQuota)]int
	visitors int

	pageTargets, imageTargets, brokenTargets []string
	pageRank, imageRank, brokenRank          ranks
}

// newDay builds the tables that the visitors draw from.
func newDay(seed uint64) *day {
	return &day{
		dice:          dice{rand.NewPCG(seed, 0)},
		pageTargets:   numbered("/pages/%04d.html", pages),
		imageTargets:  numbered("/images/%02d.gif", images),
		brokenTargets: numbered("/old/%02d.html", brokenLinks),
		pageRank:      zipfMandelbrot(pages, pageShift),
		imageRank:     zipfMandelbrot(images, 0),
		brokenRank:    zipfMandelbrot(brokenLinks, 0),
	}
}

// numbered formats each target once; requests share the string.
func numbered(format string, n int) []string {
	targets := make([]string, n)
	for i := range targets {
		targets[i] = fmt.Sprintf(format, i)
	}
	return targets
}

// fillHour adds visitors until the hour holds its quota, counting what earlier
// visitors left in it.
func (d *day) fillHour(hour int) {
	busyness := make(ranks, slotsPerHour)
	total := uint64(0)
	for slot := range busyness {
		for range gammaShape { // a gamma variate is a sum of exponential ones
			total += d.dice.exponential()
		}
		busyness[slot] = total
	}
	begin := time.Duration(hour) * time.Hour
	for d.inHour[hour] < hourlyQuota[hour] {
		slot := busyness.draw(d.dice)
		d.visit(begin + time.Duration(slot)*slotLength + d.dice.millis(uint64(slotLength/time.Millisecond)))
	}
}

// visit adds one visitor who arrives at the given time.
func (d *day) visit(at time.Duration) {
	if at >= daySpan {
		return
	}
	d.visitors++
	client := fmt.Sprintf("visitor-%04d.example", d.visitors)
	for range d.pageViews() {
		d.view(client, at)
		at += d.think()
	}
}

// pageViews is geometric, cut off at maxPages. The cut keeps an ordinary
// visitor below the burst of the policy most of the time, and the few devoted
// ones make the busiest client of the day.
func (d *day) pageViews() int {
	views := 1
	for views < maxPages && d.dice.below(100) < morePercent {
		views++
	}
	if d.dice.below(1000) < devotedPermille {
		views *= devotedFactor
	}
	return views
}

// view adds a page with its inline images, or a broken link, which has none.
func (d *day) view(client string, at time.Duration) {
	if d.dice.below(1000) < brokenPermille {
		d.add(request{at, client, http.MethodGet, d.brokenTargets[d.brokenRank.draw(d.dice)], http.StatusNotFound, 0})
		return
	}
	d.add(request{at, client, http.MethodGet, d.pageTargets[d.pageRank.draw(d.dice)], http.StatusOK, 0})
	for range min(maxInline, d.dice.exponential()*imageMeanTenths/10>>32) {
		image := d.imageTargets[d.imageRank.draw(d.dice)]
		d.add(request{at + d.dice.millis(inlineWithinMsec), client, http.MethodGet, image, http.StatusOK, 0})
	}
}

// think picks one of sixteen equally likely bands, then a point in it.
func (d *day) think() time.Duration {
	i := d.dice.below(uint64(len(thinkSeconds) - 1))
	low, high := thinkSeconds[i]*1000, thinkSeconds[i+1]*1000
	return time.Duration(low)*time.Millisecond + d.dice.millis(high-low)
}

// abuse adds the three clients that the limiter is for, each in a quiet hour of
// its own.
func (d *day) abuse() {
	for i := range 300 { // five guesses a second for a minute
		at := 4*time.Minute + time.Duration(i)*200*time.Millisecond
		d.add(request{at, "stuffer.example", http.MethodPost, "/login", http.StatusUnauthorized, 0})
	}
	for i := range 600 { // every fifth page, one every two seconds
		at := 2*time.Hour + 20*time.Minute + time.Duration(i)*2*time.Second
		d.add(request{at, "crawler.example", http.MethodGet, d.pageTargets[i*pages/600], http.StatusOK, 0})
	}
	for i := range 1000 { // fifty a second for twenty seconds
		at := 4*time.Hour + 30*time.Minute + time.Duration(i)*20*time.Millisecond
		d.add(request{at, "flooder.example", http.MethodGet, d.pageTargets[0], http.StatusOK, 0})
	}
}

// add drops what would fall after the end of the day.
func (d *day) add(r request) {
	if r.at >= daySpan {
		return
	}
	d.inHour[r.at/time.Hour]++
	d.stream = append(d.stream, r)
}
