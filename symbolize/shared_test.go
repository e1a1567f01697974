package symbolize

import (
	"os"
	"path/filepath"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

// What a process could not read, it does not hide from others.
func TestNamesOfBudget(t *testing.T) {
	testprog.NeedRoot(t)
	binary := compile(t, "gcc", readSource(t, "waiter.c"), "waiter", "-g")
	child := start(t, binary)
	addr := address(t, child.line())
	names := new(Names)
	for _, test := range []struct {
		spent  bool
		want   string
		shared int
	}{{true, "", 0}, {false, "program_function", 1}, {true, "program_function", 1}} {
		p := open(t, child.pid, Options{Names: names})
		if !p.regionOf(addr).module.isELF(p) {
			t.Fatal(p.Problems())
		}
		if test.spent {
			*p.budget = elffile.Budget{}
		}
		if got := p.Resolve(addr, false)[0].Function; got != test.want || names.n != test.shared {
			t.Errorf("%q, want %q; %d names shared, want %d", got, test.want, names.n, test.shared)
		}
	}
}

// A process may make up the debug files in its root, so they name nothing for others.
func TestNamesOfOwnRoot(t *testing.T) {
	testprog.NeedRoot(t)
	binary, debug := secret(t, "-Wl,--build-id=none")
	run(t, "objcopy", "--add-gnu-debuglink="+debug, binary)
	names := new(Names)
	checkSecret(t, binary, Options{Names: names}, "secret_function", 3)
	if err := os.Remove(debug); err != nil {
		t.Fatal(err)
	}
	checkSecret(t, binary, Options{Names: names}, "", 0)

	binary, debug = secret(t)
	id := buildID(t, binary)
	dir := t.TempDir() // of the tool's own file system
	move(t, debug, filepath.Join(dir, ".build-id", id[:2], id[2:]+".debug"))
	for range 2 {
		checkSecret(t, binary, Options{Names: names, DebugDirs: []string{dir}}, "secret_function", 3)
	}
	if names.n != 1 {
		t.Errorf("%d names are shared", names.n)
	}
}
