//go:build peers

package benchmarks

// The peers to compare with, named here so that the module requires them at pinned versions.
import (
	_ "github.com/Yiling-J/theine-go"
	_ "github.com/dgraph-io/ristretto/v2"
	_ "github.com/hashicorp/golang-lru/v2"
	_ "github.com/juju/ratelimit"
	_ "github.com/maypok86/otter/v2"
	_ "github.com/stretchr/testify/require"
	_ "go.uber.org/ratelimit"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/time/rate"

	_ "github.com/mainstay-go/mainstay/internal/chaos"
)
