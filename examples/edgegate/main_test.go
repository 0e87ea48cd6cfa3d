package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// childMode makes the test binary run the program itself, so that tests can
// send it signals.
const childMode = "EDGEGATE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// outcomeOf is what a user sees of a run.
type outcomeOf struct {
	code           int
	stdout, stderr string
}

func runProgram(ctx context.Context, args ...string) outcomeOf {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr)
	return outcomeOf{code, stdout.String(), stderr.String()}
}

// runJSON runs with -json and returns the report.
func runJSON(t *testing.T, args ...string) (report, outcomeOf) {
	t.Helper()
	out := runProgram(t.Context(), append([]string{"-headless", "-json"}, args...)...)
	var r report
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &r), "stdout %q, stderr %q", out.stdout, out.stderr)
	return r, out
}

// writeLog writes a log file and returns its path.
func writeLog(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// trace returns the path of a real log, or skips.
func trace(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("MAINSTAY_TRACES")
	if dir == "" {
		t.Skip("set MAINSTAY_TRACES to the folder of the traces")
	}
	return filepath.Join(dir, name)
}

const (
	nasaDay      = "nasa_http_19950801.tsv.gz"
	apacheSample = "elastic_apache_access.log.gz"
)
