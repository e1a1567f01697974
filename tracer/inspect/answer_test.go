package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/diagnose/suppress"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/report"
)

func TestAnswer(t *testing.T) {
	steady := func(size uint64, rate float64, holder report.HeapRoot) report.HeapGrowth {
		return report.HeapGrowth{Size: size, PerMinute: rate, Class: report.HeapSteady, Holder: holder}
	}
	filling := func(size uint64, rate float64, holder report.HeapRoot) report.HeapGrowth {
		return report.HeapGrowth{Size: size, PerMinute: rate, Class: report.HeapFilling, Holder: holder}
	}
	named := func(name string) report.HeapRoot { return report.HeapRoot{Class: report.HeapGlobal, Name: name} }
	none, lost := &report.HeapUnreachable{}, &report.HeapUnreachable{Certain: report.HeapSum{Blocks: 2, Bytes: 3072}}
	for _, tc := range []struct {
		looks       int
		growing     []report.HeapGrowth
		unreachable *report.HeapUnreachable
		want        string
	}{
		{want: "p (pid 7): no look was finished"},
		{looks: 2, want: "p (pid 7) has 1,000 blocks, 1.0 MiB in use; what grows and what nobody points at shows from the third look on"},
		{looks: 3, unreachable: none, want: "nothing is seen to grow in 3 looks at p (pid 7); it has 1,000 blocks, 1.0 MiB in use"},
		{looks: 3, unreachable: lost, want: "nothing is seen to grow in 3 looks at p (pid 7); nobody points at 2 blocks (3.0 KiB) of its 1,000 blocks, 1.0 MiB in use"},
		{
			3,
			[]report.HeapGrowth{{Size: 136, PerMinute: 10, Class: report.HeapUnknown, Low: 1, Came: 5, Holder: named("a")}, {Size: 8, PerMinute: 90, Class: report.HeapUnknown, Came: 5}},
			none, "p (pid 7) may grow 10 blocks a minute (1.3 KiB/min), which is not certain yet: all held by global a; it has 1,000 blocks, 1.0 MiB in use",
		},
		{
			3,
			[]report.HeapGrowth{steady(136, 10, named("sessions")), steady(88, 10, report.HeapRoot{Class: report.HeapUnreached}), {Size: 8, PerMinute: 900, Class: report.HeapFading}},
			lost, "p (pid 7) grows 20 blocks a minute (2.2 KiB/min): half held by global sessions, half unreachable",
		},
		{3, []report.HeapGrowth{steady(1024, 60, named("a")), steady(40, 60, named("a"))}, none, "p (pid 7) grows 120 blocks a minute (1.0 KiB/s): all held by global a"},
		{
			3,
			[]report.HeapGrowth{steady(8, 97, named("a")), steady(8, 1, named("b")), steady(8, 1, named("c")), steady(8, 0.5, named("d")), steady(8, 0.5, named("e"))},
			none, "p (pid 7) grows 100 blocks a minute (800 B/min): nearly all held by global a, 1 % held by global b, 1 % held by global c, the rest by 2 others",
		},
		{
			3,
			[]report.HeapGrowth{steady(136, 10, named("a")), filling(152, 5597, named("cache"))},
			none,
			"p (pid 7) grows 10 blocks a minute (1.3 KiB/min): all held by global a; 5,597 blocks a minute (13.8 KiB/s) more may only fill a cache: all held by global cache",
		},
		{
			3,
			[]report.HeapGrowth{filling(152, 5597, named("cache"))},
			none,
			"p (pid 7) grows 5,597 blocks a minute (13.8 KiB/s), which fills a cache that is not full, or is a leak: all held by global cache",
		},
		{3, []report.HeapGrowth{steady(1024, 0.1, named("a"))}, none, "p (pid 7) grows 6 blocks an hour (102 B/min): all held by global a"},
	} {
		r := &report.HeapReport{Target: report.Target{PID: 7, Command: "p"}, Looks: tc.looks, Growing: tc.growing, Unreachable: tc.unreachable}
		r.Blocks.InUse = report.HeapSum{Blocks: 1000, Bytes: 1 << 20}
		if got := answer(r); got != tc.want {
			t.Errorf("%q\nnot %q", got, tc.want)
		}
	}
}

