package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// verdict is what became of a mutant.
type verdict string

const (
	killed         verdict = "killed"
	survived       verdict = "SURVIVED"
	doesNotApply   verdict = "does not apply"
	doesNotCompile verdict = "does not compile"
	redWithout     verdict = "red without it" // the command fails on the unchanged module
	broken         verdict = "cannot run"     // the command failed, but no test did
)

// result is a verdict with its evidence.
type result struct {
	verdict verdict
	output  string
	seconds float64
}

// lab holds two copies of the module: one that stays as it was, and one to
// plant bugs in. The second is laid out anew for each mutant, always at the
// same path so that the build cache serves what did not change, and so that
// nothing a failed test leaves behind, such as a saved counterexample, helps to
// kill the next mutant.
type lab struct {
	tmp, pristine, work string
	green               map[string]result // by test command: the verdict without a mutant
}

// newLab copies the module at root.
func newLab(root string) (*lab, error) {
	tmp, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	l := &lab{
		tmp:      tmp,
		pristine: filepath.Join(tmp, "pristine"),
		work:     filepath.Join(tmp, "work"),
		green:    map[string]result{},
	}
	if err := copyModule(l.pristine, root); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.tmp) }

// reset lays out the copy to plant bugs in.
func (l *lab) reset() error {
	if err := os.RemoveAll(l.work); err != nil {
		return err
	}
	return os.CopyFS(l.work, os.DirFS(l.pristine))
}

// chances is how often the tests may look for a bug. Many need an unlucky
// interleaving: a busy machine can hide one from a run that would nearly always
// find it, and a bug that three runs miss is not caught.
const chances = 3

// try plants the bug and runs its test command, which must be green without the
// bug.
func (l *lab) try(ctx context.Context, m mutant) (r result) {
	start := time.Now()
	defer func() { r.seconds = time.Since(start).Seconds() }()
	if base := l.baseline(ctx, m.test); base.verdict != survived {
		return result{verdict: redWithout, output: base.output}
	}
	if err := l.reset(); err != nil {
		return result{verdict: broken, output: err.Error()}
	}
	if output, err := l.apply(ctx, l.work, m); err != nil {
		return result{verdict: doesNotApply, output: output}
	}
	for range chances {
		if r = l.test(ctx, m.test); r.verdict != survived {
			break
		}
	}
	return r
}

// baseline runs a command on the unchanged module, once: only a green command
// can prove anything.
func (l *lab) baseline(ctx context.Context, test string) result {
	if r, done := l.green[test]; done {
		return r
	}
	if err := l.reset(); err != nil {
		return result{verdict: broken, output: err.Error()}
	}
	l.green[test] = l.test(ctx, test)
	return l.green[test]
}

// apply plants the bug in one of the copies, or with the option --check only
// tells whether that is possible. A work tree further up must not make git look
// for the files there.
func (l *lab) apply(ctx context.Context, dir string, m mutant, options ...string) (string, error) {
	args := append([]string{"apply", "--whitespace=nowarn"}, options...)
	cmd := exec.CommandContext(ctx, "git", append(args, m.file)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+l.tmp)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// test runs a test command in the work copy.
func (l *lab) test(ctx context.Context, test string) result {
	parsed, err := parseCommand(test)
	if err != nil {
		return result{verdict: broken, output: err.Error()}
	}
	cmd := exec.CommandContext(ctx, "go", parsed.args...)
	cmd.Dir = l.work
	cmd.Env = append(os.Environ(), parsed.env...)
	cmd.WaitDelay = time.Second // a grandchild may hold the pipe
	output, err := cmd.CombinedOutput()
	return result{verdict: judge(string(output), err), output: string(output)}
}

var (
	notBuilt  = regexp.MustCompile(`(?m)^FAIL\t\S+ \[(build|setup) failed\]$`)
	failedRun = regexp.MustCompile(`(?m)^FAIL\t\S+\t`)
	passedRun = regexp.MustCompile(`(?m)^ok  \t\S+\t[\d.]+s$`)
)

// judge reads go test's answer. The exit code alone cannot tell a failed test
// from a failed build.
func judge(output string, err error) verdict {
	var exit *exec.ExitError
	switch {
	case err == nil && !passedRun.MatchString(output):
		return broken // no test matched
	case err == nil:
		return survived
	case !errors.As(err, &exit):
		return broken
	case notBuilt.MatchString(output):
		return doesNotCompile
	case failedRun.MatchString(output):
		return killed
	default:
		return broken
	}
}

// copyModule copies the regular files of the module at src, without version
// control and nested modules.
func copyModule(dst, src string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, rel)
		switch {
		case d.IsDir() && rel != "." && (d.Name() == ".git" || isModule(path)):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type().IsRegular():
			return copyFile(target, path)
		default:
			return nil
		}
	})
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o644)
}
