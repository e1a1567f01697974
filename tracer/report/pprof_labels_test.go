package report

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/testsupport/testprog"
)

func TestPprofLabels(t *testing.T) {
	brk := Share{Sum: Sum{Bytes: 10, Blocks: 1}}
	for _, tc := range []struct {
		stack Stack
		want  map[string][]string
	}{
		{
			Stack{Kind: Heap, Class: ClassLeak, Served: &Served{Brk: brk, Arena: brk}, Allocator: "glibc"},
			map[string][]string{"kind": {"leak"}, "memory": {"heap"}, "served": {"brk heap", "arenas"}, "allocator": {"glibc"}},
		},
		{Stack{Kind: Mmap, Class: ClassFilled}, map[string][]string{"kind": {"filled"}, "memory": {"mmap"}, "served": {"mmap"}}},
		{Stack{Kind: Heap, Estimate: &Estimate{Class: "active leak"}}, map[string][]string{"kind": {"active leak"}, "memory": {"heap"}}},
		{
			Stack{Kind: Grown, Grown: []ClassBytes{{Class: "brk", Label: "brk heap", Bytes: 1}}},
			map[string][]string{"memory": {"growth"}, "served": {"brk heap"}},
		},
	} {
		if diff := cmp.Diff(tc.want, tc.stack.labels()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// What threads have allocated are samples of their own, and nothing is counted twice.
func TestPprofThreads(t *testing.T) {
	r := fixture()
	r.Stacks = []Stack{{
		Kind: Heap, Class: ClassLeak, Bytes: 1000, Blocks: 10, AllocatedBytes: 5000, AllocatedBlocks: 50, Frames: []Frame{mainFrame()},
		Threads: []ThreadSum{{TID: 11, Name: "worker", Sum: Sum{Bytes: 600, Blocks: 6}}, {TID: 12, Name: "logger\x1b", Sum: Sum{Bytes: 300, Blocks: 3}}, {Sum: Sum{Bytes: 50, Blocks: 1}}},
	}}
	got := make(map[string][]int64)
	for _, s := range reparse(t, r).Sample {
		name := ""
		if s.Label["thread"] != nil {
			name = s.Label["thread"][0]
		}
		if s.Label["kind"][0] != "leak" || (name == "worker") != (len(s.NumLabel["tid"]) == 1 && s.NumLabel["tid"][0] == 11) {
			t.Errorf("%v %v", s.Label, s.NumLabel)
		}
		got[name] = s.Value
	}
	want := map[string][]int64{"worker": {0, 0, 6, 600}, `logger\x1b`: {0, 0, 3, 300}, "": {50, 5000, 1, 100}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "threads.pb.gz")
	if err := os.WriteFile(path, render(t, Pprof, r), 0o644); err != nil {
		t.Fatal(err)
	}
	testprog.NeedTool(t, "go")
	for focus, want := range map[string]string{"thread=worker": "600B", "tid=12": "300B", "kind=^leak$": "1000B"} {
		out, err := exec.Command("go", "tool", "pprof", "-symbolize=none", "-top", "-unit=B", "-tagfocus="+focus, path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("-tagfocus=%s, %v: no %s in\n%s", focus, err, want, out)
		}
	}
}
