package probe

import (
	"debug/elf"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"memtrace/bpf"
	"memtrace/symbolize/unwind"
	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// TestFindRule compares the search in BPF with unwind.Table.Lookup, at every seventh byte of
// all modules that a process has mapped.
func TestFindRule(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	k, err := findFeatures()
	if err != nil {
		t.Fatal(err)
	}
	if !k.UnwindTables {
		testprog.Missing(t, "this kernel walks no stacks by unwind tables")
	}
	progs, err := Load(k, options, new(Attached))
	if err != nil {
		t.Fatal(err)
	}
	defer progs.objs.Close()
	process, err := target.Find(testprog.Start(t, "ways").PID())
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	tables := NewTables(progs)
	modules, err := process.Modules()
	if err != nil {
		t.Fatal(err)
	}
	if err := tables.Update(process, modules); err != nil {
		t.Fatal(err)
	}
	rules := tables.rules.Rules()
	if !slices.ContainsFunc(rules, func(r unwind.Rule) bool { return r.CFA == unwind.CFARun }) {
		t.Error("no run among the rules")
	}
	findRule := loadFindRule(t, progs)
	for i := range modules {
		m := &modules[i]
		// Another dictionary, so that the two agree in rules but not in indices.
		reference := NewTables(nil)
		table, headers, err := reference.parse(process, m)
		if err != nil || table == nil {
			t.Fatalf("%s: table %v, error %v", m.Path, table, err)
		}
		compareModule(t, m, headers, func(pc, address uint64) (got, want unwind.Rule) {
			all := reference.rules.Rules()
			return rules[findRule(pc, process.PID)], all[table.Lookup(address, all)]
		})
	}
}

// compareModule looks up a module's addresses with both searches.
func compareModule(t *testing.T, m *target.Module, headers []elf.ProgHeader, both func(pc, address uint64) (got, want unwind.Rule)) {
	t.Helper()
	bias, ok := m.Bias(headers)
	if !ok {
		t.Fatalf("%s: no bias", m.Path)
	}
	found, wrong := 0, 0
	for pc := m.Start; pc < m.End; pc += 7 {
		got, want := both(pc, pc-bias)
		if got != want {
			if wrong++; wrong < 10 {
				t.Errorf("%s %#x: rule %v, want %v", m.Path, pc-bias, got, want)
			}
		}
		if got.CFA != unwind.CFAUnknown {
			found++
		}
	}
	t.Logf("%s: %d rules in %d bytes", m.Path, found, m.End-m.Start)
	if found == 0 {
		t.Errorf("%s: no rule found", m.Path)
	}
}

// loadFindRule makes a program of find_rule in bpf/tables.h that runs on demand, with the maps
// of progs.
func loadFindRule(t *testing.T, progs *Set) func(pc uint64, pid int) uint16 {
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
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference("scratch"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.LoadMem(asm.R2, asm.R6, 0, asm.DWord),
		asm.LoadMem(asm.R3, asm.R6, 8, asm.DWord),
		asm.Call.Label("find_rule"),
		asm.Return().WithSymbol("out"),
	}
	code = append(code, function(t, spec.Programs["leave_alloc"].Instructions, "find_rule")...)
	maps := map[string]*ebpf.Map{
		"mappings":      progs.objs.Mappings,
		"unwind_tables": progs.objs.UnwindTables,
		"unwind_rules":  progs.objs.UnwindRules,
	}
	spec = &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			"scratch":       {Type: ebpf.Array, KeySize: 4, ValueSize: uint32(btfSize(t, spec, "thread")), MaxEntries: 1},
			"mappings":      spec.Maps["mappings"],
			"unwind_tables": spec.Maps["unwind_tables"],
			"unwind_rules":  spec.Maps["unwind_rules"],
		},
		Programs: map[string]*ebpf.ProgramSpec{
			"entry": {Type: ebpf.RawTracepoint, Instructions: code, License: "GPL"},
		},
	}
	collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		t.Fatalf("load find_rule: %+v", err)
	}
	t.Cleanup(collection.Close)
	return func(pc uint64, pid int) uint16 {
		index, err := collection.Programs["entry"].Run(&ebpf.RunOptions{Context: []uint64{pc, uint64(pid)}})
		if err != nil {
			t.Fatal(err)
		}
		return uint16(index)
	}
}

// function returns the instructions of a program that belong to one function.
func function(t *testing.T, code asm.Instructions, name string) asm.Instructions {
	t.Helper()
	starts := func(i asm.Instruction) bool { return btf.FuncMetadata(&i) != nil }
	begin := slices.IndexFunc(code, func(i asm.Instruction) bool { return starts(i) && i.Symbol() == name })
	if begin < 0 {
		t.Fatalf("no function %s", name)
	}
	code = code[begin:]
	if end := slices.IndexFunc(code[1:], starts); end >= 0 {
		code = code[:end+1]
	}
	return code
}

func btfSize(t *testing.T, spec *ebpf.CollectionSpec, name string) int {
	t.Helper()
	var s *btf.Struct
	if err := spec.Types.TypeByName(name, &s); err != nil {
		t.Fatal(err)
	}
	return int(s.Size)
}
