package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const raw = `goos: linux
BenchmarkLRUGet/impl=otter/keys=zipf-2      100   30.0 ns/op  0 B/op  0 allocs/op
BenchmarkLRUGet/impl=mainstay/keys=zipf-2   100   10.0 ns/op  0 B/op  0 allocs/op
BenchmarkLRUGet/impl=golang-lru/keys=zipf-2 100    5.0 ns/op  0 B/op  0 allocs/op
BenchmarkLRUGet/impl=otter/keys=zipf-2      100   50.0 ns/op  0 B/op  0 allocs/op
BenchmarkLRUGet/impl=mainstay/keys=zipf-2   100   30.0 ns/op  0 B/op  0 allocs/op
BenchmarkLRUGet/impl=golang-lru/keys=zipf-2 100   15.0 ns/op  0 B/op  0 allocs/op
BenchmarkLRUSet/impl=mainstay               100   12345 ns/op
Benchmark of something else
--- BENCH: BenchmarkLRUGet
PASS
`

func TestParseKeepsBenchmarkLines(t *testing.T) {
	all := parse([]byte(raw))
	require.Len(t, all, 7)
	assert.Equal(t, sample{family: "LRUGet", row: "keys=zipf-2", impl: "otter", ns: 30}, all[0])
	assert.Equal(t, sample{family: "LRUSet", impl: "mainstay", ns: 12345}, all[6])
}

func TestSplit(t *testing.T) {
	for name, want := range map[string]sample{
		"BenchmarkLRUGet":                                  {family: "LRUGet"},
		"BenchmarkLRUGet-2":                                {family: "LRUGet", row: "-2"},
		"BenchmarkLRUGet/impl=golang-lru":                  {family: "LRUGet", impl: "golang-lru"},
		"BenchmarkLRUGet/impl=golang-lru-2":                {family: "LRUGet", impl: "golang-lru", row: "-2"},
		"BenchmarkLRUGet/keys=zipf/impl=otter/cap=8192-16": {family: "LRUGet", impl: "otter", row: "keys=zipf/cap=8192-16"},
	} {
		assert.Equal(t, want, split(name), name)
	}
}

func TestImplsPutOursFirst(t *testing.T) {
	all := parse([]byte(raw))
	assert.Equal(t, []string{"mainstay", "otter", "golang-lru"}, all.impls("LRUGet"))
	assert.Equal(t, []string{"mainstay"}, all.impls("LRUSet"))
}

func TestRatiosShowLossesInBold(t *testing.T) {
	assert.Equal(t, `| LRUGet | mainstay | otter | golang-lru |
|---|---:|---:|---:|
| keys=zipf-2 | 20.0 ns | 40.0 ns, 2.00x | **10.0 ns, 0.50x** |
`, parse([]byte(raw)).ratios("LRUGet"))
	assert.Contains(t, parse([]byte(raw)).ratios("LRUSet"), "| 12.35 µs |")
}

func TestCell(t *testing.T) {
	assert.Empty(t, cell(0, 10, false), "not measured")
	assert.Equal(t, "2.00 ms", cell(2e6, 0, false), "nothing to compare with")
}

func TestMedian(t *testing.T) {
	all := samples{{row: "r", ns: 9}, {row: "r", ns: 1}, {row: "r", ns: 2}}
	assert.InDelta(t, 2, all.median("", "r", ""), 0)
	assert.InDelta(t, 1.5, all[1:].median("", "r", ""), 0)
	assert.Zero(t, all.median("", "other", ""))
}

func TestByPackage(t *testing.T) {
	known := []string{"lru", "ratelimit", "ratelimithttp", "tokenbucket"}
	owned, err := byPackage([]string{"BenchmarkLRUGet", "BenchmarkRatelimitHTTPAllow", "BenchmarkTokenBucketAllow", "BenchmarkLRUSet"}, known)
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{
		"lru":           {"BenchmarkLRUGet", "BenchmarkLRUSet"},
		"ratelimithttp": {"BenchmarkRatelimitHTTPAllow"},
		"tokenbucket":   {"BenchmarkTokenBucketAllow"},
	}, owned)
	_, err = byPackage([]string{"BenchmarkOther"}, known)
	assert.ErrorContains(t, err, "BenchmarkOther starts with no package")
}

func TestPattern(t *testing.T) {
	assert.Equal(t, "^(BenchmarkA|BenchmarkB|BenchmarkC)$",
		pattern(map[string][]string{"x": {"BenchmarkC", "BenchmarkA"}, "y": {"BenchmarkB"}}))
}

