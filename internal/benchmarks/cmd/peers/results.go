package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// preamble starts a new RESULTS.md.
const preamble = `# Results

Written by ` + "`make bench-peers`" + `; only the notes between the markers are by hand. All implementations of one table were
measured in the same run, round by round. Times are medians over the rounds; the figure after the comma is the peer's
time divided by ours, in bold where the peer is faster. A row that ends in -2 ran with GOMAXPROCS=2.
`

// The markers enclose prose that a new measurement keeps.
const (
	notesOpen  = "<!-- notes -->"
	notesClose = "<!-- end of notes -->"
)

// splice replaces the sections of the given packages, keeps the others, and
// sorts them all by name.
func splice(old string, bodies map[string]string) string {
	head, sections := cut(old)
	for pkg, body := range bodies {
		sections[pkg] = fmt.Sprintf("\n%s\n%s\n%s\n\n%s", notesOpen, notes(sections[pkg]), notesClose, strings.TrimLeft(body, "\n"))
	}
	var out strings.Builder
	out.WriteString(strings.TrimRight(head, "\n") + "\n")
	for _, pkg := range sortedKeys(sections) {
		fmt.Fprintf(&out, "\n## %s\n%s\n", pkg, strings.TrimRight(sections[pkg], "\n"))
	}
	return out.String()
}

// cut separates what stands before the first section from the sections by name.
func cut(text string) (string, map[string]string) {
	sections := map[string]string{}
	head, name := "", ""
	for line := range strings.Lines(text) {
		if title, found := strings.CutPrefix(line, "## "); found {
			name = strings.TrimSpace(title)
			sections[name] = ""
			continue
		}
		if name == "" {
			head += line
			continue
		}
		sections[name] += line
	}
	return head, sections
}

// notes returns the prose between the markers of a section.
func notes(section string) string {
	_, after, found := strings.Cut(section, notesOpen)
	if !found {
		return ""
	}
	prose, _, _ := strings.Cut(after, notesClose)
	return strings.Trim(prose, "\n")
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// header tells where, when and how the numbers were taken.
func header(machine, command string) string {
	return fmt.Sprintf("%s, %s, %s:\n\n```\n%s\n```\n\n", machine, runtime.Version(), time.Now().Format(time.DateOnly), command)
}

// machine names the processor, its cores and the system.
func machine() string {
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // only Linux has it; elsewhere the architecture stands alone
	return fmt.Sprintf("%s, %d cores, %s/%s", model(string(cpuinfo)), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// model finds the processor's name.
func model(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
