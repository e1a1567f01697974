package answer

import (
	"path"
	"regexp"
	"strings"

	"memtrace/tracer/report"
)

// libraries are the names of objects that hold nothing of a program: allocators, libc, the
// runtimes of languages, and containers that everybody fills.
var libraries = regexp.MustCompile(`^(libc|libpthread|libm|libdl|ld|libstdc\+\+|libc\+\+|libc\+\+abi|libgcc_s|` +
	`libjemalloc|libtcmalloc|libtcmalloc_minimal|libmimalloc|libmimalloc-secure|libscudo|libglib-2\.0|libgobject-2\.0|` +
	`ld-linux-x86-64|ld-linux-aarch64|ld-musl-x86_64|ld-musl-aarch64)(-[0-9.]+)?\.so`)

// allocating are the C functions by which programs allocate, wherever they are compiled to.
var allocating = regexp.MustCompile(`^(` + strings.Join([]string{
	`(\w*_)?[xvz]?(malloc|calloc)`, `(je_|_rjem_|_rjem_je_|tc_|mi_|__libc_|__GI_|__|_|x|_x)?(realloc|reallocarray|memalign|posix_memalign|aligned_alloc|valloc|pvalloc|strdup|strndup)`,
	`(je_|_rjem_)?[mr]allocx`, `mi_\w+`, `z(try)?(malloc|calloc|realloc)\w*`, `z(strdup)`,
	`v?asprintf`, `getline`, `getdelim`, `_?int_(malloc|free|realloc|memalign)`, `sysmalloc\w*`, `tcache_\w+`, `arena_get\w*`, `new_heap`, `_IO_\w+`, `__fopen_internal`,
	`(__)?mmap(64)?`, `mremap`, `__mremap`, `(__)?s?brk`, `_start`, `(__)?start_thread`, `(__)?clone3?`, `__libc_\w+`, `_dl_\w+`,
	// GLib, OpenSSL, APR.
	`g_(malloc|malloc0|try_malloc|try_malloc0|realloc|try_realloc)(_n)?`, `g_(strdup|strndup|strdup_printf|strdup_vprintf|memdup|memdup2|slice_alloc0?|slice_copy|strconcat)`,
	`(CRYPTO|OPENSSL)_(malloc|zalloc|realloc|strdup|strndup|memdup)`, `apr_(palloc|pcalloc|pstrdup|pstrndup|allocator_alloc)\w*`,
	// PostgreSQL, CPython, PHP, nginx, talloc, SQLite.
	`palloc(0|_extended|_aligned)?`, `pn?strdup`, `p(v)?s(n)?printf`, `repalloc\w*`, `MemoryContext(Alloc|Realloc|Strdup)\w*`, `AllocSet\w+`,
	`_?Py(Mem|Object)_(Raw)?(Malloc|Calloc|Realloc)`, `_PyMem_\w+`, `_PyObject_(Malloc|Calloc|Realloc|Arena\w*)`, `new_arena`, `pymalloc_\w+`, `allocate_from_new_pool`,
	`_?[es]?(malloc|calloc|realloc|strn?dup)`, `_e?(malloc|calloc|realloc)\w*`, `_?_?zend_(mm_\w+|malloc|calloc|realloc)`,
	// What gives back.
	`x?free`, `g_(free|clear_pointer|slice_free1?)`, `(CRYPTO|OPENSSL)_(free|clear_free)`, `pfree`, `_?Py(Mem|Object)_(Raw)?Free`, `_?_?efree\w*`, `ngx_free`, `sqlite3_?(free|DbFree\w*)`,
	`ngx_(alloc|calloc|palloc|pnalloc|pcalloc|pmemalign|memalign|palloc_\w+)`, `_?talloc\w*`, `sqlite3_?(Malloc|malloc|DbMalloc|Realloc|MemMalloc)\w*`,
}, "|") + `)(\.\w+)*$`)

// runtimeFunctions are those of languages' runtimes by the beginning of their names.
var runtimeFunctions = regexp.MustCompile(`^(` + strings.Join([]string{
	`operator (new|delete)`, `__rustc(\[[0-9a-f]+\])?::`, `__rust_`, `__rdl_`, `__rg_`, `rust_(begin_unwind|panic|eh_)`,
	// Go, and what cgo puts around a call.
	`runtime[./]`, `_cgo_`, `x_cgo_`, `crosscall`, `[^\s(]+\._(Cfunc|cgo)_`, `_cgoexp_`,
	// Packages of Go's library that hold only what they are told to hold.
	`(bufio|bytes|fmt|io|maps|reflect|slices|sort|strconv|strings|sync|syscall|(compress|container|encoding|internal|unicode)/[\w/]+)\.([A-Z(]|growSlice|genSplit)`,
	// The JVM, node.
	`os::(malloc|realloc|strdup)\b`, `(AllocateHeap|ReallocateHeap|resource_allocate)`, `node::(Unchecked)?(Malloc|Realloc|Calloc)\b`,
}, "|") + `)`)

var (
	cppLibrary  = regexp.MustCompile(`^(std|__gnu_cxx|__cxxabiv1)::`)
	rustLibrary = regexp.MustCompile(`^(std|core|alloc|hashbrown)::`)
)

// ofLibrary reports whether a frame is of the allocator, libc, or a language's library.
func ofLibrary(f *report.Frame, t *report.Target) bool {
	if f.Module != t.Exe && (f.Module != "" && f.Module == t.Libc || libraries.MatchString(path.Base(f.Module))) {
		return true
	}
	name := f.Function
	if name == "" {
		return false
	}
	return allocating.MatchString(name) || runtimeFunctions.MatchString(name) || ofStandard(name)
}

// ofStandard reports whether a demangled name is one of the standard library of C++ or Rust. What
// counts is the function's own name, not the types that stand around it.
func ofStandard(name string) bool {
	if own, parameters := qualified(name); parameters {
		return cppLibrary.MatchString(own)
	}
	if !strings.HasPrefix(name, "<") {
		return rustLibrary.MatchString(name) || cppLibrary.MatchString(name)
	}
	// <Type as Trait>::method, <Type>::method
	inner := name[1:]
	of, trait, implements := strings.Cut(inner, " as ")
	switch {
	case !implements:
		return rustLibrary.MatchString(inner)
	case strings.Contains(trait, "alloc::global::GlobalAlloc"):
		return true
	case strings.Contains(of, "::") && !rustLibrary.MatchString(strings.TrimLeft(of, "&[(<*")):
		return false
	}
	return rustLibrary.MatchString(trait)
}

// qualified returns the name of a C++ function without its result and its parameters. ok is false
// if it has no parameters, as names of Rust.
func qualified(name string) (own string, ok bool) {
	name = strings.ReplaceAll(name, "(anonymous namespace)", "_")
	if strings.HasPrefix(name, "operator") {
		return name, true
	}
	depth, start := 0, 0
	for i := range len(name) {
		switch name[i] {
		case '<', '[', '{':
			depth++
		case '>', ']', '}':
			if i > 0 && name[i-1] != '-' {
				depth--
			}
		case ' ':
			if depth == 0 {
				start = i + 1
			}
		case '(':
			if depth == 0 {
				return name[start:i], true
			}
		}
	}
	return name, false
}
