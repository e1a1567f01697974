package answer

import (
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// definesOf is Evidence.Defines for objects that all have these functions.
func definesOf(has map[string]bool) func(string, ...string) string {
	return func(_ string, names ...string) string {
		for _, name := range names {
			if has[name] {
				return name
			}
		}
		return ""
	}
}

// Allocators of programs have many names.
func TestPropose(t *testing.T) {
	has := map[string]bool{
		"pool_free": true, "xfree": true, "zfree": true, "ArenaFree": true, "node_deallocate": true, "pfree": true, "slab_free_node": true,
		"my_free": true, "tree_release": true,
	}
	for _, test := range []struct{ frames, alloc, free string }{
		{"pool_grow pool_alloc parse", "pool_alloc", "pool_free"},
		{"pool_grow pool_alloc_small pool_alloc parse", "pool_alloc", "pool_free"},
		{"xmalloc parse", "xmalloc", "xfree"},
		{"zmalloc parse", "zmalloc", "zfree"},
		{"pool_zalloc parse", "pool_zalloc", "pool_free"},
		{"ArenaAlloc parse", "ArenaAlloc", "ArenaFree"},
		{"node_allocate parse", "node_allocate", "node_deallocate"},
		{"palloc parse", "palloc", "pfree"},
		{"slab_alloc_node parse", "slab_alloc_node", "slab_free_node"},
		{"tree_alloc parse", "tree_alloc", "tree_release"},
		{"my_calloc parse", "my_calloc", "my_free"},
		{"region_alloc parse", "region_alloc", ""},
		{"parse read_file", "", ""},
		{"pool_dealloc parse", "", ""},
		{"allocator_init parse", "", ""},
		{"a b c d e f pool_alloc", "", ""},
	} {
		s := mapping("p1", 10, 1<<20, 1<<20, append([]report.Frame{frame("__mmap", 0)}, calls(strings.Fields(test.frames)...)...))
		e := with(watched(), s)
		e.Defines = definesOf(has)
		p, ok := e.propose(e.of(func(*report.Stack) bool { return true }), held)
		if ok != (test.alloc != "") || ok && p != (proposal{test.alloc, test.free}) {
			t.Errorf("%s: proposes %+v, %v", test.frames, p, ok)
		}
	}
}

// Memory that a program's own allocator maps has a stack, of whoever needed more room. The answer
// says how to see its blocks.
func TestProposeNext(t *testing.T) {
	r := watched()
	grow(r, "mmap", 20<<20)
	e := with(r, mapping("p1", 20, 1<<20, 1<<20, append([]report.Frame{frame("__mmap", 0)}, calls("pool_grow", "pool_alloc", "parse")...)))
	e.Defines = definesOf(map[string]bool{"pool_free": true})
	e.Judge()
	const want = "pool_alloc looks like an allocator of the program's own: with memtrace -p 4242 --alloc pool_alloc --free pool_free each of its blocks has a stack."
	if got := Of(e).Findings[0]; got.Kind != report.Leak || got.Next != want {
		t.Errorf("%s: %q", got.Kind, got.Next)
	}
}

// Who touches memory is told by the faults on memory of the kind that grows, be they many small
// stacks or few large ones, and memtrace grow says the command that traces allocators.
func TestTouchers(t *testing.T) {
	for _, mode := range []string{report.ModeExact, report.ModeGrowth} {
		r := watched()
		r.Mode, r.Growth = mode, new(report.Growth)
		grow(r, "mmap", 20<<20)
		touched := func(class string, bytes uint64, functions ...string) {
			r.Growth.FaultStacks = append(r.Growth.FaultStacks, report.FaultStack{
				Frames: calls(functions...), FaultEstimate: report.FaultEstimate{Bytes: bytes, Samples: 1},
				Classes: []report.ClassBytes{{Class: class, Bytes: bytes}},
			})
		}
		touched("brk", 1<<30, "fill_table")
		touched("mmap", 20<<20, "use_cells")
		f := &answered(with(r)).Diagnosis.Findings[0]
		if f.Kind != report.Unexplained || f.Culprit == nil || f.Culprit.Function != "use_cells" || f.Share != 1 {
			t.Errorf("%s: %s", mode, f.Text)
		}
		const want = "See Faulted in by (--full). If an allocator of the program's own serves this memory, trace it with memtrace -p 4242 --alloc FUNC --free FUNC."
		if f.Next != want {
			t.Errorf("%s: next %q", mode, f.Next)
		}
		r.Growth.FaultStacks = r.Growth.FaultStacks[:1]
		if f := &answered(with(r)).Diagnosis.Findings[0]; f.Culprit != nil {
			t.Errorf("%s: nobody was seen to touch it: %s", mode, f.Text)
		}
		r.Target.Modules = []report.Module{{Path: "/usr/lib/libjvm.so"}}
		touched("mmap", 20<<20, "use_cells")
		if f := &answered(with(r)).Diagnosis.Findings[0]; mode == report.ModeExact && (f.Kind != report.Pool || f.Culprit != nil || f.Share != 0) {
			t.Errorf("%s: what a runtime touches has a culprit: %+v", mode, f)
		}
	}
}

// Objects are asked once, however many stacks there are: a table of names may have millions. Functions
// of one name in two objects are two.
func TestProposeAsksOnce(t *testing.T) {
	var stacks []*report.Stack
	e := with(watched())
	for i := range 100 {
		frames := append([]report.Frame{frame("__mmap", 0)}, calls("pool_alloc", "parse")...)
		frames[1].Module = "/lib/one.so"
		if i < 40 {
			frames[1].Module = "/lib/two.so"
		}
		s := mapping("p1", 10, 1<<20, 1<<20, frames)
		stacks = append(stacks, &s)
	}
	asked := 0
	e.Defines = func(object string, names ...string) string {
		asked++
		if object != "/lib/one.so" {
			return ""
		}
		return names[0]
	}
	if p, ok := e.propose(stacks, held); !ok || p != (proposal{"pool_alloc", "pool_free"}) || asked != 1 {
		t.Errorf("%+v, %v, asked %d times", p, ok, asked)
	}
}
