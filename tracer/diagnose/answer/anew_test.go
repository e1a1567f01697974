package answer

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

// unnamed takes the names from the stacks of a report, as a trace leaves them out, and returns a function
// that gives them back.
func unnamed(r *report.Report) (give func(*report.Report)) {
	names := make(map[uint64]report.Frame)
	each := func(r *report.Report, do func(*report.Frame)) {
		for i := range r.Stacks {
			s := &r.Stacks[i]
			s.Frames = slices.Clone(s.Frames)
			for k := range s.Frames {
				do(&s.Frames[k])
				MarkLibrary(&s.Frames[k], &r.Target)
			}
			s.OwnFrame = OwnFrame(s.Frames, &r.Target)
		}
	}
	each(r, func(f *report.Frame) {
		if f.Function == "" {
			return
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(f.Module + f.Function + string(rune(f.Line)))) // it never fails
		names[h.Sum64()] = *f
		f.Function, f.File, f.Line, f.Offset = "", "", 0, h.Sum64()
	})
	return func(r *report.Report) {
		each(r, func(f *report.Frame) {
			if named, ok := names[f.Offset]; ok {
				*f = named
			}
		})
	}
}

// kept returns the report and the evidence as a record has them: what is reserved is taken out of the
// stacks, and the evidence has passed through JSON.
func kept(t *testing.T, e *Evidence) *Evidence {
	t.Helper()
	e.KeepWhole()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.Report.Stacks {
		if s := &e.Report.Stacks[i]; s.Kind != report.Heap {
			s.GrowthBytesPerSecond *= 0.5
			s.Bytes -= min(s.ReservedBytes, s.Bytes)
		}
	}
	later := &Evidence{Report: e.Report}
	if err := json.Unmarshal(text, later); err != nil {
		t.Fatal(err)
	}
	return later
}

// mapsOwn is a program in Python with an extension that maps memory itself, three times.
func mapsOwn() *Evidence {
	r := watched()
	grow(r, "mmap", 3<<20)
	frames := func(caller string) []report.Frame {
		return append([]report.Frame{frame("__mmap", 0), {Function: "map_table", Module: "/usr/bin/python3.11"}}, calls(caller)...)
	}
	stacks := []report.Stack{mapping("n1", 1, 1<<20, 0, frames("json_dumps")), mapping("n2", 1, 1<<20, 0, frames("list_resize")), mapping("n3", 1, 1<<20, 0, frames("dict_new"))}
	stacks[2].YoungestSeconds = 1
	return with(r, stacks...)
}

// Once names are there, the answer to what was judged without them is the one that it would have been with
// them, for each kind of finding, and for what only looks like a pool without them.
func TestAnew(t *testing.T) {
	cases := func() map[report.FindingKind]*Evidence {
		all := map[report.FindingKind]*Evidence{"no pool": mapsOwn()}
		for kind, row := range kinds() {
			all[kind] = row.e
		}
		return all
	}
	bare := cases()
	for kind, named := range cases() {
		want := answered(named)
		e := bare[kind]
		e.Bare = true
		give := unnamed(e.Report)
		got := answered(e)
		if got.Diagnosis.Findings[0].Kind == report.Pool {
			t.Errorf("%s: without names there is a pool: %s", kind, got.Diagnosis.Answer)
		}
		e = kept(t, e)
		give(got)
		got.Diagnosis = e.Anew()
		if diff := cmp.Diff(want.Diagnosis, got.Diagnosis); diff != "" {
			t.Errorf("%s (-named +later):\n%s", kind, diff)
		}
		for i := range want.Stacks {
			if a, b := &want.Stacks[i], &got.Stacks[i]; a.ID != b.ID || a.Class != b.Class || a.LeakBytesPerSecond != b.LeakBytesPerSecond {
				t.Errorf("%s: stack %s is %q and leaks %v, %s %q and %v", kind, a.ID, a.Class, a.LeakBytesPerSecond, b.ID, b.Class, b.LeakBytesPerSecond)
			}
		}
	}
}
