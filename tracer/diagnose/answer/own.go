package answer

import (
	"path"
	"regexp"
	"strings"

	"memtrace/tracer/report"
)

// ownLibraries are the names, up to the first dot or dash and digit, of objects that hold
// nothing of a program: allocators, libc and the runtimes of languages.
var libraries = regexp.MustCompile(`^(libc|libpthread|libm|libdl|ld|libstdc\+\+|libc\+\+|libc\+\+abi|libgcc_s|` +
	`libjemalloc|libtcmalloc|libtcmalloc_minimal|libmimalloc|libmimalloc-secure|libscudo|ld-linux-x86-64|ld-linux-aarch64|ld-musl-x86_64|ld-musl-aarch64)(-[0-9.]+)?\.so`)

// libraryFunctions are the functions of standard libraries and allocators, wherever they are
// compiled to, and what programs commonly call to allocate.
var libraryFunctions = regexp.MustCompile(`^(` + strings.Join([]string{
	// C++: a demangled template names its result first.
	`([^(]* )?(std|__gnu_cxx|__cxxabiv1)::`, `operator new`,
	// Rust: std, alloc and core, and their traits for other types.
	`<?(alloc|core|hashbrown|__rustc)::`, `<[^<> ]+ as (alloc|core|std)::(slice|string|borrow|iter|vec|alloc::global|ops::function)`, `<(alloc|core|std)::`, `_+rust_`, `__rdl_`, `__rg_`,
	// Go: the runtime and what cgo puts around a call.
	`runtime[./]`, `_cgo_`, `x_cgo_`, `crosscall`, `[\w./]*\._Cfunc_`, `_cgoexp_`,
	// C: malloc and its like, by any prefix.
	`(\w*_)?(malloc|calloc|realloc|reallocarray|memalign|posix_memalign|aligned_alloc|valloc|pvalloc|strdup|strndup|asprintf|vasprintf|getline|getdelim)(_\w+)?$`,
	`x(malloc|calloc|realloc|strdup|strndup)`, `_?_?libc_`, `_start$`, `start_thread$`, `__clone`, `clone3?$`, `mmap(64)?$`, `__mmap`, `mremap$`, `s?brk$`, `_?int_(malloc|free|realloc|memalign)`, `sysmalloc`, `tcache_`, `arena_get`, `new_heap`,
	// GLib, OpenSSL, APR, PostgreSQL, CPython, PHP, nginx, talloc, sqlite.
	`g_(malloc|try_malloc|realloc|strdup|strndup|memdup|slice_|strconcat)`, `CRYPTO_(malloc|zalloc|realloc|strdup)`, `OPENSSL_(malloc|strdup)`, `apr_p?(alloc|calloc|strdup)`, `apr_(palloc|pcalloc|pstrdup)`,
	`palloc`, `pstrdup`, `repalloc`, `MemoryContext`, `AllocSet`, `_?Py(Mem|Object)_(Raw)?(Malloc|Calloc|Realloc)`, `_PyMem_`, `_PyObject_(Malloc|Calloc|Realloc|Arena)`, `new_arena`, `pymalloc_`, `allocate_from_new_pool`,
	`_[es]?(malloc|calloc|realloc|strdup)`, `_?e(malloc|calloc|realloc|strdup)`, `zend_mm_`, `_zend_mm_`, `__zend_(malloc|calloc|realloc)`,
	`ngx_(alloc|calloc|palloc|pnalloc|pcalloc|pmemalign|memalign|palloc_\w+)$`, `_?talloc`, `sqlite3_?(Malloc|malloc|DbMalloc|Realloc|MemMalloc)`, `sqlite3MemMalloc`,
	// The JVM.
	`os::(malloc|realloc|strdup)`, `(AllocateHeap|ReallocateHeap)`, `resource_allocate`,
	// node.
	`node::(Uncheckedmalloc|Malloc|UncheckedMalloc|Realloc|Calloc)`,
}, "|") + `)`)

// ofLibrary reports whether a frame is of the allocator, libc, or a language's library.
func ofLibrary(f *report.Frame, t *report.Target) bool {
	if f.Module != "" && f.Module == t.Libc && f.Module != t.Exe {
		return true
	}
	if f.Module != t.Exe && libraries.MatchString(path.Base(f.Module)) {
		return true
	}
	return f.Function != "" && libraryFunctions.MatchString(f.Function)
}

// MarkLibraries sets Library of the frames of libraries.
func MarkLibraries(frames []report.Frame, t *report.Target) {
	for i := range frames {
		frames[i].Library = ofLibrary(&frames[i], t)
	}
}

// OwnFrame returns the index of the first frame of the program itself, 0 if there is none. A
// frame without a name is only taken if there is no other, or if it is the executable's.
func OwnFrame(frames []report.Frame, t *report.Target) int {
	unnamed := 0
	for i := range frames {
		f := &frames[i]
		switch {
		case f.Library:
		case f.Function != "", f.Module == t.Exe && !librarySoon(frames[i+1:]):
			return i
		case unnamed == 0:
			unnamed = i
		}
	}
	return unnamed
}

// librarySoon reports whether frames without names lead to one of a library: then they are of
// the library, too, as in a program that has the names of exported functions only.
func librarySoon(frames []report.Frame) bool {
	const soon = 4
	for i := range frames[:min(len(frames), soon)] {
		if frames[i].Function != "" {
			return frames[i].Library && !beginnings.MatchString(frames[i].Function)
		}
	}
	return false
}

// beginnings are the functions in which every program or thread begins. That stacks have them in
// common says nothing.
var beginnings = regexp.MustCompile(`^(_start|_?_?Py\w*(Eval|Run)\w*|Py_\w*Main\w*|execute_ex|__libc_start\w*|start_thread|thread_start|clone3?|std::rt::\w+.*|runtime\..*|start|_?start_\w+|__clone.*)$`)

// through returns the deepest frame that all stacks have in common, nil if that says nothing.
func through(stacks []*report.Stack) *report.Frame {
	if len(stacks) < 2 {
		return nil
	}
	common := make(map[[2]string]int)
	for i, s := range stacks {
		for k := range s.Frames {
			if f := &s.Frames[k]; common[identity(f)] == i {
				common[identity(f)] = i + 1
			}
		}
	}
	for k := range stacks[0].Frames {
		f := stacks[0].Frames[k]
		if common[identity(&f)] == len(stacks) && f.Function != "" && !f.Library && !beginnings.MatchString(f.Function) {
			return &f
		}
	}
	return nil
}

// identity tells functions apart.
func identity(f *report.Frame) [2]string { return [2]string{f.Module, f.Function} }
