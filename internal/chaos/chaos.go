// Package chaos marks the gaps in concurrent code where another goroutine may
// slip in.
//
// A race that needs a preemption between two instructions is almost never seen
// by a test: the gap lasts a nanosecond and the scheduler looks in every ten
// milliseconds. [Point] stands in such a gap, between an unlock and the next
// lock or at the retry of a compare-and-swap. In a normal build it is empty and
// disappears by inlining. Built with -tags chaos it yields the processor one
// time in four, so that the histories which the linearizability checks record
// contain the interleavings they are meant to judge.
//
// The idea is that of "probabilistic concurrency testing" (Burckhardt et al.,
// ASPLOS 2010), without priorities.
package chaos
