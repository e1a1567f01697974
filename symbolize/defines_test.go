package symbolize

import (
	"os"
	"os/exec"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

// A library may be known only because AddCode told of it.
func TestDefinesOfCode(t *testing.T) {
	testprog.NeedRoot(t)
	p := open(t, os.Getpid(), Options{})
	c, addr := libraryAt(t, "pool_free", FirstID, 0x7000_0000_0000)
	p.AddCode(c)
	if f := p.ResolveIn(FirstID, addr)[0]; f.Function != "pool_free" || f.Module != c.Path {
		t.Fatalf("%+v", f)
	}
	for want, names := range map[string][]string{
		"pool_free": {"pool_release", "pool_free", "pool_dealloc"},
		"":          {"ool_free", "pool_fre", "pool_free_all"},
	} {
		if got := p.Defines(c.Path, names...); got != want {
			t.Errorf("of %v there is %q", names, got)
		}
	}
	if got := p.Defines("/other.so", "pool_free"); got != "" {
		t.Errorf("another library has %q", got)
	}
}

// Names in .symtab may have a version behind them. What is read for them is part of the budget.
func TestDefinesVersioned(t *testing.T) {
	testprog.NeedTool(t, "objcopy")
	path := compile(t, "gcc", "static int pool_free(int n) { return n; } int f(int n) { return pool_free(n); }", "versioned.so", "-shared", "-fPIC", "-O0")
	if out, err := exec.Command("objcopy", "--redefine-sym", "pool_free=pool_free@@V1", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p, m := openModule(t, path)
	m.loadSymbols(p)
	if got := m.symbols.defines([]string{"pool_release", "pool_free"}); got != "pool_free" {
		t.Errorf("there is %q", got)
	}
	*p.budget = elffile.Budget{}
	if got := m.symbols.defines([]string{"pool_free"}); got != "" {
		t.Errorf("beyond the budget: %q", got)
	}
}
