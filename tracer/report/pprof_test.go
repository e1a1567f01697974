package report

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"memtrace/tracer/testsupport/testprog"
)

// reparse renders r and reads the profile back.
func reparse(t *testing.T, r *Report) *profile.Profile {
	t.Helper()
	p, err := profile.ParseData(render(t, Pprof, r))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPprofSums(t *testing.T) {
	for name, r := range fixtures() {
		if name == "huge" {
			continue // beyond int64
		}
		var want [8]int64
		for _, s := range r.Stacks {
			for i, n := range []uint64{s.PeakBlocks, s.PeakBytes, s.TemporaryBlocks} {
				want[5+i] += int64(n)
			}
			if s.Estimate != nil {
				want[4] += int64(s.Estimate.leakRate())
			}
			for i, n := range []uint64{s.AllocatedBlocks, s.AllocatedBytes, s.Blocks, s.Bytes} {
				want[i] += int64(n)
			}
		}
		var got [8]int64
		for _, s := range reparse(t, r).Sample {
			for i, n := range s.Value {
				if i >= 4 && r.Mode != ModeWindows {
					i++ // it has no estimates
				}
				got[i] += n
			}
		}
		if got != want {
			t.Errorf("%s: sums of the samples are %d, want %d", name, got, want)
		}
	}
}

func TestPprofHeader(t *testing.T) {
	r := incomplete()
	p := reparse(t, r)
	var types []string
	for _, st := range p.SampleType {
		types = append(types, st.Type+"/"+st.Unit)
	}
	if got, want := strings.Join(types, " "), "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes"; got != want {
		t.Errorf("sample types %q, want %q", got, want)
	}
	if p.DefaultSampleType != "inuse_space" || p.PeriodType.Type != "space" || p.PeriodType.Unit != "bytes" {
		t.Errorf("default %q, period type %+v", p.DefaultSampleType, p.PeriodType)
	}
	if p.TimeNanos != traceStart.UnixNano() || p.DurationNanos != 30e9 {
		t.Errorf("time %d, duration %d", p.TimeNanos, p.DurationNanos)
	}
	comments := strings.Join(p.Comments, "\n")
	for _, want := range append([]string{"INCOMPLETE: 120 allocations"}, r.Notes...) {
		if !strings.Contains(comments, want) {
			t.Errorf("no %q in the comments:\n%s", want, comments)
		}
	}
	m := p.Mapping[0]
	if m.File != r.Target.Exe || m.BuildID != "beef02" || m.Start != 0x55d0c1f2a000 || m.Limit != 0x55d0c1f40000 || m.Offset != 0x1000 {
		t.Errorf("main mapping %+v", m)
	}
}

func TestPprofInlinedFramesShareALocation(t *testing.T) {
	s := reparse(t, typical()).Sample[0]
	var got [][]string
	for _, l := range s.Location {
		var names []string
		for _, line := range l.Line {
			names = append(names, line.Function.Name)
		}
		got = append(got, names)
	}
	want := [][]string{{"make_session"}, {"handle_request", "serve_connection"}, {"main"}, {"__libc_start_call_main"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("locations differ (-want +got):\n%s", diff)
	}
	if l := s.Location[1]; l.Address != 0x55d0c1f2ab44-1 || l.Mapping.File != "/usr/sbin/sessiond" || l.Line[0].Line != 88 {
		t.Errorf("location %+v", l)
	}
	if memory := s.Label["memory"]; len(memory) != 1 || memory[0] != "heap" {
		t.Errorf("memory %q", memory)
	}
}

func TestInlineGroup(t *testing.T) {
	inlined := func(address uint64) Frame { return Frame{Address: address, Inline: true} }
	for _, tc := range []struct {
		frames []Frame
		want   int
	}{
		{[]Frame{{Address: 1}, {Address: 1}}, 1}, // recursion from one call site
		{[]Frame{inlined(1), {Address: 1}, {Address: 1}}, 2},
		{[]Frame{inlined(1), inlined(1), {Address: 1}}, 3},
		{[]Frame{inlined(1), {Address: 2}}, 1},
		{[]Frame{inlined(1)}, 1}, // cut off
	} {
		if got := inlineGroup(tc.frames); got != tc.want {
			t.Errorf("inlineGroup(%v) = %d, want %d", tc.frames, got, tc.want)
		}
	}
}

// A mapping without any names is left for pprof to symbolize.
func TestPprofLeavesUnknownFramesToPprof(t *testing.T) {
	r := fixture()
	r.Stacks = []Stack{{Kind: Heap, Bytes: 1, Blocks: 1, Frames: []Frame{{Address: 0x7f0a10026000 + 1, Module: r.Target.Libc, Offset: 0x26001}}}}
	p := reparse(t, r)
	l := p.Sample[0].Location[0]
	if len(l.Line) != 0 || l.Mapping == nil || l.Mapping.File != r.Target.Libc || l.Mapping.HasFunctions {
		t.Errorf("location %+v in mapping %+v", l, l.Mapping)
	}
}

// Of two modules that were mapped at one address, each frame has its own.
func TestPprofMappingsOfOneAddress(t *testing.T) {
	r := fixture()
	r.Target.Modules = []Module{{Start: 0x1000, End: 0x2000, Path: "/a.so"}, {Start: 0x1000, End: 0x3000, Path: "/b.so"}}
	r.Stacks = []Stack{{Kind: Heap, Bytes: 1, Blocks: 1, Frames: []Frame{{Address: 0x1800, Module: "/b.so"}, {Address: 0x1900, Module: "/c.so", Offset: 0x900}}}}
	locations := reparse(t, r).Sample[0].Location
	if m := locations[0].Mapping; m == nil || m.File != "/b.so" {
		t.Errorf("a frame of /b.so is in mapping %+v", m)
	}
	if m := locations[1].Mapping; m != nil {
		t.Errorf("a frame of /c.so is in mapping %+v", m)
	}
}

func TestGoToolPprofOpensIt(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		testprog.Missing(t, "needs the go command")
	}
	for _, name := range []string{"typical", "hostile", "empty"} {
		path := filepath.Join(t.TempDir(), name+".pb.gz")
		if err := os.WriteFile(path, render(t, Pprof, fixtures()[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(goTool, "tool", "pprof", "-symbolize=none", "-top", path).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if !strings.Contains(string(out), "Type: inuse_space") {
			t.Errorf("%s:\n%s", name, out)
		}
		if name == "typical" && !strings.Contains(string(out), "make_session") {
			t.Errorf("make_session is not in\n%s", out)
		}
	}
}

// TestPprofSeveral: the samples of two processes that run the same code stay apart, and add up.
func TestPprofSeveral(t *testing.T) {
	list := []*Report{leaking(101, 20<<10, 0x1000, ClassLeak), leaking(102, 20<<10, 0x1000, ClassLeak)}
	list[1].Mode = ModeWindows
	list[1].Stacks[0].Bytes = 3 << 20
	data := render(t, func(w io.Writer, _ *Report) error { return PprofSeveral(w, list) }, nil)
	p, err := profile.ParseData(data)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[int64]int64)
	for _, s := range p.Sample {
		if diff := cmp.Diff([]string{list[0].Target.Command}, s.Label["process"]); diff != "" {
			t.Error(diff)
		}
		got[s.NumLabel["pid"][0]] += s.Value[3]
	}
	if diff := cmp.Diff(map[int64]int64{101: 1 << 20, 102: 3 << 20}, got); diff != "" {
		t.Error(diff)
	}
	if want := toInt64(list[0].DurationSeconds * 1e9); p.DurationNanos != want {
		t.Errorf("it took %d ns, not %d", p.DurationNanos, want)
	}
	if len(p.Comments) == 0 || !strings.Contains(strings.Join(p.Comments, "\n"), "pid 102") {
		t.Errorf("comments %q", p.Comments)
	}
}
