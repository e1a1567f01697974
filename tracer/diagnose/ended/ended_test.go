package ended

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// one is the report of a process that ended with a block at each of some offsets in its program,
// which is mapped elsewhere in each process.
func one(pid int, command string, offsets ...uint64) *report.Report {
	start := time.Unix(int64(1000+pid), 0)
	r := &report.Report{
		Target: report.Target{PID: pid, Command: command, Exe: "/bin/" + command, Exited: true},
		Start:  start, End: start.Add(time.Second), Complete: true, DurationSeconds: 1,
		Outstanding: report.Sum{Bytes: uint64(len(offsets)) * 10, Blocks: uint64(len(offsets))},
		Events:      report.Events{Alloc: 3, Free: 1},
		Notes:       []string{fmt.Sprintf("It did %d things.", pid)},
		Diagnosis:   &report.Diagnosis{Answer: "ended"},
	}
	for _, offset := range offsets {
		r.Stacks = append(r.Stacks, report.Stack{
			ID: fmt.Sprint(pid, offset), Kind: report.Heap, Bytes: 10, Blocks: 1, AllocatedBytes: 20, AllocatedBlocks: 2, FreedBlocks: 1,
			Frames: []report.Frame{{Address: uint64(pid)<<20 + offset, Module: "/bin/" + command, Offset: offset}},
		})
	}
	return r
}

func TestReportsAreSummedByProgram(t *testing.T) {
	var all Reports
	all.Add(one(1, "a", 1, 2))
	all.Add(one(2, "b", 1))
	all.Add(one(3, "a", 2, 3))
	list := all.List(0)
	if len(list) != 2 {
		t.Fatalf("%d reports", len(list))
	}
	a, b := list[0], list[1]
	if a.Target.Processes != 2 || a.Outstanding != (report.Sum{Bytes: 40, Blocks: 4}) || a.Events.Alloc != 6 || a.DurationSeconds != 3 {
		t.Errorf("the sum is %+v", a)
	}
	if len(a.Stacks) != 3 || a.Stacks[0].Frames[0].Offset != 2 || a.Stacks[0].Bytes != 20 || a.Stacks[0].Survival != 0.5 {
		t.Errorf("its stacks are %+v", a.Stacks)
	}
	want := "a (2 processes that ended) had not freed 40 B in 4 blocks when they ended: 50 % in a+0x2"
	if a.Diagnosis.Answer != want {
		t.Errorf("%q, want %q", a.Diagnosis.Answer, want)
	}
	if len(a.Notes) != 1 || a.Notes[0] != "It did 3 things." {
		t.Errorf("notes %q", a.Notes)
	}
	if b.Target.Processes != 0 || b.Diagnosis.Answer != "ended" {
		t.Errorf("that of one process is %+v", b)
	}
	if cut := all.List(1)[0]; len(cut.Stacks) != 1 || len(all.List(0)[0].Stacks) != 3 {
		t.Errorf("cut to %d", len(cut.Stacks))
	}
}

// Whatever thousands of programs do, what is kept is bounded, and the sums are whole.
func TestReportsAreBounded(t *testing.T) {
	var all Reports
	const n, each = 600, 3
	for i := range n {
		all.Add(one(i+1, fmt.Sprintf("p%d", i), 1))
		all.Add(one(i+1, "many", uint64(each*i), uint64(each*i+1), uint64(each*i+2)))
	}
	list := all.List(0)
	if len(list) > mostPrograms+1 {
		t.Errorf("%d reports", len(list))
	}
	var sum report.Sum
	processes := 0
	for _, r := range list {
		var held report.Sum
		for i := range r.Stacks {
			held.Bytes += r.Stacks[i].Bytes
			held.Blocks += r.Stacks[i].Blocks
		}
		if held != r.Outstanding || len(r.Stacks) > mostStacks+1 {
			t.Errorf("%s: %d stacks hold %+v of %+v", r.Target.Command, len(r.Stacks), held, r.Outstanding)
		}
		sum = sum.Plus(r.Outstanding)
		processes += max(r.Target.Processes, 1)
	}
	if sum.Blocks != n*(each+1) || processes != 2*n {
		t.Errorf("%+v of %d processes", sum, processes)
	}
	if !strings.Contains(list[0].Diagnosis.Answer, "many (600 processes") {
		t.Errorf("first is %q", list[0].Diagnosis.Answer)
	}
}

