package live

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What the screen looks like.
func TestScreens(t *testing.T) {
	several := func(n int) []*report.Report {
		quiet := exact(n)
		quiet.Target.PID, quiet.Stacks, quiet.Diagnosis = 17, nil, &report.Diagnosis{Answer: "sessiond (pid 17) does not grow, its children do", Findings: []report.Finding{{Kind: report.Children, BytesPerSecond: report.Bounds{Value: 5}}}}
		return []*report.Report{quiet, exact(n)}
	}
	for name, tc := range map[string]struct {
		width, height int
		reports       func(int) []*report.Report
		keys          []string
	}{
		"exact":     {80, 24, one(exact), nil},
		"windows":   {80, 24, one(sampled), nil},
		"open":      {100, 30, one(exact), []string{"down", "enter"}},
		"narrow":    {20, 24, one(exact), []string{"enter"}},
		"wide":      {500, 24, one(exact), nil},
		"low":       {80, 5, one(exact), nil},
		"help":      {80, 24, one(exact), []string{"?"}},
		"filter":    {80, 24, one(exact), []string{"/", "C", "o", "p", "y", "_"}},
		"report":    {80, 24, one(exact), []string{"r", "tab"}},
		"processes": {80, 24, several, nil},
		"looked":    {80, 24, one(heaped), nil},
		"heap":      {80, 24, one(heaped), []string{"H"}},
		"inside":    {80, 24, several, []string{"down", "enter"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := shownAt(t, tc.width, tc.height, 20, tc.reports)
			press(m, tc.keys...)
			if m.prompt != nil && strings.HasPrefix(m.prompt.text, "memtrace-") {
				m.prompt.text = "memtrace-4242-031225.json"
			}
			lines := m.screen()
			if len(lines) != tc.height {
				t.Errorf("%d lines of %d", len(lines), tc.height)
			}
			var got strings.Builder
			for _, line := range lines {
				text := ansi.Strip(line)
				if n := report.Columns(text); n > tc.width {
					t.Errorf("%d columns of %d: %s", n, tc.width, text)
				}
				got.WriteString(strings.TrimRight(text, " ") + "\n")
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
