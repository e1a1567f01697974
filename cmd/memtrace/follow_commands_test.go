package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// countingLibrary counts the calls of all processes that it is loaded into, in a file that they
// share.
const countingLibrary = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
	_Atomic long allocs, frees;
};

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

/* Holds what comes before the file is mapped. */
static struct counts early, *counts = &early;

__attribute__((constructor)) static void map_counts(void)
{
	int fd = open(getenv("COUNTS"), O_RDWR | O_CLOEXEC);
	struct counts *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (!strcmp(program_invocation_name, "memtrace-files")) /* is memtrace's, and not followed */
		return;
	if (fd < 0 || shared == MAP_FAILED)
		abort();
	close(fd);
	shared->allocs += early.allocs;
	shared->frees += early.frees;
	counts = shared;
}

static void *allocated(void *block)
{
	if (block)
		counts->allocs++;
	return block;
}

void *malloc(size_t n) { return allocated(__libc_malloc(n)); }
void *calloc(size_t m, size_t n) { return allocated(__libc_calloc(m, n)); }
void *aligned_alloc(size_t to, size_t n) { return allocated(__libc_memalign(to, n)); }

int posix_memalign(void **block, size_t to, size_t n)
{
	*block = aligned_alloc(to, n);
	return *block ? 0 : ENOMEM;
}

void free(void *p)
{
	if (p)
		counts->frees++;
	__libc_free(p);
}

void *realloc(void *p, size_t n)
{
	void *block = __libc_realloc(p, n);

	if (p && (block || !n))
		counts->frees++;
	return allocated(block);
}
`

// compareCounts runs a command that is followed, and fails the test where the reports' sums are
// not what is counted in the processes themselves. It returns all reports.
func compareCounts(t *testing.T, command ...string) []*report.Report {
	t.Helper()
	counts := filepath.Join(t.TempDir(), "counts")
	if err := os.WriteFile(counts, make([]byte, 16), 0o666); err != nil {
		t.Fatal(err)
	}
	library := testprog.BuildProgram(t, "gcc -O2 -fno-builtin -shared -fPIC", countingLibrary)
	t.Setenv("COUNTS", counts)
	t.Setenv("LD_PRELOAD", library) // for the command; this process runs already
	all := followed(t, command...)
	if err := os.Unsetenv("LD_PRELOAD"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(counts)
	if err != nil {
		t.Fatal(err)
	}
	allocs, frees := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
	var e report.Events
	for _, r := range all {
		e.Alloc += r.Events.Alloc + r.Events.Realloc
		// The library's free calls libc's, by which time the block is gone.
		e.Free += r.Events.Free - r.Events.UnknownFree + r.Events.Realloc
	}
	if e.Alloc != allocs || e.Free != frees {
		t.Errorf("%d allocations and %d frees were traced, the processes made %d and %d", e.Alloc, e.Free, allocs, frees)
	}
	return all
}

// scriptOf runs a program in each way that a shell knows: itself, in a pipeline, for its output,
// in a subshell, beside, from a function and in its own place.
func scriptOf(program string, times int) string {
	return fmt.Sprintf(`
leaf() { %[1]s; }
for i in $(seq %[2]d); do
	%[1]s
	echo x | %[1]s | cat
	out=$(%[1]s; echo $i)
	(%[1]s; %[1]s)
	%[1]s & %[1]s & wait
	leaf
done
exec %[1]s
`, program, times)
}

// Every process that a shell script starts is seen from its start to its end.
func TestFollowingScript(t *testing.T) {
	family := familyProgram(t, compileFamily)
	const n = 3
	for _, shell := range []string{"dash", "bash"} {
		t.Run(shell, func(t *testing.T) {
			testprog.NeedTool(t, shell)
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, []byte(scriptOf(family, n)), 0o600); err != nil {
				t.Fatal(err)
			}
			all := compareCounts(t, shell, script)
			if got, want := sumSites(t, all)["site_leaf"], times(3*(8*n+1), 100); got != want {
				t.Errorf("site_leaf: %+v, want %+v", got, want)
			}
		})
	}
}

// makefile builds a program of three files with make's own rules and runs it.
const makefile = `
CFLAGS = -O1 -g -fno-builtin
leaf: main.o keep.o drop.o
	$(CC) -o $@ $^
.PHONY: run
run: leaf
	./leaf; ./leaf
`

// Of a parallel make that compiles a project and runs it, every call of every process is seen:
// make, shells, compiler, assembler, linker and what was built.
func TestFollowingMake(t *testing.T) {
	testprog.Long(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Makefile": makefile,
		"main.c":   "void keep(void), drop(void);\nint main(void) { for (int i = 0; i < 50; i++) { keep(); drop(); } return 0; }\n",
		"keep.c":   "#include <stdlib.h>\nstatic void *kept[50];\nstatic int n;\n__attribute__((noinline)) void *site_keep(void) { void *volatile p = malloc(300); return p; }\nvoid keep(void) { kept[n++] = site_keep(); }\n",
		"drop.c":   "#include <stdlib.h>\n#include <stdio.h>\nvoid drop(void) { free(malloc(10)); }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := compareCounts(t, "make", "-s", "-j4", "-C", dir, "run")
	if got, want := sumSites(t, all)["site_keep"], times(2*50, 300); got != want {
		t.Errorf("site_keep: %+v, want %+v", got, want)
	}
	var programs []string
	for _, r := range all {
		programs = append(programs, r.Target.Command)
	}
	for _, want := range []string{"make", "cc1", "as", "ld", "leaf"} {
		if !strings.Contains(" "+strings.Join(programs, " ")+" ", " "+want+" ") {
			t.Errorf("%s is not among %q", want, programs)
		}
	}
}