// Suppressions are looked for in the kind and in the holder, and what they hide is counted.
func TestSuppressing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "some.supp")
	if err := os.WriteFile(file, []byte("leak:^Session$\nleak:libpool\nleak:^the_pool$\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := suppress.Open([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	s := &suppressing{list: list}
	for _, tc := range []struct {
		kind   string
		holder report.HeapRoot
		hidden bool
	}{
		{"Session", report.HeapRoot{}, true},
		{"OldSession", report.HeapRoot{}, false},
		{"", report.HeapRoot{Name: "x", Module: "/usr/lib/libpool.so.1"}, true},
		{"", report.HeapRoot{Name: "the_pool", Module: "/usr/bin/p"}, true},
		{"", report.HeapRoot{Class: report.HeapUnreached}, false},
	} {
		if got := s.hides(tc.kind, &tc.holder, report.HeapSum{Blocks: 2, Bytes: 10}); got != tc.hidden {
			t.Errorf("%+v is hidden: %v", tc, got)
		}
	}
	if len(s.sums) != 3 || s.sums[0].Blocks != 2 || s.sums[0].Bytes != 10 || s.sums[0].Stacks != 1 {
		t.Errorf("%+v", s.sums)
	}
	if (&suppressing{}).hides("Session", &report.HeapRoot{}, report.HeapSum{}) {
		t.Error("no list hides something")
	}
}

// A holder grows if it holds more at every look, and varies if it holds more and less.
func TestRootHistory(t *testing.T) {
	for _, tc := range []struct {
		blocks          []uint64
		growing, varies bool
		perMinute       float64
	}{
		{[]uint64{10, 12}, false, false, 0},
		{[]uint64{10, 12, 14}, true, false, 12},
		{[]uint64{10, 12, 12}, false, false, 0},
		{[]uint64{100, 80, 120}, false, true, 0},
		{[]uint64{1000, 999, 1001}, false, false, 0},
		{[]uint64{0, 0, 5}, false, false, 0},
	} {
		var h rootHistory
		for i, n := range tc.blocks {
			h.add(report.HeapHolder{Held: report.HeapSum{Blocks: n}}, time.Unix(int64(10*i), 0))
		}
		if got := h.holder(); got.Growing != tc.growing || got.Varies != tc.varies || got.PerMinute != tc.perMinute {
			t.Errorf("%v: %+v", tc.blocks, got)
		}
	}
}

// A root keeps its number, whatever a thread is called meanwhile.
func TestRootNumbers(t *testing.T) {
	r := newRoots()
	list := []graph.Root{
		{Class: graph.Global, Name: "a", Module: "p", Addr: 1},
		{Class: graph.Global, Name: "a", Module: "q", Addr: 1},
		{Class: graph.Stack, Name: "stack of thread 5 (old)", TID: 5},
		{Class: graph.Registers, Name: "registers of thread 5", TID: 5},
	}
	var numbers []int32
	for i := range list {
		numbers = append(numbers, r.number(&list[i]))
	}
	list[2].Name = "stack of thread 5 (new)"
	for i := range list {
		if n := r.number(&list[i]); n != numbers[i] || int(n) != i {
			t.Errorf("%+v: %d, then %d", list[i], numbers[i], n)
		}
	}
	if r.list[2].root.Name != list[2].Name || r.list[0].root.Class != report.HeapGlobal || r.list[3].root.Class != report.HeapRegisters {
		t.Errorf("%+v", r.list)
	}
}

// The last look is spoken of only if there was one.
func TestEnd(t *testing.T) {
	for looks, want := range []string{"It ended.", "It ended. This is what the last look showed."} {
		l := &Looker{looks: looks}
		if err := l.over("It ended."); !Gone(err) || l.End() != want {
			t.Errorf("after %d looks: %v, %q", looks, err, l.End())
		}
	}
}

// Refusals say what helps.
func TestAdvised(t *testing.T) {
	other := errors.New("other")
	if err := Advised(other); err != other || Refused(other) {
		t.Errorf("%v", err)
	}
	for _, err := range []error{ErrMemory, ErrStall, ErrTraced} {
		if a := Advised(fmt.Errorf("a process: %w", err)); !Refused(a) || !errors.Is(a, err) || !strings.HasPrefix(a.Error(), "a process: "+err.Error()+": ") {
			t.Errorf("%v", a)
		}
	}
}
