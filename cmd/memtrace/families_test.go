package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

// familyRuns is how often each program of the allocators is run, each time with another seed.
// MEMTRACE_FAMILY_RUNS=20 is for who changes how allocators are traced.
const familyRuns = 2

// family is a program that calls all functions of an allocator: see testdata/families/family.h.
type family struct {
	name, source, compile string
	// preload is a library that replaces malloc.
	preload string
	// serve is what the report calls the allocators.
	serve string
	flags []string
}

// What memtrace shows as outstanding equals, to the byte, what the program says it holds,
// whichever functions of its allocator it called.
func TestFamilies(t *testing.T) {
	testprog.NeedRoot(t)
	for _, f := range []family{
		{name: "glibc", source: "standard.c", compile: "gcc", serve: "glibc"},
		{name: "glibc static", source: "standard.c", compile: "gcc -static", serve: "glibc"},
		{name: "musl", source: "standard.c", compile: "musl-gcc -DNO_STRINGS", serve: "musl"},
		{name: "musl static", source: "standard.c", compile: "musl-gcc -static"},
		{name: "jemalloc", source: "standard.c", compile: "gcc", preload: "libjemalloc.so.2", serve: "jemalloc"},
		{name: "tcmalloc", source: "tcmalloc.c", compile: "gcc -l:libtcmalloc_minimal.so.4", serve: "tcmalloc"},
		{name: "mimalloc", source: "mimalloc.c", compile: "gcc -l:libmimalloc.so.2", serve: "mimalloc"},
		{name: "operators", source: "operators.cc", compile: "g++ -std=c++17", serve: "glibc"},
		{name: "operators of jemalloc", source: "operators.cc", compile: "g++ -std=c++17 -DASKED(n)=n", preload: "libjemalloc.so.2", serve: "jemalloc"},
		{name: "operators of tcmalloc", source: "operators.cc", compile: "g++ -std=c++17 -DASKED(n)=n", preload: "libtcmalloc_minimal.so.4", serve: "tcmalloc"},
		{name: "operators of mimalloc", source: "operators.cc", compile: "g++ -std=c++17 -DASKED(n)=n", preload: "libmimalloc.so.2", serve: "mimalloc"},
	} {
		t.Run(f.name, f.run)
	}
}

// jemalloc under a prefix of its own, linked in beside libc's malloc, which serves as well.
func TestFamiliesUnderPrefixes(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.NeedTool(t, "objcopy")
	archive, err := debpkg.Fetch(t, "bookworm", "libjemalloc-dev").Find(regexp.MustCompile(`/libjemalloc\.a$`))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Rust", family{
		source: "rust.rs", serve: "jemalloc", // libc has only served before
		compile: "rustc -C opt-level=1 -C debuginfo=1 -L " + filepath.Dir(prefixed(t, archive, "_rjem_")) + " -C link-arg=-l:libjemalloc.a -C link-arg=-lm",
	}.run)
	for _, prefix := range []string{"_rjem_", "je_", "own_"} {
		linked := "-DP=" + prefix + " -L" + filepath.Dir(prefixed(t, archive, prefix)) + " -l:libjemalloc.a -lm -pthread"
		t.Run(prefix, family{source: "jemalloc.c", compile: "gcc " + linked, serve: "jemalloc, glibc"}.run)
		t.Run(prefix+" and libc's", family{source: "jemalloc.c", compile: "gcc -DTWO " + linked, serve: "jemalloc, glibc"}.run)
	}
}

// prefixed gives the functions of jemalloc's archive a prefix.
func prefixed(t *testing.T, archive, prefix string) (path string) {
	t.Helper()
	symbols, err := exec.Command("nm", "-g", "--defined-only", archive).Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{}
	for line := range strings.Lines(string(symbols)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && !strings.HasPrefix(fields[2], "_") {
			args = append(args, "--redefine-sym", fields[2]+"="+prefix+fields[2])
		}
	}
	path = filepath.Join(t.TempDir(), "libjemalloc.a")
	if out, err := exec.Command("objcopy", append(args, archive, path)...).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v\n%s", err, out)
	}
	return path
}

// run builds the program and compares its ledger.
func (f family) run(t *testing.T) {
	program := f.build(t)
	for seed := range setting(t, "FAMILY_RUNS", familyRuns) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			cmd := exec.Command(program, strconv.Itoa(seed), "20000")
			cmd.Env = append(os.Environ(), "FAMILY=valuable")
			if f.preload != "" {
				cmd.Env = append(cmd.Env, "LD_PRELOAD="+testprog.Library(t, f.preload))
			}
			p := testprog.Command(t, cmd)
			m := startMemtrace(t, append([]string{"--exact", "-p", strconv.Itoa(p.PID())}, f.flags...)...)
			ledger := p.Work()
			r := m.stop()
			compare(t, r, ledger)
			if f.serve != "" && r.Target.Allocator != f.serve {
				t.Errorf("the allocator is said to be %q, want %q", r.Target.Allocator, f.serve)
			}
			// A few of mimalloc's functions free and resize by others.
			if r.Events.UnknownFree > 0 && f.serve != "mimalloc" {
				t.Errorf("%d frees of unknown blocks", r.Events.UnknownFree)
			}
			p.End()
		})
	}
}

func (f family) build(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("testdata/families")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, f.source))
	if err != nil {
		t.Fatal(err)
	}
	compiler, rest, _ := strings.Cut(f.compile, " ")
	testprog.NeedTool(t, compiler)
	if compiler != "rustc" {
		compiler += " -O2 -g -w -I" + dir
	}
	out := testprog.BuildText(t, map[string]string{f.source: "// build: " + compiler + " " + rest + "\n" + string(text)})
	return filepath.Join(out, strings.TrimSuffix(f.source, filepath.Ext(f.source)))
}

// Functions that the user names: a pool with its own arguments, and wrappers of malloc. Of
// nested calls the outermost counts, and a block may be given up by another name than it got.
func TestFamiliesNamedByUser(t *testing.T) {
	testprog.NeedRoot(t)
	named := []string{
		"--alloc", "pool_get:2*3", "--realloc", "pool_resize:2,3", "--free", "pool_put:2",
		"--alloc", "own_malloc", "--alloc", "own_calloc:1", "--realloc", "own_realloc", "--free", "own_free", "--free", "own_free_checked:1",
		"--in", "pool",
	}
	t.Run("C", family{source: "pool.c", compile: "gcc", serve: "named functions, glibc", flags: named}.run)
	t.Run("static", family{source: "pool.c", compile: "gcc -static", serve: "named functions, glibc", flags: named}.run)
	t.Run("musl", family{source: "pool.c", compile: "musl-gcc", serve: "named functions, musl", flags: named}.run)
	t.Run("GLib", family{
		source: "slices.c", compile: "gcc -l:libglib-2.0.so.0", serve: "named functions, glibc",
		flags: []string{"--allocator", "glib-slice"},
	}.run)
}
