package main

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shape holds the published statistics of a stream. Those of visitors leave the
// abusers out.
type shape struct {
	requests, urls, seenOnce, notFound                     int
	topTenPercent, slope                                   float64
	visitors, busiestVisitor, busiestSecond, busiestMinute int
	perHour                                                [13]int
	dispersion                                             float64
	abusers                                                map[string]int
}

func shapeOf(stream []request) shape {
	s := shape{requests: len(stream), abusers: map[string]int{}}
	byURL, byVisitor := map[string]int{}, map[string]int{}
	bySecond, byMinute := make([]int, daySpan/time.Second), make([]int, daySpan/time.Minute)
	for _, r := range stream {
		byURL[r.path]++
		if r.status == 404 {
			s.notFound++
		}
		if !strings.HasPrefix(r.client, "visitor-") {
			s.abusers[r.client]++
			continue
		}
		byVisitor[r.client]++
		bySecond[r.at/time.Second]++
		byMinute[r.at/time.Minute]++
		s.perHour[r.at/time.Hour]++
	}
	s.urls, s.visitors = len(byURL), len(byVisitor)
	s.busiestVisitor = slices.Max(slices.Collect(maps.Values(byVisitor)))
	s.busiestSecond, s.busiestMinute = slices.Max(bySecond), slices.Max(byMinute)
	s.dispersion = dispersion(byMinute)

	popularity := slices.Sorted(maps.Values(byURL))
	slices.Reverse(popularity)
	s.seenOnce = len(popularity) - slices.Index(popularity, 1)
	top := 0
	for _, n := range popularity[:10] {
		top += n
	}
	s.topTenPercent = 100 * float64(top) / float64(len(stream))
	s.slope = logLogSlope(popularity[:200])
	return s
}

// dispersion is variance over mean: 1 for a Poisson process.
func dispersion(counts []int) float64 {
	var sum, squares float64
	for _, n := range counts {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	mean := sum / float64(len(counts))
	return (squares/float64(len(counts)) - mean*mean) / mean
}

// logLogSlope fits log(count) over log(rank) by least squares.
func logLogSlope(counts []int) float64 {
	var sx, sy, sxx, sxy float64
	for i, n := range counts {
		x, y := math.Log(float64(i+1)), math.Log(float64(n))
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	n := float64(len(counts))
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// realDay is the requests per hour of the NASA-HTTP day that the synthetic one
// imitates.
var realDay = [...]int{993, 1219, 985, 1146, 1022, 1778, 2858, 3199, 3788, 4048, 4443, 3299, 2191}

func TestSyntheticDayHasTheShapeOfARealOne(t *testing.T) {
	for seed := range uint64(4) {
		seed++
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := shapeOf(syntheticDay(seed))
			within := func(name string, got, low, high float64) {
				assert.True(t, low <= got && got <= high, "%s: %.2f is not in %v..%v", name, got, low, high)
			}
			within("requests", float64(s.requests), 30_000, 32_000)
			within("visitors", float64(s.visitors), 2_200, 2_600)
			within("urls", float64(s.urls), 1_800, 2_400)
			within("share of the ten hottest", s.topTenPercent, 38, 50)
			within("urls seen once", float64(s.seenOnce), 700, 1_200)
			within("slope of popularity", s.slope, -1.5, -1.0)
			within("busiest second", float64(s.busiestSecond), 10, 25)
			within("busiest minute", float64(s.busiestMinute), 130, 220)
			within("dispersion per minute", s.dispersion, 12, 22)
			within("not found", float64(s.notFound), 150, 300)
			for hour, n := range s.perHour {
				within(fmt.Sprint("hour ", hour), float64(n), 0.9*float64(realDay[hour]), 1.1*float64(realDay[hour]))
			}
			if seed == 1 { // one visitor among thousands: other seeds scatter more
				within("busiest visitor", float64(s.busiestVisitor), 250, 450)
			}
			assert.Equal(t, map[string]int{"stuffer.example": 300, "crawler.example": 600, "flooder.example": 1000}, s.abusers)
		})
	}
}

func TestSyntheticDayIsInOrder(t *testing.T) {
	stream := daySample()
	require.True(t, slices.IsSortedFunc(stream, byTime))
	assert.GreaterOrEqual(t, stream[0].at, time.Duration(0))
	assert.Less(t, stream[len(stream)-1].at, daySpan)
	for _, r := range stream {
		assert.Equal(t, r.path, wireTarget(r.path), "every target is fit for the wire")
	}
}

func TestAbusersKeepToTheirHours(t *testing.T) {
	hours := map[string][2]time.Duration{}
	urls := map[string]bool{}
	for _, r := range daySample() {
		if strings.HasPrefix(r.client, "visitor-") {
			continue
		}
		span, seen := hours[r.client]
		if !seen {
			span[0] = r.at
		}
		span[1] = r.at
		hours[r.client] = span
		if r.client == "crawler.example" {
			urls[r.path] = true
		}
	}
	assert.Equal(t, map[string][2]time.Duration{
		"stuffer.example": {4 * time.Minute, 5*time.Minute - 200*time.Millisecond},
		"crawler.example": {2*time.Hour + 20*time.Minute, 2*time.Hour + 40*time.Minute - 2*time.Second},
		"flooder.example": {4*time.Hour + 30*time.Minute, 4*time.Hour + 30*time.Minute + 20*time.Second - 20*time.Millisecond},
	}, hours)
	assert.Len(t, urls, 600, "the crawler never asks twice")
}

// TestSyntheticDayIsPinned holds on every platform; run it with GOARCH=386 too.
func TestSyntheticDayIsPinned(t *testing.T) {
	hash := sha256.New()
	for _, r := range daySample() {
		fmt.Fprintln(hash, r.at.Nanoseconds(), r.client, r.method, r.path, r.status, r.bytes)
	}
	assert.Equal(t, "3fd4a5267e34e4f11f26a010ca80d7c7ec143233c1fc3f5142aae668eab85ed4", fmt.Sprintf("%x", hash.Sum(nil)))
	assert.NotEqual(t, daySample()[:100], syntheticDay(2)[:100])
}

func TestExponential(t *testing.T) {
	d := dice{rand.NewPCG(1, 2)}
	const n = 100_000
	var sum float64
	var above [4]float64
	for range n {
		x := float64(d.exponential()) / (1 << 32)
		sum += x
		for k := range above {
			if x > float64(k) {
				above[k]++
			}
		}
	}
	assert.InDelta(t, 1, sum/n, 0.01, "mean")
	for k, count := range above {
		assert.InDelta(t, math.Exp(-float64(k)), count/n, 0.005, "share above %d", k)
	}
}

func TestZipfMandelbrot(t *testing.T) {
	s := zipfMandelbrot(3, 1)
	assert.Equal(t, ranks{1 << 31, 1<<31 + (1<<32)/3, 1<<31 + (1<<32)/3 + 1<<30}, s)
	d := dice{rand.NewPCG(1, 2)}
	var drawn [3]int
	for range 13_000 {
		drawn[s.draw(d)]++
	}
	assert.InDelta(t, 6000, drawn[0], 200) // weights 1/2, 1/3, 1/4
	assert.InDelta(t, 4000, drawn[1], 200)
	assert.InDelta(t, 3000, drawn[2], 200)
}
