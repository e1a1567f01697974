package diagnose

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/report"
)

const laterSource = `
__attribute__((noinline)) void take(void) { __asm__ volatile(""); }
__attribute__((noinline)) void give(void) { __asm__ volatile("nop"); }
int main(void) { take(); give(); return 0; }
void pool_alloc(void) { __asm__ volatile("nop"); }
void pool_free(void) { __asm__ volatile("nop"); }
`

// laterProgram builds a program and returns its path, its build ID, and how a frame in a function is
// recorded without names.
func laterProgram(t *testing.T) (program, id string, in func(function string) report.Frame) {
	t.Helper()
	dir := t.TempDir()
	program = filepath.Join(dir, "program")
	source := filepath.Join(dir, "program.c")
	if err := os.WriteFile(source, []byte(laterSource), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-g", "-O1", "-Wl,--build-id=0x1234567890abcdef", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	return program, "1234567890abcdef", func(function string) report.Frame {
		for _, s := range symbols {
			if s.Name == function {
				return report.Frame{Address: 0x550000000000 + s.Value + 1, Module: program, Offset: s.Value + 1}
			}
		}
		t.Fatalf("there is no %s", function)
		return report.Frame{}
	}
}

// All that a report says without names gets them: stacks, where blocks are freed, segments, and the
// answer, also of a sum of processes. Stacks that are alike by then are one. What has no file says so.
func TestNamesGiven(t *testing.T) {
	program, id, in := laterProgram(t)
	other := report.Frame{Address: 9, Module: "/usr/lib/libgone.so.1", Offset: 9}
	take, give := in("take"), in("give")
	stack := func(id string, bytes uint64, frames ...report.Frame) report.Stack {
		return report.Stack{ID: id, Kind: report.Heap, Bytes: bytes, Blocks: 1, AllocatedBlocks: 1, Frames: frames}
	}
	culprit := take
	r := &report.Report{
		Schema: report.Schema, Mode: report.ModeExact, Later: new(report.Later), StacksTotal: 12, Modules: []report.ModuleSum{{Name: "old"}},
		Target: report.Target{Command: "program", Exe: program, Modules: []report.Module{{Path: program, BuildID: id}, {Path: other.Module, BuildID: "abcdef0123456789"}}},
		Stacks: []report.Stack{stack("1", 10, take, in("main")), stack("2", 20, other, in("main")), stack("3", 5, take, in("main")), stack("4", 0)},
		Diagnosis: &report.Diagnosis{
			Answer:   "program ended: 50 % in " + culprit.Place() + ", and " + other.Place(),
			Findings: []report.Finding{{Kind: report.NeverFreed, Culprit: &culprit, Text: "50 % in " + culprit.Place()}},
		},
		Memory: &report.Memory{Segments: []report.Segment{{Origin: take.Place() + " < " + give.Place()}}},
	}
	r.Stacks[1].Freed = &report.FreeSide{
		By: []report.Freer{{Frames: []report.Frame{give}}}, Missing: &report.MissingFree{By: give, Like: take, Other: other}, Text: "freed by " + give.Place() + " (50 %)",
	}
	names := NewNames([]string{t.TempDir()})
	defer names.Close()
	if err := names.Give(r); err != nil {
		t.Fatal(err)
	}
	first := &r.Stacks[0]
	if f := first.Frames[0]; f.Function != "take" || filepath.Base(f.File) != "program.c" || f.Line == 0 || f.Address != take.Address || first.Frames[1].Function != "main" {
		t.Errorf("frames are %+v", first.Frames)
	}
	if len(r.Stacks) != 3 || first.Bytes != 15 || first.MergedStacks != 2 || r.StacksTotal != 11 || r.Later != nil {
		t.Errorf("%d of %d stacks, the first %+v", len(r.Stacks), r.StacksTotal, first)
	}
	if f := r.Stacks[1].Freed; f.By[0].Frames[0].Function != "give" || f.Missing.Like.Function != "take" || f.Text != "Its blocks are freed by give (program.c:3). give frees what libgone.so.1+0x9 allocates, as take does, but none of these." {
		t.Errorf("freed: %+v", f)
	}
	if d := r.Diagnosis; d.Answer != "program ended: 50 % in take, and libgone.so.1+0x9" || d.Findings[0].Culprit.Function != "take" || d.Findings[0].Text != "50 % in take" {
		t.Errorf("the answer: %+v", d)
	}
	if at := r.Memory.Segments[0].Origin; at != "take < give" {
		t.Errorf("the segment is from %q", at)
	}
	if len(r.Hints) != 1 || !strings.HasPrefix(r.Hints[0], "1 place of libgone.so.1 has no name (build ID abcdef0123456789): put the file") {
		t.Errorf("hints %q", r.Hints)
	}
}

