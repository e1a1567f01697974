package report

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// speedscopeSees is what speedscope's importer makes of a file, with the weights of each stack
// itself by the names of its frames, outermost first.
type speedscopeSees struct {
	Name     string
	Profiles []struct {
		Name, Unit string
		Total      float64
		Stacks     map[string]float64
	}
}

// importSpeedscope has speedscope read files, which it names as they are named here.
func importSpeedscope(t *testing.T, files map[string][]byte) map[string]speedscopeSees {
	t.Helper()
	testprog.NeedTool(t, "node")
	const importer = "testdata/speedscope/import.mjs"
	if _, err := os.Stat(filepath.Join(filepath.Dir(importer), "node_modules")); err != nil {
		testprog.Missing(t, "needs speedscope's importer: make setup-test")
	}
	dir, args := t.TempDir(), []string{importer}
	var names []string
	for name, text := range files {
		path := filepath.Join(dir, name+".speedscope.json")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		names, args = append(names, name), append(args, path)
	}
	cmd := exec.Command("node", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var seen []speedscopeSees
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]speedscopeSees)
	for i, name := range names {
		byName[name] = seen[i]
	}
	return byName
}

// stacksOf is what speedscope should see of a report.
func stacksOf(r *Report, weight func(*Stack) float64) (stacks map[string]float64, total float64) {
	stacks = make(map[string]float64)
	for i := range r.Stacks {
		s := &r.Stacks[i]
		var names []string
		if s.Truncated {
			names = append(names, truncatedFrame)
		}
		for k := range s.Frames {
			names = append(names, escape(frameName(&s.Frames[len(s.Frames)-1-k])))
		}
		if len(s.Frames) == 0 {
			names = append(names, s.frameless())
		}
		if n := weight(s); n > 0 {
			stacks[strings.Join(names, ";")] += n
			total += n
		}
	}
	return stacks, total
}

// speedscope itself sees the bytes and blocks of every stack, and which figures are estimates.
func TestSpeedscopeImports(t *testing.T) {
	files := make(map[string][]byte)
	for name, r := range fixtures() {
		files[name] = render(t, Speedscope, r)
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }
	for name, seen := range importSpeedscope(t, files) {
		r := fixtures()[name]
		weights := map[string]func(*Stack) float64{
			"bytes": func(s *Stack) float64 { return float64(s.Bytes) }, "none": func(s *Stack) float64 { return float64(s.Blocks) },
		}
		estimates := map[string]func(*Stack) float64{
			"bytes": func(s *Stack) float64 {
				return suspected(s, func(e *Estimate) float64 { return 60 * e.LeakBytesPerSecond.Value })
			},
			"none": func(s *Stack) float64 {
				return suspected(s, func(e *Estimate) float64 { return 60 * e.LeakBlocksPerSecond.Value })
			},
		}
		if estimated := strings.Contains(seen.Profiles[0].Name, "estimated"); estimated != (r.Mode == ModeWindows) {
			t.Errorf("%s: the first profile is %s", name, seen.Profiles[0].Name)
		}
		if want := map[bool]int{false: 2, true: 4}[r.Mode == ModeWindows]; len(seen.Profiles) != want && len(r.Stacks) > 0 {
			t.Errorf("%s: %d profiles, want %d", name, len(seen.Profiles), want)
		}
		for _, p := range seen.Profiles {
			weight := weights[p.Unit]
			if strings.Contains(p.Name, "estimated") {
				weight = estimates[p.Unit]
			}
			want, total := stacksOf(r, weight)
			if !near(p.Total, total) || len(p.Stacks) != len(want) {
				t.Errorf("%s, %s: %g in %d stacks, want %g in %d", name, p.Name, p.Total, len(p.Stacks), total, len(want))
			}
			for stack, n := range want {
				if !near(p.Stacks[stack], n) {
					t.Errorf("%s, %s: %g for %q, want %g", name, p.Name, p.Stacks[stack], stack, n)
				}
			}
		}
	}
}

// suspected is an estimate of a stack that is called a leak, else 0.
func suspected(s *Stack, value func(*Estimate) float64) float64 {
	if s.Estimate == nil || !s.Estimate.Suspect() {
		return 0
	}
	return value(s.Estimate)
}

// The profiles of several processes are in one file, and each says whose it is.
func TestSpeedscopeSeveral(t *testing.T) {
	list := []*Report{leaking(101, 20<<10, 0x1000, ClassLeak), leaking(102, 20<<10, 0x1000, ClassLeak), windows()}
	text := render(t, func(w io.Writer, _ *Report) error { return SpeedscopeSeveral(w, list) }, nil)
	seen := importSpeedscope(t, map[string][]byte{"several": text})["several"]
	if len(seen.Profiles) != 8 || !strings.HasSuffix(seen.Name, "(pid 101) and 2 more") {
		t.Fatalf("%s: %d profiles", seen.Name, len(seen.Profiles))
	}
	for pid, want := range map[string]int{"(pid 101): ": 2, "(pid 102): ": 2, "(pid 4242): ": 4} {
		n := 0
		for _, p := range seen.Profiles {
			if strings.Contains(p.Name, pid) {
				n++
			}
		}
		if n != want {
			t.Errorf("%d profiles of %s, want %d", n, pid, want)
		}
	}
	var doc struct{ Shared struct{ Frames []any } }
	if err := json.Unmarshal(text, &doc); err != nil || len(doc.Shared.Frames) > 6 {
		t.Errorf("%d frames: %v", len(doc.Shared.Frames), err)
	}
}
