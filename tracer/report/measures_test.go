package report

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

// measured is a report of a process with threads that held most in the middle of the trace.
func measured() *Report {
	r := typical()
	r.Notes = nil
	r.Peak = &Peak{Sum: Sum{Bytes: 31 << 20, Blocks: 71_003}, AtSeconds: 12.25}
	s := &r.Stacks[0]
	s.PeakBytes, s.PeakBlocks, s.TemporaryBlocks = 6<<20, 7_585, 12
	s.Sizes = []SizeClass{{1024, 10_640}, {4096, 12}}
	s.Lifetimes = []LifetimeClass{{0.001048576, 12}}
	s.Threads = []ThreadSum{{4250, "worker-1", Sum{5 << 20, 6_322}}, {4251, "", Sum{3 << 20, 3_900}}, {0, "", Sum{104_857, 18}}}
	s = &r.Stacks[2]
	s.PeakBytes, s.PeakBlocks, s.TemporaryBlocks = 1<<20, 200, 25_000
	s.Sizes = []SizeClass{{16, 5}, {1 << 32, 25_994}, {math.MaxUint64, 1}}
	s.Lifetimes = []LifetimeClass{{0.000016384, 25_000}, {4.294967296, 900}, {float64(math.MaxUint64) / 1e9, 12}}
	s.Threads = []ThreadSum{{4242, "sessiond", Sum{412_000, 88}}}
	past := Stack{
		ID: "0051", Kind: Heap, AllocatedBytes: 24 << 20, AllocatedBlocks: 24_000, FreedBlocks: 24_000,
		PeakBytes: 24 << 20, PeakBlocks: 24_000,
		Frames: []Frame{sessiond("read_config", 0x2301, "config.c", 7), mainFrame(), libcStart()},
	}
	r.Stacks = append(r.Stacks, past)
	r.Threads = []ThreadSum{{4250, "worker-1", Sum{9 << 20, 8_000}}, {4242, "\x1b[31msessiond", Sum{4 << 20, 6_000}}, {0, "", Sum{826_000, 411}}}
	r.Modules = Modules(r.Stacks, func(*Stack) bool { return true })
	return r
}

// The parts are shown where they are asked for, and nothing of them where they are not.
func TestMeasuredParts(t *testing.T) {
	r := measured()
	r.Diagnosis = &Diagnosis{Answer: "sessiond grows"}
	var plain bytes.Buffer
	if err := Text(&plain, r, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"peak", "Peak", "worker-1", "temporary", "up to"} {
		if strings.Contains(plain.String(), word) {
			t.Errorf("%q is shown unasked:\n%s", word, plain.String())
		}
	}
	golden(t, "measured-parts.txt", render(t, asText(TextOptions{Show: Parts{Peak: true, Threads: true, Modules: true, Lifetimes: true}}), r))
	golden(t, "measured-short.txt", render(t, asText(TextOptions{Show: Parts{Peak: true, Threads: true}, Height: 30}), r))
	r.Peak.Approximate = true
	text := strings.Join(strings.Fields(string(render(t, asText(TextOptions{Show: Parts{Peak: true}}), r))), " ")
	if !strings.Contains(text, "it may have been less then, or more at another time") {
		t.Error(text)
	}
}

// Reports with and without measures fit into one profile, and the first values keep their places.
func TestPprofSeveralMeasured(t *testing.T) {
	var buf bytes.Buffer
	if err := PprofSeveral(&buf, []*Report{measured(), windows()}); err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseData(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, v := range p.SampleType {
		types = append(types, v.Type)
	}
	want := "alloc_objects alloc_space inuse_objects inuse_space estimated_leak peak_objects peak_space temporary_objects"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("values %s, want %s", got, want)
	}
	sum := int64(0)
	for _, s := range p.Sample {
		sum += s.Value[6]
	}
	if sum != 31<<20 {
		t.Errorf("the samples have %d bytes at the peak, want %d", sum, 31<<20)
	}
}

// Stacks that are added have the sums of what was measured of each.
func TestAddMeasures(t *testing.T) {
	a := Stack{
		PeakBytes: 1, PeakBlocks: 2, TemporaryBlocks: 3, Lifetimes: []LifetimeClass{{2, 5}}, Sizes: []SizeClass{{16, 1}, {64, 2}},
		Threads: []ThreadSum{{7, "x", Sum{10, 1}}, {0, "", Sum{99, 9}}},
	}
	before := a
	b := Stack{
		PeakBytes: 10, PeakBlocks: 20, TemporaryBlocks: 30, Lifetimes: []LifetimeClass{{1, 6}, {2, 7}}, Sizes: []SizeClass{{64, 5}},
		Threads: []ThreadSum{{8, "y", Sum{30, 3}}, {7, "x", Sum{1, 1}}},
	}
	sum := a
	sum.addMeasures(&b)
	want := Stack{
		PeakBytes: 11, PeakBlocks: 22, TemporaryBlocks: 33, Lifetimes: []LifetimeClass{{1, 6}, {2, 12}}, Sizes: []SizeClass{{16, 1}, {64, 7}},
		Threads: []ThreadSum{{8, "y", Sum{30, 3}}, {7, "x", Sum{11, 2}}, {0, "", Sum{99, 9}}},
	}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, a); diff != "" {
		t.Errorf("an addend has changed (-want +got):\n%s", diff)
	}
}

// What was not looked up is told from what nobody knows.
func TestModulesNotLookedUp(t *testing.T) {
	stacks := []Stack{
		{Bytes: 5, Blocks: 1, Frames: []Frame{{Module: "/bin/a"}}},
		{Bytes: 4, Blocks: 2},
		{Bytes: 3, Blocks: 1, Frames: []Frame{}},
		{Bytes: 2, Blocks: 1, GivenUpStacks: 7},
		{Bytes: 1, Blocks: 1},
	}
	want := []ModuleSum{{"", true, Sum{5, 3}}, {"", false, Sum{5, 2}}, {"/bin/a", false, Sum{5, 1}}}
	got := Modules(stacks, func(s *Stack) bool { return s.Frames != nil || s.GivenUpStacks > 0 })
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if both := PlusModules(got, got); len(both) != 3 || both[0] != (ModuleSum{"", true, Sum{10, 6}}) {
		t.Errorf("%+v", both)
	}
	large := ModuleSum{"/bin/b", false, Sum{9, 1}}
	if both := PlusModules(got, []ModuleSum{large}); both[0] != large {
		t.Errorf("%+v does not begin with the largest", both)
	}
	text := string(render(t, asText(TextOptions{Show: Parts{Modules: true}}), &Report{Diagnosis: &Diagnosis{}, Modules: got}))
	for _, line := range []string{"5 B in 3 blocks stacks that were not looked up", "5 B in 2 blocks module not known"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}
