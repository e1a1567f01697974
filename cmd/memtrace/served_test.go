package main

import (
	"os"
	"path/filepath"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// Where a wrapper stands before glibc's malloc, each block and each free counts once, and all is
// judged as glibc's. One passes all on, one has a header of its own before each block, and one frees
// blocks later than it is told to.
func TestCoreWrappers(t *testing.T) {
	testprog.NeedRoot(t)
	for _, wrapper := range []string{"", "wrap_next.so", "wrap_header.so", "wrap_late.so"} {
		t.Run(wrapper, func(t *testing.T) {
			program := testprog.Path(t, "served")
			if wrapper != "" {
				t.Setenv("LD_PRELOAD", testprog.Path(t, wrapper))
			}
			checkWrapped(t, traced(t, program))
		})
	}
}

// A wrapper may be a part of the program.
func TestWrappersWithin(t *testing.T) {
	testprog.NeedRoot(t)
	for _, wrapper := range []string{"wrap_next.c", "wrap_header.c", "wrap_late.c"} {
		t.Run(wrapper, func(t *testing.T) {
			text := ""
			for _, name := range []string{wrapper, "served.c"} {
				source, err := os.ReadFile(filepath.Join(testprog.Sources(), name))
				if err != nil {
					t.Fatal(err)
				}
				text += string(source)
			}
			checkWrapped(t, traced(t, testprog.BuildProgram(t, "gcc -O2 -g -fno-builtin -fno-inline -pthread", text)))
		})
	}
}

// traced returns the report on a program that was traced from its start to its end.
func traced(t *testing.T, program string) *report.Report {
	t.Helper()
	m := startMemtrace(t, "--", program)
	m.wait()
	return m.reports()[0]
}

func checkWrapped(t *testing.T, r *report.Report) {
	t.Helper()
	sites := bySite(r)
	for site, want := range map[string]testprog.Sum{
		"site_keep":   {Bytes: 10*100 + 45, Blocks: 10},
		"site_zeroed": {Bytes: 5 * 120, Blocks: 5},
		"site_large":  {Bytes: 300000, Blocks: 1},
		"site_grow":   {Bytes: 4000, Blocks: 1},
		"site_thread": {Bytes: 20 * 200, Blocks: 20},
		"site_free":   {},
	} {
		if got := sites[site]; got != want {
			t.Errorf("%s: got %+v, want %+v", site, got, want)
		}
	}
	if r.Events.UnknownFree != 0 || r.Events.Evicted != 0 || r.Events.Lost.Any() {
		t.Errorf("events %+v", r.Events)
	}
	// libc has a few blocks of its own, and frees some of them.
	if r.Events.Free < 70 || r.Events.Free > 90 || r.Events.Alloc < 70+36 || r.Events.Alloc > 70+36+30 {
		t.Errorf("events %+v", r.Events)
	}
	if r.Target.Allocator != "glibc" || len(r.Allocators) > 0 {
		t.Errorf("served by %q, %+v", r.Target.Allocator, r.Allocators)
	}
	split := r.MallocSplit
	if split == nil {
		t.Fatal("it is not known how malloc served the blocks")
	}
	if split.Mmap.Blocks != 1 || split.Mmap.Bytes != 300000 || split.Arena.Blocks < 20 || split.Arena.Blocks > 22 || split.Brk.Blocks < 16 {
		t.Errorf("served %+v", split.Served)
	}
}

// The stacks of two allocators at one call are told apart.
func TestCoreTwoAllocators(t *testing.T) {
	testprog.NeedRoot(t)
	r := traced(t, testprog.Path(t, "twofold"))
	got := make(map[string]report.Sum)
	for i := range r.Stacks {
		if s := &r.Stacks[i]; len(s.Frames) > 0 && s.Frames[0].Function == "site_call" {
			got[s.Allocator] = report.Sum{Bytes: s.Bytes, Blocks: s.Blocks}
			if glibc := s.Allocator == "glibc"; glibc != (s.Served != nil) {
				t.Errorf("%s served %+v", s.Allocator, s.Served)
			}
		}
	}
	glibc, je := report.Sum{Bytes: 30000, Blocks: 30}, report.Sum{Bytes: 10000, Blocks: 10}
	if len(got) != 2 || got["glibc"] != glibc || got["jemalloc"] != je {
		t.Errorf("got %+v", got)
	}
	if r.Target.Allocator != "jemalloc, glibc" || len(r.Allocators) != 2 || r.Allocators[0].Allocator != "glibc" ||
		r.Allocators[0].Blocks < 30 || r.Allocators[0].Blocks > 32 || r.Allocators[1] != (report.AllocatorSum{Allocator: "jemalloc", Sum: je}) {
		t.Errorf("served by %q: %+v", r.Target.Allocator, r.Allocators)
	}
	if r.Events.UnknownFree != 0 || r.MallocSplit == nil || r.ChunkBytes != 0 {
		t.Errorf("%d frees of unknown blocks, split %+v, %d bytes of chunks", r.Events.UnknownFree, r.MallocSplit, r.ChunkBytes)
	}
}
