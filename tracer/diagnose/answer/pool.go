package answer

import (
	"path"
	"regexp"
	"strings"

	"memtrace/tracer/report"
)

// pool is memory that a library or an interpreter takes in large pieces and hands out itself.
type pool struct {
	// name is what it is called in a sentence. next is how to see more.
	name, next string
	// A stack fills the pool if one of its innermost frames is in module, and in function; nil
	// stands for any. Only stacks of mappings count if mapped is set.
	module, function *regexp.Regexp
	mapped           bool
	// runtime means that a program with such a module has all its objects in the pool.
	runtime bool
}

var pools = []pool{
	{
		name:     "CPython's own pools (pymalloc)",
		next:     "Start the program with PYTHONMALLOC=malloc: then each object has the stack that made it.",
		module:   regexp.MustCompile(`^(libpython3|python3)`),
		function: regexp.MustCompile(`^$|_PyObject_Arena|^new_arena|^allocate_from_new_pool|^arena_map|^_PyObject_Malloc|^pymalloc|^PyObject_Malloc`),
		mapped:   true, runtime: true,
	},
	{
		name:     "PHP's own pools (Zend allocator)",
		next:     "Start the program with USE_ZEND_ALLOC=0: then each value has the stack that made it.",
		module:   regexp.MustCompile(`^(php|libphp)`),
		function: regexp.MustCompile(`^_?zend_mm_|^$`),
		mapped:   true, runtime: true,
	},
	{
		name:     "GLib's slices",
		next:     "Start the program with G_SLICE=always-malloc: then each block has the stack that made it.",
		module:   regexp.MustCompile(`^libglib-2`),
		function: regexp.MustCompile(`^(slab_allocator_alloc_chunk|allocator_memalign|allocator_add_slab|posix_memalign)`),
	},
	{
		name:   "the Java heap and the JVM's own memory",
		next:   "Look inside with jcmd PID GC.heap_info, or jcmd PID VM.native_memory (-XX:NativeMemoryTracking=summary).",
		module: regexp.MustCompile(`^libjvm\.so`),
		mapped: true, runtime: true,
	},
	{
		name:     "V8's own heap",
		next:     "Take heap snapshots with node --inspect, or --heapsnapshot-signal=SIGUSR2.",
		module:   regexp.MustCompile(`^(node|libnode)`),
		function: regexp.MustCompile(`v8::|^mmap|^$`),
		mapped:   true, runtime: true,
	},
	goHeap,
}

// goHeap is known by functions alone: a program in Go may have any name.
var goHeap = pool{
	name:     "the heap of the Go runtime",
	next:     "Look inside with pprof: net/http/pprof's heap profile.",
	function: regexp.MustCompile(`^runtime\.(callCgoMmap|sysMap|sysReserve|sysAlloc|mmap|sysMapOS|sysReserveOS|sysAllocOS|\(\*mheap\))`),
	mapped:   true,
}

var goRuntime = regexp.MustCompile(`^runtime\.`)

// matches reports whether a pattern matches; nil matches all.
func matches(pattern *regexp.Regexp, text string) bool {
	return pattern == nil || pattern.MatchString(text)
}

// runtime returns the pool of the runtime that the program is run by, nil if none is known.
func (e *Evidence) runtime() *pool {
	for _, m := range e.Report.Target.Modules {
		for i := range pools {
			if p := &pools[i]; p.runtime && p.module.MatchString(path.Base(m.Path)) {
				return p
			}
		}
	}
	for i := range e.Report.Stacks {
		for k := range e.Report.Stacks[i].Frames {
			if f := &e.Report.Stacks[i].Frames[k]; f.Module == e.Report.Target.Exe && goRuntime.MatchString(f.Function) {
				return &goHeap
			}
		}
	}
	return nil
}

// growingHeap is what a heap is where only system calls are traced: the stack is of whoever
// needed more room.
var growingHeap = pool{name: "malloc's heap", next: "Trace without grow: then blocks have stacks, too."}

// growsHeap reports whether a stack fills growingHeap.
func (e *Evidence) growsHeap(s *report.Stack) bool {
	return e.growth() && (s.InAllocator || share(s, &heapPot) > 0.5)
}

// poolOf returns the pool that a stack fills, nil if there is none.
func (e *Evidence) poolOf(s *report.Stack) *pool {
	if e.growsHeap(s) {
		return &growingHeap
	}
	return e.poolByFrames(s)
}

// innermost is how many frames may tell that a stack fills a pool.
const innermost = 6

// poolByFrames returns the pool that the innermost frames tell of, nil if there is none.
func (e *Evidence) poolByFrames(s *report.Stack) *pool {
	for i := range pools {
		p := &pools[i]
		if e.Bare && p.function != nil {
			continue // a name that is left out is none that the file lacks
		}
		if p.mapped && s.Kind != report.Mmap && s.Kind != report.Grown {
			continue
		}
		for k := range s.Frames[:min(len(s.Frames), innermost)] {
			f := &s.Frames[k]
			inside := matches(p.module, path.Base(f.Module))
			if inside && matches(p.function, f.Function) {
				return p
			}
			if !f.Library && !inside {
				break // others' code asked for the memory
			}
		}
	}
	return nil
}

// threadMakers are the functions in which libc maps the stack of a new thread.
var threadMakers = regexp.MustCompile(`^(_*pthread_create|allocate_stack|__allocate_stack|allocate_thread_stack)`)

// madeThread reports whether a stack mapped the stack of a thread.
func madeThread(s *report.Stack) bool {
	if s.Kind != report.Mmap && s.Kind != report.Grown {
		return false
	}
	for i := range s.Frames[:min(len(s.Frames), innermost)] {
		if threadMakers.MatchString(s.Frames[i].Function) {
			return true
		}
	}
	return false
}

// ofLoader reports whether a stack holds what glibc's dynamic loader notes of loaded libraries.
// The loader keeps some of it for good.
func ofLoader(s *report.Stack) bool {
	return len(s.Frames) > 0 && strings.HasPrefix(path.Base(s.Frames[0].Module), "ld-linux")
}