func TestPackagesLeavesOutPrivateFolders(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"lru", "internal", "examples", ".git"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, dir), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o644))
	names, err := packages(root)
	require.NoError(t, err)
	assert.Equal(t, []string{"lru"}, names)
}

func TestSpliceStartsAFile(t *testing.T) {
	out := splice(preamble, map[string]string{"lru": "table\n"})
	assert.True(t, strings.HasPrefix(out, preamble))
	assert.True(t, strings.HasSuffix(out, "\n## lru\n\n<!-- notes -->\n\n<!-- end of notes -->\n\ntable\n"))
}

func TestSpliceKeepsNotesAndOtherSections(t *testing.T) {
	old := splice("# Results\n", map[string]string{"lru": "old table\n", "tokenbucket": "their table\n"})
	old = strings.Replace(old, "<!-- notes -->\n", "<!-- notes -->\notter wins reads on many cores.\n\nA second paragraph.", 1)
	out := splice(old, map[string]string{"lru": "new table\n", "hashring": "### Ring\n"})
	assert.Equal(t, `# Results

## hashring

<!-- notes -->

<!-- end of notes -->

### Ring

## lru

<!-- notes -->
otter wins reads on many cores.

A second paragraph.
<!-- end of notes -->

new table

## tokenbucket

<!-- notes -->

<!-- end of notes -->

their table
`, out)
}

func TestSpliceIsStable(t *testing.T) {
	once := splice(preamble, map[string]string{"lru": "table\n"})
	assert.Equal(t, once, splice(once, map[string]string{"lru": "table\n"}))
	assert.Equal(t, once, splice(once, nil))
}

func TestHeaderNamesMachineVersionDateAndCommand(t *testing.T) {
	head := header("some CPU, 2 cores, linux/amd64", "go run it")
	assert.Regexp(t, `^some CPU, 2 cores, linux/amd64, (go|devel)\S.*, \d{4}-\d\d-\d\d:\n\n`+"```\ngo run it\n```\n\n$", head)
	assert.Regexp(t, `, \d+ cores, \w+/\w+$`, machine())
	assert.Equal(t, "Fast 3000", model("processor\t: 0\nmodel name\t: Fast 3000\nmodel name\t: Other\n"))
	assert.Equal(t, "unknown CPU", model(""))
}

func TestFlags(t *testing.T) {
	opts, err := parseFlags(nil)
	require.NoError(t, err)
	assert.Equal(t, "go -C internal/benchmarks run ./cmd/peers -rounds 8 -benchtime 200ms -cpu 1,2", opts.command())
	opts, err = parseFlags([]string{"-pkg", "lru", "-rounds", "1", "-benchtime", "1x", "-cpu", "2"})
	require.NoError(t, err)
	assert.Equal(t, "go -C internal/benchmarks run ./cmd/peers -pkg lru -rounds 1 -benchtime 1x -cpu 2", opts.command())
	_, err = parseFlags([]string{"-rounds", "0"})
	assert.EqualError(t, err, "-rounds must be at least 1, got 0")
}

func TestOutputReportsWhatTheCommandSaid(t *testing.T) {
	_, err := output(context.Background(), "go", "tool", "no-such-tool")
	require.ErrorContains(t, err, "go tool no-such-tool: exit status")
	assert.ErrorContains(t, err, `no such tool "no-such-tool"`)
}

// The whole way, on a binary that is a script: two rounds of two implementations.
func TestMeasureRunsEveryRound(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "fake.test")
	script := "#!/bin/sh\necho 'BenchmarkLRUGet/impl=mainstay 1 10.0 ns/op'\necho 'BenchmarkLRUGet/impl=otter 1 20.0 ns/op'\n"
	require.NoError(t, os.WriteFile(binary, []byte(script), 0o755))
	s := &suite{binary: binary}
	out, err := s.measure(t.Context(), map[string][]string{"lru": {"BenchmarkLRUGet"}}, options{rounds: 2})
	require.NoError(t, err)
	assert.Len(t, parse(out), 4)
	assert.Equal(t, "otter", parse(out)[1].impl, "the rounds are interleaved")

	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\necho wrong answer; exit 1\n"), 0o755))
	_, err = s.measure(t.Context(), nil, options{rounds: 2})
	assert.ErrorContains(t, err, "wrong answer")
}
