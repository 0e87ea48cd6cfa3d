package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// idgenNext makes one id. The number that it returns must grow from call to call where the kind of id has an order; kinds
// wider than 64 bits return their highest bits.
type idgenNext func() (uint64, error)

// idgenImpl is one implementation. Layouts are given where they can be: 2 bits of node and the widest sequence, so that no
// tick is used up.
type idgenImpl struct {
	name      string
	wide      func() idgenNext // unsaturated
	saturated func() idgenNext // 12 bits of sequence per ms, or what the layout has
	batch     func() func(n int) error
	text      map[string]func() string // forms of one id
	uuid      func() func() [16]byte
	unordered bool // the order within a tick, or at all, is not promised
}

func idgenImpls() []idgenImpl {
	return []idgenImpl{
		idgenMainstay, idgenBwmarrin, idgenInflux, idgenSonyflake, idgenXid, idgenUlid, idgenGoogle, idgenGofrs, idgenKsuid, idgenNuid,
	}
}

// BenchmarkIDGenNext is an id where the tick is not used up.
func BenchmarkIDGenNext(b *testing.B) {
	for _, impl := range idgenImpls() {
		if impl.wide == nil {
			continue
		}
		b.Run("impl="+impl.name+"/mode=serial", func(b *testing.B) {
			next := impl.wide()
			b.ReportAllocs()
			var last uint64
			for b.Loop() {
				id, err := next()
				if err != nil || id <= last && !impl.unordered {
					b.Fatal(id, last, err)
				}
				last = id
			}
		})
		b.Run("impl="+impl.name+"/mode=parallel", func(b *testing.B) {
			next := impl.wide()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var last uint64
				for pb.Next() {
					id, err := next()
					if err != nil || id <= last && !impl.unordered {
						b.Error(id, last, err)
						return
					}
					last = id
				}
			})
		})
	}
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkIDGenSaturated asks for more than the layout has. The ceiling is 244 ns for 12 bits a ms, and 39,063 ns for the 256
// per 10 ms of sonyflake v1: the layout, not the code, is the limit. cpu-ns/op is what the waiting costs.
func BenchmarkIDGenSaturated(b *testing.B) {
	for _, impl := range idgenImpls() {
		if impl.saturated == nil {
			continue
		}
		b.Run("impl="+impl.name, func(b *testing.B) {
			next := impl.saturated()
			before := cpuTime()
			for b.Loop() {
				if _, err := next(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkIDGenLatency is the call of one of 64 goroutines that together take more than the 12 bits a ms: all of them run for as
// long as the benchmark, so that nearly every tick is used up and somebody waits. p99-ns and p99.9-ns are of the
// calls after the first two ticks.
func BenchmarkIDGenLatency(b *testing.B) {
	const goroutines, warm = 64, 2 * 4096 / 64
	for _, impl := range idgenImpls() {
		if impl.saturated == nil || impl.name == "sonyflake" {
			continue
		}
		b.Run("impl="+impl.name+"/goroutines=64", func(b *testing.B) {
			next := impl.saturated()
			calls := max(b.N/goroutines, 1) + warm
			var all [goroutines][]time.Duration
			var group sync.WaitGroup
			b.ResetTimer()
			for i := range all {
				group.Go(func() {
					mine := make([]time.Duration, calls)
					for call := range mine {
						start := time.Now()
						_, err := next()
						mine[call] = time.Since(start)
						if err != nil {
							b.Error(err)
							return
						}
					}
					all[i] = mine[warm:]
				})
			}
			group.Wait()
			latencies := slices.Concat(all[:]...)
			slices.Sort(latencies)
			if len(latencies) > 0 {
				b.ReportMetric(float64(latencies[(len(latencies)-1)*99/100].Nanoseconds()), "p99-ns")
				b.ReportMetric(float64(latencies[(len(latencies)-1)*999/1000].Nanoseconds()), "p99.9-ns")
			}
		})
	}
}

// BenchmarkIDGenBatch makes 700 ids; ns/op is for all of them.
func BenchmarkIDGenBatch(b *testing.B) {
	const n = 700
	for _, impl := range idgenImpls() {
		if impl.batch == nil {
			continue
		}
		b.Run(fmt.Sprintf("impl=%s/n=%d", impl.name, n), func(b *testing.B) {
			batch := impl.batch()
			b.ReportAllocs()
			for b.Loop() {
				if err := batch(n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIDGenUUID is a UUID of version 7.
func BenchmarkIDGenUUID(b *testing.B) {
	for _, impl := range idgenImpls() {
		if impl.uuid == nil {
			continue
		}
		b.Run("impl="+impl.name+"/mode=serial", func(b *testing.B) {
			next := impl.uuid()
			b.ReportAllocs()
			for b.Loop() {
				if u := next(); u[6]>>4 != 7 {
					b.Fatal(u)
				}
			}
		})
		b.Run("impl="+impl.name+"/mode=parallel", func(b *testing.B) {
			next := impl.uuid()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if u := next(); u[6]>>4 != 7 {
						b.Error(u)
						return
					}
				}
			})
		})
	}
}

// idgenText keeps the text of an id, so that no implementation may build it on the stack.
var idgenText string

// BenchmarkIDGenText is the text form of one id.
func BenchmarkIDGenText(b *testing.B) {
	for _, form := range []string{"short", "base32", "json"} {
		for _, impl := range idgenImpls() {
			if impl.text[form] == nil {
				continue
			}
			b.Run("form="+form+"/impl="+impl.name, func(b *testing.B) {
				format := impl.text[form]
				b.ReportAllocs()
				for b.Loop() {
					idgenText = format()
				}
				if idgenText == "" {
					b.Fatal("no text")
				}
			})
		}
	}
}

// TestIDGenAdapters checks what the benchmarks take for granted: ids that differ and, where it is promised, grow.
func TestIDGenAdapters(t *testing.T) {
	for _, impl := range idgenImpls() {
		for name, open := range map[string]func() idgenNext{"wide": impl.wide, "saturated": impl.saturated} {
			if open == nil {
				continue
			}
			next, last := open(), uint64(0)
			for range 300 {
				id, err := next()
				require.NoError(t, err, impl.name)
				if !impl.unordered {
					require.Greater(t, id, last, "%s %s", impl.name, name)
				}
				last = id
			}
		}
		if impl.batch != nil {
			require.NoError(t, impl.batch()(700), impl.name)
		}
		if impl.uuid != nil {
			next := impl.uuid()
			a, b := next(), next()
			require.Equal(t, byte(7), a[6]>>4, impl.name)
			require.NotEqual(t, a, b, impl.name)
		}
		for form, format := range impl.text {
			require.NotEmpty(t, format(), "%s %s", impl.name, form)
		}
	}
}

// idgenJSON is v in JSON.
func idgenJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

var idgenContext = context.Background()
