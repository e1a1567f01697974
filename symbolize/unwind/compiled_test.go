package unwind

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// compile compiles a C file of testdata with GCC and returns the executable.
func compile(tb testing.TB, source string, flags ...string) string {
	tb.Helper()
	testprog.NeedTool(tb, "gcc")
	out := filepath.Join(tb.TempDir(), "program")
	args := append([]string{"-o", out, filepath.Join("testdata", source)}, flags...)
	if text, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		tb.Fatalf("gcc %v: %v\n%s", args, err, text)
	}
	return out
}

// TestCompiled checks the tables of testdata/frames.c against readelf, and checks that each
// function has the kind of rule that its source is designed to give it.
func TestCompiled(t *testing.T) {
	// The rules of each function must include these.
	want := map[string][]Rule{
		"plain":     {rsp(8)},
		"huge":      {rsp(8)},
		"variable":  {rsp(8), {CFARBP, RBPAtCFA, -16, 16}},
		"realigned": {rsp(8), halves(CFARegister, 0, 10), {CFADerefRBP, RBPExpression, 0, -8 << 16}},
		"never":     {rsp(8)},
		"_start":    {{CFA: CFAEnd}},
	}
	for _, test := range []struct {
		name  string
		flags []string
	}{
		{"O2", []string{"-O2", "-fomit-frame-pointer"}},
		{"O2, eager binding", []string{"-O2", "-fomit-frame-pointer", "-Wl,-z,now"}},
		{"O2, endbr64", []string{"-O2", "-fomit-frame-pointer", "-fcf-protection"}},
		{"O2, static", []string{"-O2", "-fomit-frame-pointer", "-static"}},
		{"O2, not relocatable", []string{"-O2", "-fomit-frame-pointer", "-no-pie"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := compile(t, "frames.c", append([]string{"-Wl,-z,lazy"}, test.flags...)...)
			d := new(Dictionary)
			table, _ := buildFile(t, path, d)
			checkTable(t, table, d)
			compareWithReadelf(t, path, table, d)
			for name, rules := range want {
				got := functionRules(t, path, name, table, d)
				for _, rule := range rules {
					if !got[rule] {
						t.Errorf("%s has no rule %v, only %v", name, rule, got)
					}
				}
			}
		})
	}
}

// TestPLT checks the rules within an entry of a lazy PLT.
func TestPLT(t *testing.T) {
	path := compile(t, "frames.c", "-O2", "-Wl,-z,lazy")
	d := new(Dictionary)
	table, _ := buildFile(t, path, d)
	plt := elfSection(t, path, ".plt")
	for _, at := range []struct {
		offset uint64
		want   Rule
	}{
		{0, rsp(16)},
		{6, rsp(24)},
		{16, halves(CFAPLT, 8, 11)},
		{31, halves(CFAPLT, 8, 11)},
	} {
		if got := d.Rules()[table.Lookup(plt.Addr+at.offset, d.Rules())]; got != at.want {
			t.Errorf(".plt+%d: rule %v, want %v", at.offset, got, at.want)
		}
	}
}

// TestDebugFrame checks that .debug_frame, plain or compressed, gives the same rules as
// .eh_frame for the same code.
func TestDebugFrame(t *testing.T) {
	base := []string{"-O2", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"}
	build := func(flags ...string) (*Table, Stats, []Rule) {
		path := compile(t, "freestanding.c", append(base, flags...)...)
		d := new(Dictionary)
		table, stats := buildFile(t, path, d)
		checkTable(t, table, d)
		compareWithReadelf(t, path, table, d)
		start := functionSymbol(t, path, "_start")
		var rules []Rule // addresses differ, since .eh_frame takes some
		for pc := range start.Size {
			rules = append(rules, d.Rules()[table.Lookup(start.Value+pc, d.Rules())])
		}
		return table, stats, rules
	}
	_, stats, want := build()
	if stats.Source != SourceEhFrame {
		t.Fatalf("source %v, want .eh_frame", stats.Source)
	}
	for _, compression := range []string{"none", "zlib"} {
		_, stats, got := build("-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-g", "-gz="+compression)
		if stats.Source != SourceDebugFrame {
			t.Errorf("%s: source %v, want .debug_frame", compression, stats.Source)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d bytes of _start, want %d", compression, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: _start+%d: rule %v, want %v", compression, i, got[i], want[i])
			}
		}
	}
}

// functionRules returns the rules that apply within a function.
func functionRules(t *testing.T, path, name string, table *Table, d *Dictionary) map[Rule]bool {
	t.Helper()
	symbol := functionSymbol(t, path, name)
	rules := map[Rule]bool{}
	for pc := range symbol.Size {
		rules[d.Rules()[table.Lookup(symbol.Value+pc, d.Rules())]] = true
	}
	return rules
}

func functionSymbol(t *testing.T, path, name string) elf.Symbol {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			return s
		}
	}
	t.Fatalf("%s has no function %s", path, name)
	return elf.Symbol{}
}

func elfSection(t *testing.T, path, name string) *elf.Section {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := f.Section(name)
	if s == nil {
		t.Fatalf("%s has no section %s", path, name)
	}
	return s
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
