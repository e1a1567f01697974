package main

import (
	"os"
	"path/filepath"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// served builds a program of testdata/served.
func served(t *testing.T, compile string, names ...string) string {
	t.Helper()
	text := ""
	for _, name := range names {
		source, err := os.ReadFile(filepath.Join("testdata", "served", name))
		if err != nil {
			t.Fatal(err)
		}
		text += string(source)
	}
	return testprog.BuildProgram(t, compile, text)
}

// wrappers are the ways in which something stands between a program and glibc's malloc.
var wrappers = []struct {
	name, library string
	// within: it is a part of the program.
	within bool
}{
	{name: "none"},
	{name: "next", library: "next.c"},
	{name: "header", library: "header.c"},
	{name: "late", library: "late.c"},
	{name: "next in the program", library: "next.c", within: true},
	{name: "header in the program", library: "header.c", within: true},
	{name: "late in the program", library: "late.c", within: true},
}

// Where a wrapper stands before glibc's malloc, each block and each free counts once, and all is
// judged as glibc's.
func TestWrappers(t *testing.T) {
	testprog.NeedRoot(t)
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			program := served(t, "gcc -O2 -g -fno-builtin -fno-inline -pthread", "program.c")
			switch {
			case w.within:
				program = served(t, "gcc -O2 -g -fno-builtin -fno-inline -pthread", w.library, "program.c")
			case w.library != "":
				library := served(t, "gcc -O2 -g -fno-builtin -shared -fPIC", w.library)
				t.Setenv("LD_PRELOAD", library)
			}
			m := startMemtrace(t, "--", program)
			m.wait()
			r := m.reports()[0]
			checkWrapped(t, r)
		})
	}
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
func TestTwoAllocators(t *testing.T) {
	testprog.NeedRoot(t)
	m := startMemtrace(t, "--", served(t, "gcc -O2 -g", "two.c"))
	m.wait()
	r := m.reports()[0]
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
