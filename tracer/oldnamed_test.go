package tracer

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// Functions of many shapes are seen in the ways of older kernels, too: those that the user
// names and mimalloc's.
func TestOlderKernelsShapes(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir, err := filepath.Abs("../cmd/memtrace/testdata/families")
	if err != nil {
		t.Fatal(err)
	}
	named := &target.Named{In: "program", Functions: []target.Function{
		target.NewAllocator("pool_get", 2, 3), target.NewRealloc("pool_resize", 2, 3, 0), target.NewFree("pool_put", 2),
		target.NewAllocator("own_malloc", 1, 0), target.NewAllocator("own_calloc", 1, 0), target.NewRealloc("own_realloc", 1, 2, 0),
		target.NewFree("own_free", 1), target.NewFree("own_free_checked", 1),
	}}
	for _, older := range []probe.Older{{SingleUprobes: true, SeparateReturns: true}, {SeparateReturns: true}} {
		for source, names := range map[string]*target.Named{"pool.c": named, "mimalloc.c": nil} {
			library := map[string]string{"mimalloc.c": " -l:libmimalloc.so.2"}[source]
			text, err := os.ReadFile(filepath.Join(dir, source))
			if err != nil {
				t.Fatal(err)
			}
			program := testprog.BuildProgram(t, "gcc -O2 -g -w -I"+dir+library, string(text))
			p := testprog.Command(t, exec.Command(program, "7", "20000"))
			tr, ledger := trace(t, Config{older: older, Named: names}, p)
			got, complete := sites(tr)
			if !complete {
				t.Errorf("%s: incomplete: %+v", source, tr.book.Counters())
			}
			for site, held := range ledger.Sites {
				if got[site] != held {
					t.Errorf("%s, %+v, %s: %+v are outstanding, the program holds %+v", source, older, site, got[site], held)
				}
			}
		}
	}
}
