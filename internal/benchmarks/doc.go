// Package benchmarks compares mainstay with the libraries a service engineer
// would otherwise pick, on the same work and with the same checks that the
// answers are right. It is a module of its own, so that no peer ever becomes a
// dependency of mainstay.
//
// Each package has files of its own name: lru_test.go states the work,
// lru_<peer>_test.go adapts one peer to it. Benchmark names start with the
// package and are key=value after it, as in
//
//	BenchmarkLRUGet/impl=mainstay/keys=zipf/cap=8192
//
// so that benchstat can put the implementations side by side. The command
// cmd/peers runs all of them in interleaved rounds and writes RESULTS.md.
package benchmarks