// What only one process had, as threads and a peak, is in its report and in no sum, where it would
// grow with each process.
func TestThreadsAreNotSummed(t *testing.T) {
	var all Reports
	for pid := 1; pid <= 5000; pid++ {
		r := one(pid, "a", 1, uint64(2+pid)) // one stack that all have, and one of its own
		for i := range r.Stacks {
			s := &r.Stacks[i]
			s.PeakBytes, s.PeakBlocks = 10, 1
			for n := range 8 {
				s.Threads = append(s.Threads, report.ThreadSum{TID: 10*pid + n, Sum: report.Sum{Bytes: 1, Blocks: 1}})
			}
		}
		all.Add(r)
		if pid == 1 {
			if s := all.List(0)[0].Stacks[0]; len(s.Threads) != 8 || s.PeakBytes != 10 {
				t.Errorf("of one process: %+v", s)
			}
		}
	}
	for _, sum := range all.programs {
		for i := range sum.Stacks {
			if s := &sum.Stacks[i]; s.Threads != nil || s.PeakBytes != 0 || s.PeakBlocks != 0 {
				t.Fatalf("%d threads, peak %d, are kept with stack %d", len(s.Threads), s.PeakBytes, i)
			}
		}
	}
}

// What is reserved, what malloc takes, and what had no probe are in sums, and so are windows.
func TestReportsAreSummedWhole(t *testing.T) {
	var all Reports
	for pid := 1; pid <= 40; pid++ {
		r := one(pid, "a", 1)
		r.Mode, r.Reserved, r.ChunkBytes = report.ModeWindows, report.Sum{Bytes: 5, Blocks: 1}, 32
		r.Unprobed = []string{"malloc", fmt.Sprint("f", pid)}
		r.TracedFraction, r.Overhead = float64(pid%2)/2, float64(pid)/100
		r.Sampling = &report.Sampling{Windows: 2, TracedSeconds: 0.1, Overhead: float64(pid%2) / 10, MaturitySeconds: float64(pid)}
		all.Add(r)
	}
	r := all.List(0)[0]
	if r.Reserved != (report.Sum{Bytes: 200, Blocks: 40}) || r.ChunkBytes != 40*32 {
		t.Errorf("%+v reserved, %d taken", r.Reserved, r.ChunkBytes)
	}
	if n := len(r.Unprobed); n < 2 || n > 16 || r.Unprobed[0] != "malloc" || r.Unprobed[1] != "f1" || r.Unprobed[2] != "f2" {
		t.Errorf("%q without a probe", r.Unprobed)
	}
	near := func(a, b float64) bool { return a > b-1e-9 && a < b+1e-9 }
	if s := r.Sampling; s.Windows != 80 || !near(s.TracedSeconds, 4) || !near(s.Overhead, 0.05) || !near(r.Overhead, 0.205) || s.MaturitySeconds != 40 || !near(r.TracedFraction, 0.25) {
		t.Errorf("traced %g, overhead %g: %+v", r.TracedFraction, r.Overhead, s)
	}
	const want = "a (40 processes that ended) were not traced in every call: what they had not freed is not known"
	if d := r.Diagnosis; d.Answer != want || d.Findings[0].Next != "Trace with --exact." {
		t.Errorf("%q, next %q", d.Answer, d.Findings[0].Next)
	}
}

// Where names are looked up later, the sum has the files of all processes, each once, and no evidence of
// one of them. Else it has none.
func TestFilesForLater(t *testing.T) {
	for _, later := range []bool{true, false} {
		var all Reports
		for pid, id := range map[int]string{1: "aa", 2: "bb", 3: "aa"} {
			r := one(pid, "a", 1)
			if later {
				r.Later = &report.Later{Evidence: []byte("{}")}
			}
			r.Target.Modules = []report.Module{{Path: "/bin/a", BuildID: id, Start: uint64(pid) << 20}}
			all.Add(r)
		}
		r := all.List(0)[0]
		if n := len(r.Target.Modules); later != (r.Later != nil) || later && (n != 2 || r.Later.Evidence != nil) || !later && n != 0 {
			t.Errorf("later %v: %+v, %+v", later, r.Later, r.Target.Modules)
		}
	}
}

// There is a note where files are left out.
func TestFilesForLaterAreBounded(t *testing.T) {
	var all Reports
	for pid := range 3 {
		r := one(pid+1, "a", 1)
		r.Later = new(report.Later)
		for i := range mostFiles - 1 {
			r.Target.Modules = append(r.Target.Modules, report.Module{Path: fmt.Sprintf("/lib/%d", i*(pid+1)/2), BuildID: "aa"})
		}
		all.Add(r)
	}
	r := all.List(0)[0]
	if len(r.Target.Modules) != mostFiles || len(r.Notes) != 2 || !strings.HasPrefix(r.Notes[1], "Of these processes only 1024 files are known") {
		t.Errorf("%d files, notes %q", len(r.Target.Modules), r.Notes)
	}
}
