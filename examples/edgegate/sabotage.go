package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mainstay-go/mainstay/lru"
)

// A check that never failed proves nothing. A sabotage plants the fault that
// one invariant is there to catch; the run must then end with exit code 1 and
// name that invariant.
//
// sabotage is a set of hooks in the gateway, all nil unless -sabotage asks for
// one.
type sabotage struct {
	losing  func() bool
	letting func() bool
	filling func(*lru.Cache[cacheKey, *answer])
}

// sabotages by the name given to -sabotage.
var sabotages = map[string]func() sabotage{
	"lost-request":   func() sabotage { return sabotage{losing: everyNth(100)} },
	"over-admit":     func() sabotage { return sabotage{letting: everyNth(10)} },
	"cache-overflow": func() sabotage { return sabotage{filling: overfill} },
}

// listSabotages is the name that prints the others.
const listSabotages = "list"

// sabotageNames is sorted, as everything is that comes out of a map here.
func sabotageNames() []string { return slices.Sorted(maps.Keys(sabotages)) }

// parseSabotage refuses a name that would plant nothing: such a run would pass,
// and prove the opposite of what was asked.
func parseSabotage(name string) (string, error) {
	if _, ok := sabotages[name]; !ok && name != listSabotages {
		return "", fmt.Errorf("want one of %s, %s", strings.Join(sabotageNames(), ", "), listSabotages)
	}
	return name, nil
}

// plant returns the hooks of a sabotage, and of "" none.
func plant(name string) sabotage {
	if hooks, ok := sabotages[name]; ok {
		return hooks()
	}
	return sabotage{}
}

// losesRequest reports whether the outcome of this request goes uncounted.
func (s sabotage) losesRequest() bool { return s.losing != nil && s.losing() }

// overrulesDenial reports whether this denial is turned into an admission.
func (s sabotage) overrulesDenial() bool { return s.letting != nil && s.letting() }

// onCache runs before the first request.
func (s sabotage) onCache(cache *lru.Cache[cacheKey, *answer]) {
	if s.filling != nil {
		s.filling(cache)
	}
}

// everyNth is counted, not drawn: a sabotage must strike in every run.
func everyNth(n int64) func() bool {
	var calls atomic.Int64
	return func() bool { return calls.Add(1)%n == 0 }
}

// overfill makes the cache twice as large as everybody believes, and uses the
// room.
func overfill(cache *lru.Cache[cacheKey, *answer]) {
	believed := cache.Cap()
	if _, err := cache.Resize(2 * believed); err != nil {
		panic(err) // -cache is far below half of the largest capacity
	}
	for i := range believed + 1 {
		cache.Set(cacheKey{target: fmt.Sprintf("filler-%d", i)}, plain(http.StatusNotFound))
	}
}
