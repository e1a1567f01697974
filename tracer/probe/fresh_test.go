package probe

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"memtrace/bpf"
	"memtrace/tracer/testsupport/testprog"
)

// Code that one process has just mapped is of no concern to others, and only what may be fresh
// of a process is taken for that.
func TestFreshCode(t *testing.T) {
	s := loadSet(t, options)
	if !s.UnwindTables {
		testprog.Missing(t, "this kernel walks no stacks by unwind tables")
	}
	const quiet, one, many = 1 << 22, 1<<22 + 1, 1<<22 + 2 // above all pids
	const library, size = 0x7f00_0000_0000, 0x1000
	var noted bpf.MemtraceFresh
	note := func(number uint32) {
		r := &noted.Ranges[int(noted.Next)%len(noted.Ranges)]
		r.Start, r.End, r.Number = library+size*uint64(number), library+size*uint64(number+1), number
		noted.Next++
	}
	note(40)
	single := noted
	noted = bpf.MemtraceFresh{}
	for number := range uint32(len(noted.Ranges) + 1) {
		note(number + 1)
	}
	for pid, f := range map[uint32]bpf.MemtraceFresh{quiet: {}, one: single, many: noted} {
		if err := s.objs.FreshCode.Put(pid, f); err != nil {
			t.Fatal(err)
		}
	}
	isFresh, hasFresh := loadFresh(t, s, "is_fresh"), loadFresh(t, s, "has_fresh")
	for _, tc := range []struct {
		name     string
		pid      uint32
		loaded   uint32
		pc       uint64
		has, pcs bool
	}{
		{"low code of a process that mapped nothing", quiet, 0, 0x401000, false, false},
		{"a library of that process", quiet, 0, library, false, false},
		{"a fresh library", one, 39, library + 40*size, true, true},
		{"a library beside it", one, 0, library, true, false},
		{"a library that is loaded", one, 40, library + 40*size, false, false},
		{"the first of too many", many, 0, library + size, true, true},
		{"the first of many that is loaded", many, 2, library + size, true, false},
		{"the last of many", many, 2, library + 17*size, true, true},
		{"low code of a process with many libraries", many, 0, 0x401000, true, false},
		{"the last of many that are loaded", many, 17, library + 17*size, false, false},
	} {
		if err := s.objs.CodeMapped.Set(uint32(50)); err != nil {
			t.Fatal(err)
		}
		if err := s.CodeLoaded(tc.loaded); err != nil {
			t.Fatal(err)
		}
		if got := hasFresh(uint64(tc.pid)); got != tc.has {
			t.Errorf("%s: the process has fresh code: %v", tc.name, got)
		}
		if got := isFresh(tc.pc, uint64(tc.pid)); got != tc.pcs {
			t.Errorf("%s: it is fresh: %v", tc.name, got)
		}
	}
}

// loadFresh makes a program of a function of bpf/fresh.h that runs on demand, with the maps of s.
func loadFresh(t *testing.T, s *Set, name string) func(args ...uint64) bool {
	t.Helper()
	spec, err := bpf.LoadMemtrace()
	if err != nil {
		t.Fatal(err)
	}
	entry := btf.WithFuncMetadata(asm.Mov.Reg(asm.R6, asm.R1), &btf.Func{
		Name: "entry", Linkage: btf.StaticFunc,
		Type: &btf.FuncProto{Return: &btf.Int{Size: 4, Encoding: btf.Signed, Name: "int"}},
	}).WithSymbol("entry").WithSource(asm.Comment("entry"))
	code := asm.Instructions{
		entry,
		asm.LoadMem(asm.R1, asm.R6, 0, asm.DWord),
		asm.LoadMem(asm.R2, asm.R6, 8, asm.DWord),
		asm.Call.Label(name),
		asm.Return(),
	}
	code = append(code, function(t, spec.Programs["leave_alloc"].Instructions, name)...)
	list := make(map[string]*ebpf.Map)
	specs := make(map[string]*ebpf.MapSpec)
	for _, m := range []string{"fresh_code", ".data.control"} {
		list[m], specs[m] = s.entries.shared[m], spec.Maps[m]
	}
	c, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{
		Maps: specs,
		Programs: map[string]*ebpf.ProgramSpec{
			"entry": {Type: ebpf.RawTracepoint, Instructions: code, License: "GPL"},
		},
	}, ebpf.CollectionOptions{MapReplacements: list})
	if err != nil {
		t.Fatalf("load %s: %+v", name, err)
	}
	t.Cleanup(c.Close)
	return func(args ...uint64) bool {
		got, err := c.Programs["entry"].Run(&ebpf.RunOptions{Context: append(args, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return got != 0
	}
}
