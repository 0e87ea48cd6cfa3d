package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	o, err := parseOptions(nil)
	require.NoError(t, err)
	assert.Equal(t, options{
		speed: 600_000, policy: policy{1, 30 * time.Second, 30}, clients: 4096, cacheSize: 256, seed: 1,
	}, o)
}

func TestEveryFlag(t *testing.T) {
	o, err := parseOptions(strings.Fields("-headless -json -seconds 1.5 -log L -speed 0.5 -maxgap 2m -docroot D -seed 0 -rate 2/1m " +
		"-burst 7 -clients 8 -cache 9 -sabotage over-admit"))
	require.NoError(t, err)
	assert.Equal(t, options{
		headless: true, json: true, seconds: 1500 * time.Millisecond, log: "L", speed: 500, maxGap: 2 * time.Minute,
		docroot: "D", seed: 0, policy: policy{2, time.Minute, 7}, clients: 8, cacheSize: 9, sabotage: "over-admit",
	}, o)
}

func TestHelp(t *testing.T) {
	out := runProgram(t.Context(), "-h")
	assert.Equal(t, exitOK, out.code)
	assert.Empty(t, out.stderr)
	flagSet(new(options)).VisitAll(func(f *flag.Flag) {
		assert.Contains(t, out.stdout, "  -"+f.Name)
	})
	for _, word := range []string{"Exit codes", "no page yet", "default 600", "default 1/30s", "default 30", "default 4096", "default 256"} {
		assert.Contains(t, out.stdout, word)
	}
}

func TestSabotageList(t *testing.T) {
	out := runProgram(t.Context(), "-sabotage", "list")
	assert.Equal(t, outcomeOf{exitOK, "cache-overflow\nlost-request\nover-admit\n", ""}, out)
}

// TestBadInput: exit code 2 and one line that names the flag, before the line
// of addresses.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	noGoFile := t.TempDir()
	long := strings.Repeat("z", 10_000)
	tests := []struct{ flag, value string }{
		{"-speed", "0"},
		{"-speed", "-1"},
		{"-speed", "NaN"},
		{"-speed", "Inf"},
		{"-speed", "fast"},
		{"-seconds", "1e-10"},
		{"-seconds", "-1"},
		{"-seconds", "NaN"},
		{"-seconds", "Inf"},
		{"-seconds", "1m"},
		{"-seconds", "1e300"},
		{"-rate", "0/1s"},
		{"-rate", "-1/1s"},
		{"-rate", "1/0s"},
		{"-rate", "1"},
		{"-rate", "NaN/1s"},
		{"-rate", "1000000000/1ns"},
		{"-burst", "0"},
		{"-burst", "-1"},
		{"-burst", "NaN"},
		{"-burst", "9223372036854775807"},
		{"-burst", "99999999999999999999"},
		{"-clients", "0"},
		{"-clients", "-1"},
		{"-clients", "2e3"},
		{"-clients", "1048577"},
		{"-cache", "0"},
		{"-cache", "-1"},
		{"-cache", "NaN"},
		{"-cache", "1048577"},
		{"-seed", "-1"},
		{"-seed", "NaN"},
		{"-maxgap", "-1s"},
		{"-maxgap", "120"},
		{"-sabotage", "unheard-of"},
		{"-sabotage", ""},
		{"-json", "maybe"},
		{"-headless", "2"},
		{"-unheard-of", "1"},
		{"-log", ""},
		{"-log", filepath.Join(dir, "nowhere")},
		{"-log", dir},
		{"-log", file("empty", "")},
		{"-log", file("rubbish", "not a log\n")},
		{"-log", file("long", long)},
		{"-log", file("header", "host\ttime\tmethod\turl\tresponse\n")},
		{"-log", file("gzip", "\x1f\x8b\x08\x00")},
		{"-docroot", ""},
		{"-docroot", filepath.Join(dir, "nowhere")},
		{"-docroot", noGoFile},
		{"-docroot", file("file", "")},
	}
	for _, tt := range tests {
		t.Run(tt.flag+"="+tt.value[:min(len(tt.value), 40)], func(t *testing.T) {
			out := runProgram(t.Context(), "-headless", tt.flag+"="+tt.value)
			assert.Equal(t, exitUsage, out.code)
			assert.Empty(t, out.stdout)
			assert.Contains(t, out.stderr, tt.flag)
			assert.True(t, strings.HasPrefix(out.stderr, "edgegate: "))
			assert.Equal(t, 1, strings.Count(out.stderr, "\n"), out.stderr)
			assert.Less(t, len(out.stderr), 600)
			assert.NotContains(t, out.stderr, "goroutine")
		})
	}
	out := runProgram(t.Context(), "replay")
	assert.Equal(t, outcomeOf{exitUsage, "", "edgegate: unexpected argument \"replay\": there are only flags, see -h\n"}, out)
}

func TestUnreadableLog(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	path := writeLog(t, commonLine(0, "h", "/"))
	require.NoError(t, os.Chmod(path, 0))
	out := runProgram(t.Context(), "-log", path)
	assert.Equal(t, exitUsage, out.code)
	assert.Contains(t, out.stderr, "-log")
}

func TestNoGoCommand(t *testing.T) {
	t.Setenv("GOROOT", "")
	t.Setenv("PATH", "")
	out := runProgram(context.Background())
	assert.Equal(t, exitUsage, out.code)
	assert.Contains(t, out.stderr, "-docroot")
}
