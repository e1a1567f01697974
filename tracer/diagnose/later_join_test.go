package diagnose

import (
	"slices"
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// giveNames gives a report of a program names.
func giveNames(t *testing.T, program, id string, r *report.Report) {
	t.Helper()
	if r.Later == nil {
		r.Later = new(report.Later)
	}
	r.StacksTotal, r.Target.Exe = len(r.Stacks), program
	r.Target.Modules = append(r.Target.Modules, report.Module{Path: program, BuildID: id})
	names := NewNames([]string{t.TempDir()})
	defer names.Close()
	if err := names.Give(r); err != nil {
		t.Fatal(err)
	}
}

// What is known of stacks that are one with names is added up: where their blocks are freed, and what they
// held. What is not known of each has no line.
func TestNamesJoin(t *testing.T) {
	program, id, in := laterProgram(t)
	freed := func(by ...report.Frame) *report.FreeSide {
		side := &report.FreeSide{Text: "old"}
		for _, f := range by {
			side.By = append(side.By, report.Freer{Share: 1 / float64(len(by)), Samples: 40, Frames: []report.Frame{f}})
		}
		return side
	}
	stack := func(id string, freedBlocks uint64, side *report.FreeSide, frames ...report.Frame) report.Stack {
		return report.Stack{ID: id, Kind: report.Heap, Bytes: 10, Blocks: 1, AllocatedBlocks: 9, FreedBlocks: freedBlocks, Freed: side, Frames: frames}
	}
	line := func(id string, bytes ...uint64) report.StackTimeline {
		return report.StackTimeline{ID: id, Seconds: []float64{1, 2}, Bytes: bytes}
	}
	take, give := in("take"), in("give")
	r := &report.Report{
		Stacks: []report.Stack{
			stack("1", 3, freed(give), take, in("main")), stack("2", 4, freed(give, give), give), stack("3", 1, freed(take), take, in("main")),
			stack("4", 0, nil, in("main")), stack("5", 4, nil, in("main")), stack("6", 0, nil, give, take), stack("7", 1, freed(take), give, take),
		},
		Timeline: &report.Timeline{Stacks: []report.StackTimeline{line("1", 10, 20), line("2", 7, 7), line("3", 5, 5), line("4", 1, 1)}},
	}
	giveNames(t, program, id, r)
	if len(r.Stacks) != 4 {
		t.Fatalf("%d stacks", len(r.Stacks))
	}
	for i, want := range []string{
		"Its blocks are freed by give (program.c:3) (75 %) and take (program.c:2) (25 %).", "Its blocks are freed by give (program.c:3).", "", "Its blocks are freed by take (program.c:2).",
	} {
		text := ""
		if f := r.Stacks[i].Freed; f != nil {
			text = f.Text
		}
		if text != want {
			t.Errorf("stack %s: %q, want %q", r.Stacks[i].ID, text, want)
		}
	}
	lines := r.Timeline.Stacks
	if len(lines) != 2 || lines[0].ID != "1" || !slices.Equal(lines[0].Bytes, []uint64{15, 25}) || !slices.Equal(lines[0].Seconds, []float64{1, 2}) || !slices.Equal(lines[1].Bytes, []uint64{7, 7}) {
		t.Errorf("lines %+v", lines)
	}
}

// A place that files of one name have in common is not called by the name that it has in one of them. Memory
// that has no file lacks none, and what names do not mend is still hinted at.
func TestNamesDoubtful(t *testing.T) {
	program, id, in := laterProgram(t)
	take := in("take")
	alike := take
	alike.Module = "/elsewhere/program"
	memory := report.Frame{Address: 5, Module: "/memfd:jit (deleted)", Offset: 5}
	bare := report.Frame{Function: "known", Module: "/usr/lib/libplain.so.1"}
	r := &report.Report{
		Target:    report.Target{Modules: []report.Module{{Path: alike.Module, BuildID: "abcdef0123456789"}}},
		Stacks:    []report.Stack{{ID: "1", Bytes: 1, Frames: []report.Frame{alike}}, {ID: "2", Bytes: 1, Frames: []report.Frame{take, memory}}},
		Diagnosis: &report.Diagnosis{Answer: "all in " + take.Place(), Findings: []report.Finding{{Kind: report.Leak, Culprit: &alike, Caller: &bare}}},
	}
	giveNames(t, program, id, r)
	if got, want := r.Diagnosis.Answer, "all in "+take.Place(); got != want || r.Stacks[1].Frames[0].Function != "take" {
		t.Errorf("the answer is %q, want %q", got, want)
	}
	if len(r.Hints) != 2 || !strings.HasPrefix(r.Hints[0], "1 place of program has no name (build ID abcdef0123456789)") || !strings.HasPrefix(r.Hints[1], "The frames of libplain.so.1 have no source lines") {
		t.Errorf("hints %q", r.Hints)
	}
}

// An allocator of the program's own is proposed with what frees its blocks, as where names were there at
// once, and not if the user has named it.
func TestNamesProposed(t *testing.T) {
	program, id, in := laterProgram(t)
	for named, want := range map[string]string{
		`{}`:                            "--alloc pool_alloc --free pool_free",
		`{"Functions": ["pool_alloc"]}`: "",
	} {
		r := &report.Report{
			Mode: report.ModeExact, Complete: true, Diagnosis: new(report.Diagnosis),
			Stacks: []report.Stack{{
				ID: "1", Kind: report.Mmap, Bytes: 1 << 20, Blocks: 9, AllocatedBlocks: 9, GrowthBytesPerSecond: 1 << 15, FollowedSeconds: 60, OldestSeconds: 60,
				Frames: []report.Frame{in("pool_alloc"), in("main")},
			}},
		}
		r.Later = &report.Later{Evidence: []byte(`{"Seconds": 60, "Allocators": 1, "NamedBy": ` + named + `}`)}
		giveNames(t, program, id, r)
		f := r.Diagnosis.Findings[0]
		if f.Kind != report.Leak || want == "" && strings.Contains(f.Next, "pool_alloc") || !strings.Contains(f.Next, want) {
			t.Errorf("%s: %s, next %q", named, r.Diagnosis.Answer, f.Next)
		}
	}
}
