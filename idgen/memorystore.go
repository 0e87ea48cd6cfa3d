package idgen

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/mainstay-go/mainstay/internal/ctxerr"
)

// MemoryStore is a NodeStore for tests and for several generators in one
// process. The zero value is ready. All methods may be called concurrently. It
// keeps 32 bytes for each number that was ever claimed, and the room for more
// that append makes; Claim is O(1) while there are numbers never used, then
// O(nodes).
type MemoryStore struct {
	_ [0]func() // not comparable

	mu sync.Mutex // mu guards the fields below
	registry
}

// Claim reserves a number, as NodeStore says.
func (s *MemoryStore) Claim(ctx context.Context, nodes int64, ttl time.Duration) (node, token int64, err error) {
	if err := checkClaim(nodes, ttl); err != nil {
		return 0, 0, err
	}
	if ctx.Err() != nil {
		return 0, 0, ctxerr.Of(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	return s.claim(nodes, now, now.Add(ttl))
}

// Extend extends a reservation, as NodeStore says.
func (s *MemoryStore) Extend(ctx context.Context, node, token int64, ttl time.Duration) error {
	if err := checkTTL(ttl); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.extend(node, token, time.Now().Add(ttl))
}

// checkClaim checks the arguments of every store.
func checkClaim(nodes int64, ttl time.Duration) error {
	if nodes < 1 || nodes > maxNodes {
		return configError("nodes", "1 to 1<<24", nodes)
	}
	return checkTTL(ttl)
}

func checkTTL(ttl time.Duration) error {
	if ttl <= 0 {
		return configError("ttl", "positive", ttl)
	}
	return nil
}

// registry is who holds which number until when. The numbers that were ever
// used are those below len(Nodes), since the lowest is used first.
type registry struct {
	Token int64         // the last one given
	Nodes []reservation // by number
}

type reservation struct {
	Token int64
	Until time.Time // at this instant it has ended
}

// claim reserves a number from now until an instant.
func (r *registry) claim(nodes int64, now, until time.Time) (node, token int64, err error) {
	if r.Token == math.MaxInt64 {
		return 0, 0, ErrNoNode // after 292 years of a billion claims per second
	}
	node = int64(len(r.Nodes))
	if node >= nodes {
		if node = r.endedFirst(nodes, now); node < 0 {
			return 0, 0, ErrNoNode
		}
	} else {
		r.Nodes = append(r.Nodes, reservation{})
	}
	r.Token++
	r.Nodes[node] = reservation{r.Token, until}
	return node, r.Token, nil
}

// endedFirst returns the number whose reservation ended first, or -1.
func (r *registry) endedFirst(nodes int64, now time.Time) int64 {
	first := int64(-1)
	for node, res := range r.Nodes[:nodes] {
		if res.Until.Compare(now) <= 0 && (first < 0 || res.Until.Compare(r.Nodes[first].Until) < 0) {
			first = int64(node)
		}
	}
	return first
}

// extend sets the end of a reservation that nobody has taken.
func (r *registry) extend(node, token int64, until time.Time) error {
	if node < 0 || node >= int64(len(r.Nodes)) || r.Nodes[node].Token != token {
		return ErrLeaseLost
	}
	r.Nodes[node].Until = until
	return nil
}
