package report

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// flamegraphLine is the expression by which flamegraph.pl splits a line.
var flamegraphLine = regexp.MustCompile(`^(.*)\s+?(\d+(?:\.\d*)?)$`)

// parseFolded reads folded stacks as flamegraph.pl and speedscope do.
func parseFolded(t *testing.T, text string) map[string]uint64 {
	t.Helper()
	sums := make(map[string]uint64)
	for line := range strings.Lines(text) {
		m := flamegraphLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("not a folded stack: %q", line)
		}
		n, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if flamegraphLine.MatchString(m[1]) {
			t.Errorf("reads as a differential profile: %q", line)
		}
		if _, ok := sums[m[1]]; ok {
			t.Errorf("two lines for %q", m[1])
		}
		sums[m[1]] = n
	}
	return sums
}

// checkFolded checks that the lines have as many frames and bytes as r.
func checkFolded(t *testing.T, r *Report) {
	t.Helper()
	text := string(render(t, Folded, r))
	for _, c := range text {
		if c != '\n' && !unicode.IsPrint(c) {
			t.Errorf("%U in %q", c, text)
		}
	}
	depths := make(map[int]uint64)
	for stack, n := range parseFolded(t, text) {
		depths[strings.Count(stack, ";")+1] += n
	}
	for _, s := range r.Stacks {
		depth := max(len(s.Frames), 1)
		if s.Truncated {
			depth++
		}
		if s.Estimate != nil {
			depths[depth+1] -= s.Estimate.leakRate()
		}
		depths[depth] -= s.Bytes
	}
	for depth, rest := range depths {
		if rest != 0 {
			t.Errorf("stacks of %d frames are off by %d bytes:\n%s", depth, int64(rest), text)
		}
	}
}

func TestFolded(t *testing.T) {
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) { checkFolded(t, r) })
	}
}

func TestFoldedMergesIdenticalStacks(t *testing.T) {
	r := mappings() // one stack as mmap and as heap
	want := "__libc_start_call_main;main;grow_pool 155190784\n"
	if got := string(render(t, Folded, r)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFoldedNamesUnknownFrames(t *testing.T) {
	r := &Report{Stacks: []Stack{
		{Bytes: 1},
		{Bytes: 2, Truncated: true, Frames: []Frame{{Address: 0x1000, Module: "/lib/a b.so", Offset: 0x10}, {Address: 0x2000}, {}}},
	}}
	want := "[unknown] 1\n[truncated];[unknown];0x2000;a b.so+0x10 2\n"
	if got := string(render(t, Folded, r)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzFolded(f *testing.F) {
	for _, s := range hostile().Stacks {
		f.Add(s.Frames[0].Function, s.Frames[0].Module, uint64(12345))
	}
	f.Add("", " 1;2 3", uint64(1<<63))
	f.Fuzz(func(t *testing.T, function, module string, bytes uint64) {
		r := fuzzReport(function, module, "", bytes, bytes, 1)
		last := r.Stacks[0] // the stack that ends in the name itself
		last.Frames = []Frame{{Module: module, Function: function}}
		last.Truncated = false
		r.Stacks = append(r.Stacks, last)
		checkFolded(t, r)
	})
}
