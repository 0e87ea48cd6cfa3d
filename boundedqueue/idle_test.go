//go:build unix && !race && !invariants

package boundedqueue

import (
	"context"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cpu is the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A hundred parked calls use no processor time, where puzpuzpuz/xsync#117, Workiva/go-datastructures#150 and
// LMAX-Exchange/disruptor#289 burn a core: less than 2 % of one. Whoever spins does so all the time, while the collector
// and the like use some now and then: one interval in which nobody used more is a proof.
func TestParkedCallsAreIdle(t *testing.T) {
	q, full := newQueue(t, Config[int]{Capacity: 1}), filled(t, 1, 1)
	var group sync.WaitGroup
	for i := range 50 {
		ctx := []context.Context{t.Context(), context.Background()}[i%2]
		group.Go(func() { _, _ = q.Get(ctx) })
		group.Go(func() { _ = full.Put(ctx, i) })
	}
	for q.Stats().GetWaiters+full.Stats().PutWaiters < 100 {
		runtime.Gosched()
	}
	const interval = 50 * time.Millisecond
	least := interval
	for range 40 {
		before := cpu(t)
		<-time.After(interval)
		if least = min(least, cpu(t)-before); least < interval/50 {
			break
		}
	}
	assert.Less(t, least, interval/50)
	q.Close()
	full.Close()
	group.Wait()
}
