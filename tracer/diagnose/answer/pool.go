package answer

import (
	"path"
	"regexp"

	"memtrace/tracer/report"
)

// pool is memory that a library or an interpreter takes in large pieces and hands out itself.
type pool struct {
	// name is what it is called in a sentence. next is how to see more.
	name, next string
	// module and function say, by any frame among the innermost, that a stack fills it. Only
	// stacks of mappings count if mapped is set.
	module, function *regexp.Regexp
	mapped           bool
}

var pools = []pool{
	{
		name:   "CPython's own pools (pymalloc)",
		next:   "Start the program with PYTHONMALLOC=malloc: then each object has the stack that made it.",
		module: regexp.MustCompile(`^(libpython3|python3)`), mapped: true,
		function: regexp.MustCompile(`^$|_PyObject_Arena|^new_arena|^allocate_from_new_pool|^arena_map|^_PyObject_Malloc|^pymalloc|^PyObject_Malloc`),
	},
	{
		name:     "PHP's own pools (Zend allocator)",
		next:     "Start the program with USE_ZEND_ALLOC=0: then each value has the stack that made it.",
		function: regexp.MustCompile(`^_?zend_mm_|^$`),
		module:   regexp.MustCompile(`php`), mapped: true,
	},
	{
		name:     "GLib's slices",
		next:     "Start the program with G_SLICE=always-malloc: then each block has the stack that made it.",
		function: regexp.MustCompile(`^(slab_allocator_alloc_chunk|allocator_memalign|allocator_add_slab|posix_memalign)`),
		module:   regexp.MustCompile(`^libglib-2`),
	},
	{
		name:   "the Java heap and the JVM's own memory",
		next:   "Look inside with jcmd PID GC.heap_info, or jcmd PID VM.native_memory (-XX:NativeMemoryTracking=summary).",
		module: regexp.MustCompile(`^libjvm\.so`), mapped: true,
		function: regexp.MustCompile(`^(os::|mmap|commit|reserve|VirtualSpace|ReservedSpace|G1|Chunk|Metaspace|)`),
	},
	{
		name:   "V8's own heap",
		next:   "Take heap snapshots with node --inspect, or --heapsnapshot-signal=SIGUSR2.",
		module: regexp.MustCompile(`^(node|libnode)`), mapped: true,
		function: regexp.MustCompile(`v8::|^mmap|^$`),
	},
	{
		name:     "the heap of the Go runtime",
		next:     "Look inside with pprof: net/http/pprof's heap profile.",
		function: regexp.MustCompile(`^runtime\.(callCgoMmap|sysMap|sysReserve|sysAlloc|mmap|sysMapOS|sysReserveOS|sysAllocOS|\(\*mheap\))`),
		module:   regexp.MustCompile(``), mapped: true,
	},
}

// runtimes are the names of files of programs and libraries that have a heap of their own, with
// the index of its pool.
var runtimes = []struct {
	file *regexp.Regexp
	pool *pool
}{
	{regexp.MustCompile(`^libjvm\.so`), &pools[3]},
	{regexp.MustCompile(`^(node|libnode)`), &pools[4]},
	{regexp.MustCompile(`^(libpython3|python3)`), &pools[0]},
	{regexp.MustCompile(`^(php|libphp)`), &pools[1]},
}

// runtime returns the pool of the runtime that the program is run by, nil if none is known.
func (e *Evidence) runtime() *pool {
	for _, m := range e.Report.Target.Modules {
		for _, r := range runtimes {
			if r.file.MatchString(path.Base(m.Path)) {
				return r.pool
			}
		}
	}
	for i := range e.Report.Stacks {
		for k := range e.Report.Stacks[i].Frames {
			if f := &e.Report.Stacks[i].Frames[k]; f.Module == e.Report.Target.Exe && goRuntime.MatchString(f.Function) {
				return &pools[5]
			}
		}
	}
	return nil
}

var goRuntime = regexp.MustCompile(`^runtime\.`)

// growingHeap is what a heap is where only system calls are traced: the stack is of whoever
// needed more room.
var growingHeap = pool{name: "malloc's heap", next: "Trace without grow: then blocks have stacks, too."}

// poolOf returns the pool that a stack fills, nil if there is none.
func (e *Evidence) poolOf(s *report.Stack) *pool {
	if e.growth() && (s.InAllocator || share(s, &heapPot) > 0.5) {
		return &growingHeap
	}
	return poolOf(s)
}

// innermost is how many frames may tell that a stack fills a pool.
const innermost = 6

// poolOf returns the pool that a stack fills, nil if there is none.
func poolOf(s *report.Stack) *pool {
	for i := range pools {
		p := &pools[i]
		if p.mapped && s.Kind != report.Mmap && s.Kind != report.Grown {
			continue
		}
		for k := range s.Frames[:min(len(s.Frames), innermost)] {
			f := &s.Frames[k]
			inside := p.module.MatchString(path.Base(f.Module))
			if inside && p.function.MatchString(f.Function) {
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
