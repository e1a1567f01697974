package target

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// prefixedSource is an allocator whose functions have a prefix.
const prefixedSource = `
typedef unsigned long size_t;
static char arena[1 << 16], *end = arena;
__attribute__((noipa)) void *P(malloc)(size_t n) { char *p = end; end += (n + 15) & -16UL; return p; }
__attribute__((noipa)) void P(free)(void *p) { *(char *)p = 0; }
__attribute__((noipa)) void *P(calloc)(size_t n, size_t m) { return P(malloc)(n * m); }
__attribute__((noipa)) void *P(realloc)(void *p, size_t n) { P(free)(p); return P(malloc)(n); }
`

// mallocx is what only jemalloc has.
const mallocx = "void P(mallocx)(void) {}\n"

// use makes a program of an allocator, which has libc's as well.
const use = `
#include <stdlib.h>
int main(void) { P(free)(P(malloc)(3)); P(realloc)(P(calloc)(1, 2), 3); free(realloc(malloc(3), 4)); return 0; }
`

// jemalloc under a prefix of its own is found wherever its file has the names of its functions.
// What may be only a wrapper of libc's is none.
func TestPrefixes(t *testing.T) {
	needAMD64(t)
	const wrapped = `
#include <stdlib.h>
static void *(*get)(size_t) = malloc;
void set(void *(*f)(size_t)) { get = f; }
`
	define := func(prefix string) string { return fmt.Sprintf("#define P(name) %s##name\n", prefix) }
	all := func(prefix string) []string {
		return []string{prefix + "malloc", prefix + "free", prefix + "calloc", prefix + "realloc"}
	}
	for _, tc := range []struct {
		name, flags, text string
		family            Family
		want              []string
	}{
		{"a program", "gcc -O2 -g", define("my_") + prefixedSource + mallocx + use, Jemalloc, all("my_")},
		{"an allocator of its own", "gcc -O2 -g", define("my_") + prefixedSource + use, "", nil},
		{"a static one has two", "gcc -O2 -static", define("my_") + prefixedSource + mallocx + use, Jemalloc, slices.Concat(all("my_"), []string{"malloc", "free"})},
		{
			"jemalloc's static functions", "gcc -O2",
			define("_rjem_") + strings.ReplaceAll(prefixedSource, "__attribute__", "static __attribute__") + "static __attribute__((used)) void _rjem_mallocx(void) {}\n" + use,
			Jemalloc, all("_rjem_"),
		},
		{"a library that keeps it", "gcc -O2 -shared -fPIC -fvisibility=hidden", define("je_") + prefixedSource, Jemalloc, all("je_")},
		{"malloc and free alone", "gcc -O2", "#define P(name) few_##name\n" + strings.ReplaceAll(prefixedSource, "(calloc)", "(zalloc)") + strings.ReplaceAll(use, "P(calloc)", "P(zalloc)"), "", nil},
		{"a wrapper", "gcc -O2 -shared -fPIC", "#include <stdlib.h>\n" + `
void *x_malloc(size_t n) { void *p = malloc(n); if (!p) abort(); return p; }
void x_free(void *p) { free(p); }
void *x_calloc(size_t n, size_t m) { return calloc(n, m); }
void *x_realloc(void *p, size_t n) { return realloc(p, n); }`, "", nil},
		{"a wrapper that jumps", "gcc -O2 -shared -fPIC -fno-plt", "#include <stdlib.h>\n" + `
void *x_malloc(size_t n) { return malloc(n); }
void x_free(void *p) { free(p); }
void *x_calloc(size_t n, size_t m) { return calloc(n, m); }
void *x_realloc(void *p, size_t n) { return realloc(p, n); }`, "", nil},
		{"a wrapper by pointers", "gcc -O2 -shared -fPIC", wrapped + `
void *x_malloc(size_t n) { void *p = get(n); if (!p) abort(); return p; }
void x_free(void *p) { free(p); }
void *x_calloc(size_t n, size_t m) { return calloc(n, m); }
void *x_realloc(void *p, size_t n) { return realloc(p, n); }`, "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := object(t, testprog.BuildProgram(t, tc.flags, tc.text))
			if tc.want == nil {
				if o != nil {
					t.Fatalf("got %+v, want no allocator", o)
				}
				return
			}
			if o == nil || o.Family != tc.family {
				t.Fatalf("got %+v, want %s", o, tc.family)
			}
			var names []string
			for _, p := range o.Probes {
				names = append(names, p.Name)
			}
			for _, name := range tc.want {
				if !slices.Contains(names, name) {
					t.Errorf("no probe on %s, but on %v", name, names)
				}
			}
		})
	}
}
