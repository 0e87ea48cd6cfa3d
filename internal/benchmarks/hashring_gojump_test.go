package benchmarks

import "github.com/dgryski/go-jump"

func goJump(hash uint64, n int) int { return int(jump.Hash(hash, n)) }
