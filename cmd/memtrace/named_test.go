package main

import (
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// A program without any malloc, whose own functions are named.
const ownPool = `
static char memory[1 << 20];
static unsigned long used;
#define FN __attribute__((noipa))
FN void *own_get(unsigned long n) { void *p = memory + used; used += (n + 15) & -16UL; return p; }
FN void own_put(void *p) { *(char *)p = 0; }
FN void site_pool(void) { for (int i = 0; i < 10; i++) { void *p = own_get(100 + i); if (i % 2) own_put(p); } }
__attribute__((force_align_arg_pointer)) void _start(void) {
	site_pool();
	__asm__ volatile("syscall" : : "a"(231L), "D"(0L));
}
`

// Named functions suffice: a program without an allocator that is known can be traced.
func TestNamedAlone(t *testing.T) {
	testprog.NeedRoot(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -static -nostdlib", ownPool)
	m := startMemtrace(t, "--exact", "--older", "0", "--alloc", "own_get", "--free", "own_put", "--", program)
	m.wait()
	r := m.reports()[0]
	compare(t, r, testprog.Ledger{Sites: map[string]testprog.Sum{"site_pool": {Bytes: 100 + 102 + 104 + 106 + 108, Blocks: 5}}})
	if r.Target.Allocator != "named functions" {
		t.Errorf("the allocator is said to be %q", r.Target.Allocator)
	}
}

// A function that is in a library which the program loads later is traced from then on. One that
// is nowhere is a note in the report of a command.
func TestNamedLater(t *testing.T) {
	testprog.NeedRoot(t)
	library := testprog.BuildProgram(t, "gcc -shared -fPIC -O1", `
static char memory[1 << 20];
static unsigned long used;
void *later_get(int kind, unsigned long n) { void *p = memory + used; used += (n + 15) & -16UL; return p; }
`)
	program := testprog.BuildProgram(t, "gcc -O1 -g", `
#include <dlfcn.h>
#include <unistd.h>
typedef void *get(int, unsigned long);
__attribute__((noipa)) void site_later(get *f) { for (int i = 0; i < 10; i++) { void *volatile p = f(0, 50); } }
int main(int argc, char **argv) {
	get *f = (get *)dlsym(dlopen(argv[1], RTLD_NOW), "later_get");
	sleep(1);
	site_later(f);
	return 0;
}`)
	m := startMemtrace(t, "--exact", "--older", "0", "--alloc", "later_get:2", "--alloc", "no_such_get", "--", program, library)
	m.wait()
	r := m.reports()[0]
	if got := bySite(r)["site_later"]; got != (testprog.Sum{Bytes: 500, Blocks: 10}) {
		t.Errorf("got %+v, want 10 blocks of 50 bytes", got)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "no_such_get") || strings.Contains(notes, "later_get") {
		t.Errorf("notes %q", notes)
	}
}

// What cannot be meant is one clear line.
func TestNamedErrors(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "ledger")
	pid := strconv.Itoa(p.PID())
	static := testprog.BuildProgram(t, "gcc -O1 -static -nostdlib", ownPool)
	stripped := testprog.BuildProgram(t, "gcc -O1 -s -static -nostdlib", ownPool)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--alloc", "mallocc"}, "did you mean malloc?"},
		{[]string{"--free", "cfre"}, "did you mean"},
		{[]string{"--alloc", "malloc", "--in", "libnothing.so"}, "libnothing.so"},
		{[]string{"--alloc-prefix", "je_"}, "je_malloc"},
		{[]string{"--alloc", "get:7"}, "1 to 6"},
		{[]string{"--alloc", "get:0"}, "1 to 6"},
		{[]string{"--alloc", "get:1*"}, "number of an argument"},
		{[]string{"--alloc", ":1"}, "name of a function"},
		{[]string{"--free", "put:"}, "name of a function"},
		{[]string{"--realloc", "grow:1"}, "as 1,2"},
		{[]string{"--alloc", "get", "--free", "get"}, "given twice"},
		{[]string{"--alloc-prefix", ""}, "--alloc-prefix"},
		{[]string{"--in", "libc.so.6"}, "--alloc-prefix or --allocator"},
		{[]string{"--allocator", "apr"}, "glib-slice, python"},
		{[]string{"--", static, "--alloc"}, "no mapped program or library defines malloc"},
		{[]string{"--alloc", "own_gat", "--", static}, "did you mean own_get?"},
		{[]string{"--alloc", "own_get", "--", stripped}, stripped + " has no symbol table, nor a debug file in /usr/lib/debug of this machine"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			args, code := append([]string{"-p", pid, "-d", "1"}, tc.args...), exitUsage
			if strings.Contains(strings.Join(tc.args, " "), "-- ") {
				args = tc.args
			}
			if tc.args[0] == "--" {
				code = exitError
			}
			m := launchMemtrace(t, args...)
			if got := m.wait(); got != code {
				t.Errorf("ended with %d, want %d", got, code)
			}
			if text := m.stderr.String(); !strings.Contains(text, tc.want) {
				t.Errorf("said %q, want %q in it", text, tc.want)
			}
		})
	}
}