// A path that two files had is told apart by the address, and not guessed. Without a build ID nothing is
// looked for.
func TestNamesOfSeveralFiles(t *testing.T) {
	program, id, in := laterProgram(t)
	at := in("take")
	here := report.Module{Path: program, BuildID: id, Start: at.Address - 100, End: at.Address + 100}
	elsewhere := report.Module{Path: program, BuildID: "ffffffffffffffff", Start: 1, End: 100}
	over := here
	over.BuildID = elsewhere.BuildID
	for name, tc := range map[string]struct {
		modules []report.Module
		named   bool
	}{
		"one": {[]report.Module{here}, true}, "another elsewhere": {[]report.Module{elsewhere, here}, true},
		"another there": {[]report.Module{here, over}, false}, "none": {nil, false}, "no build ID": {[]report.Module{{Path: program}}, false},
	} {
		r := &report.Report{Later: new(report.Later), Target: report.Target{Exe: program, Modules: tc.modules}, Stacks: []report.Stack{{ID: "1", Bytes: 1, Frames: []report.Frame{at}}}}
		names := NewNames(nil)
		err := names.Give(r)
		names.Close()
		if named := r.Stacks[0].Frames[0].Function == "take"; err != nil || named != tc.named || named != (len(r.Hints) == 0) {
			t.Errorf("%s: %+v, hints %q, %v", name, r.Stacks[0].Frames, r.Hints, err)
		}
	}
}

// The answer is made anew from what the report and its evidence say, whatever that is.
func TestAnswersOfNames(t *testing.T) {
	program, id, in := laterProgram(t)
	for evidence, want := range map[string]string{
		`{"Seconds": 60, "Allocators": 1, "Whole": {"mmap 1": {"Bytes": 1024, "ReservedBytes": 24, "GrowthBytesPerSecond": 102.4}}}`: "program (pid 7) leaks 5.9 KiB/min: all in take < main (program.c:2)",
		`{}`: "program (pid 7) was traced for 0 s, too short to tell what grows",
		`{"Kept": {"System": 1, "Free": 18446744073709551615}, "KeptFirst": {}, "Children": [{}], "Held": {"Now": true, "Part": 7}, "Seconds": -1}`: "program (pid 7) ",
	} {
		leak := report.Stack{
			ID: "1", Kind: report.Mmap, Bytes: 1000, ReservedBytes: 24, Blocks: 9, AllocatedBlocks: 9, Class: report.ClassLeak, LeakBytesPerSecond: 100,
			GrowthBytesPerSecond: 100, FollowedSeconds: 60, OldestSeconds: 60, Frames: []report.Frame{in("take"), in("main")},
		}
		r := &report.Report{
			Schema: report.Schema, Mode: report.ModeExact, Complete: true, Later: &report.Later{Evidence: []byte(evidence)}, StacksTotal: 1,
			Target:    report.Target{PID: 7, Command: "program", Exe: program, Modules: []report.Module{{Path: program, BuildID: id}}},
			Stacks:    []report.Stack{leak},
			Diagnosis: &report.Diagnosis{Answer: "old", Findings: []report.Finding{{Kind: report.Leak}}, Deadline: &report.Deadline{Text: "soon"}},
		}
		names := NewNames(nil)
		err := names.Give(r)
		names.Close()
		if err != nil || !strings.HasPrefix(r.Diagnosis.Answer, want) || r.Diagnosis.Deadline == nil || r.Stacks[0].Bytes != 1000 {
			t.Errorf("%s: %q, want %q (%v), %d bytes", evidence, r.Diagnosis.Answer, want, err, r.Stacks[0].Bytes)
		}
	}
	r := &report.Report{Later: &report.Later{Evidence: []byte("[]")}, Diagnosis: new(report.Diagnosis)}
	if err := NewNames(nil).Give(r); err == nil {
		t.Error("evidence that is none is taken")
	}
}
