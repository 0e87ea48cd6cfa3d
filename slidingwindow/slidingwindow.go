// Package slidingwindow aggregates over the last values and over the last
// stretch of time.
//
// Every operation takes constant time, on average or always, and memory does
// not depend on how much happens: partial aggregates are kept, not events.
//
//	requests, err := slidingwindow.NewCounter(slidingwindow.CounterConfig{Window: time.Minute, Buckets: 60})
//	if err != nil { ... }
//	requests.Add(1)
//	fmt.Println(requests.Sum(), requests.Rate())
//
// # Choosing
//
// Over the last n values, for one goroutine at a time:
//
//   - [Extremum] is the maximum or the minimum.
//   - [Fold] is any associative operation: a sum of floats, a mean, a longest
//     run, a concatenation. It needs no inverse, so that nothing drifts and a
//     NaN leaves with its value, and no identity.
//
// Over the last stretch of time, for any number of goroutines:
//
//   - [Counter] is a sum and a rate; [Counters] are several, side by side, for
//     the price of one reading of the clock.
//   - [TopK] finds the keys that come most often.
//
// To refuse what comes too often, rather than count it, use packages ratelimit
// and tokenbucket. For counts that never expire use a plain atomic.Int64.
//
// # Algorithm
//
// An Extremum cuts the stream into blocks of size values (van Herk 1992, Gil
// and Werman 1993, here as a stream). A window covers the end of one block and
// the beginning of the next:
//
//	 previous block           present block
//	[ 4  8  1 | 6  2  7  5 ] [ 3  9  2 ]
//	            ^              ^
//	            maximum from   running maximum
//	            here on: 7     of the block: 9
//	          |<- the last 7 values ->|   -> 9
//
// The result is the larger of two numbers. When the present block is full it
// becomes the previous one: its values are replaced by the maxima from each of
// them to the end, in one pass from the right. The textbook keeps a deque of
// the values that can still become the maximum. Its loop ends after a number of
// steps that depends on the data, so that the processor guesses wrong; the
// blocks have no such branch and need no positions beside the values. A push of
// an int into a window of a thousand costs 8 to 12 ns on every input; into a
// deque 17 to 20 ns on random values and 9 to 12 on sorted ones, into a heap
// more than 200 (AMD EPYC, 2 vCPUs, Go 1.26, a busy machine). For floats the
// builtin max looks for NaN: 13 to 18 ns, a deque 19 to 22 and 9 to 11.
//
// A Fold is a queue of two stacks, with the aggregate of everything below
// beside each value: dropping the oldest value of the front uncovers the
// aggregate of the rest, and when the front has run out the back is turned over
// (two-stacks lite). That is at most three calls of Combine a value on average,
// and as many as there are values in one of them. With WorstCase the turning is
// done in small steps along the way, at most six calls in any Push (DABA Lite).
// Both are of Tangwongsan, Hirzel and Schneider, "Low-latency sliding-window
// aggregation in worst-case constant time" (DEBS 2017) and "In-order
// sliding-window aggregation in worst-case constant time" (VLDB Journal 2021).
//
// A time window is cut into Buckets of equal width g = Window/Buckets, counted
// from New on, or with EventTime from the start of 1970. It is the bucket of
// now and the Buckets-1 before it:
//
//	number    37   38   39   40   41
//	        | 12 |  0 |  7 |  9 |  3   |     Buckets = 5
//	        ^                     ^ now
//	        Sum counts from here
//
// So an event of age Window-g or less is always counted, one of age Window or
// more never, and in between its bucket decides: an event at the instant of New
// counts until one nanosecond before Window. Buckets are in a ring, each with
// its number; a place whose number is not the one looked for counts as empty.
// So nothing has to be cleaned up in time, reads expire what no Add has
// touched, and a gap of one window, or of centuries, is like any other.
//
// A TopK keeps for each bucket at most Capacity counters, by Space-Saving
// (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k
// elements in data streams", ICDT 2005), and adds them up when it is asked.
//
// # Concurrency
//
// Counter, Counters and TopK are safe for concurrent use. No Add is lost or
// counted twice. Add and AddAt to the newest bucket of a Counter or Counters
// are lock-free: one reading of the clock, none with EventTime, and one atomic
// addition. Sum, Rate, All and Sums take no lock. A Sum lies between the true
// sums at its start and its end, except for a bucket that expires in that
// moment; a Sums may see an Add of one outcome and not an earlier one of
// another. An Add that sleeps while the window moves on by the whole of itself,
// between choosing its bucket and adding to it, may be counted in a newer
// bucket. A TopK has a mutex and is linearizable. Nothing blocks otherwise,
// there is no goroutine, and no code of the user is called but Combine, which
// has no lock to run under.
//
// Time is read by the monotonic clock, once a call. Steps of the wall clock
// show in nothing but MaxAhead, the times that All yields, and times given to
// AddAt that are of the wall clock, such as parsed ones. Everything works
// in a testing/synctest bubble, to the nanosecond; a window that was made
// outside of it works inside as one on which no time passes.
//
// # Limits
//
// Count windows are not safe for concurrent use. A window moves by a bucket at
// a time: choose Buckets by the error that can be borne, since every Sum visits
// all of them. A time window measures 292 years from New on, and then stands
// still. There are no windows of events out of order with a generic Combine,
// and no weights that decay.
//
// Without the rounding of the allocator, an Extremum takes size values and 64
// bytes, a Fold at most twice its values, a Counter 16 bytes a bucket and 200,
// Counters 8 bytes an outcome and 8 more a bucket, and 200, a TopK at most
// sizeof(K)+64 bytes for each of Capacity keys in each bucket, and 200 bytes a
// bucket.
package slidingwindow

import "errors"

// ErrConfig is matched by every error of a constructor; its text names the
// field or argument.
var ErrConfig = errors.New("slidingwindow: invalid config")

// Stats counts what a time window refused since it was made; each field is
// exact, the three are not read at one instant.
type Stats struct {
	Late    uint64 // calls whose event was older than the window
	Early   uint64 // calls refused because of MaxAhead
	Ignored uint64 // calls with a negative amount, or with a key that is not equal to itself (NaN)
}

// noCopy makes go vet report copies: it looks like a lock.
type noCopy struct{}

// Lock does nothing.
func (*noCopy) Lock() {}

// Unlock does nothing.
func (*noCopy) Unlock() {}
