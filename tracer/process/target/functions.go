package target

import (
	"slices"
	"strings"
)

// Role says what an allocation function's arguments and result mean, and so which BPF programs
// to attach to it (see bpf/malloc.h).
type Role uint8

const (
	// Alloc is malloc(size) and the like, including an operator new that does not throw. Alloc
	// up to PosixMemalign match enum role of bpf/state.h.
	Alloc Role = iota
	// Calloc is calloc(count, size).
	Calloc
	// Realloc is realloc(old, size).
	Realloc
	// Memalign is memalign(alignment, size) and aligned_alloc.
	Memalign
	// PosixMemalign is posix_memalign(&out, alignment, size).
	PosixMemalign
	// New is operator new(size) and the like where it throws. It must not have a return probe,
	// so its return instructions are probed instead, as NewReturn.
	New
	NewReturn
	// Free is free(block) and the like, including operator delete.
	Free

	// Roles is how many roles there are.
	Roles
)

// Function is an allocation function by its symbol.
type Function struct {
	Name string
	Role Role
}

// functions is what to probe in an object that defines malloc. reallocarray is missing because
// it jumps to realloc, and two probes would see one call twice.
var functions = []Function{
	{"malloc", Alloc},
	{"calloc", Calloc},
	{"realloc", Realloc},
	{"memalign", Memalign},
	{"aligned_alloc", Memalign},
	{"posix_memalign", PosixMemalign},
	{"valloc", Alloc},
	{"pvalloc", Alloc},
	{"free", Free},
	{"cfree", Free},
	{"free_sized", Free},
	{"free_aligned_sized", Free},

	// jemalloc, tcmalloc and mimalloc have their own bodies for the C++ operators. Those of
	// libstdc++ and libc++ call malloc and sit in a file without a malloc, so they are never
	// probed.
	{"_Znwm", New},
	{"_Znam", New},
	{"_ZnwmRKSt9nothrow_t", Alloc},
	{"_ZnamRKSt9nothrow_t", Alloc},
	{"_ZnwmSt11align_val_t", New},
	{"_ZnamSt11align_val_t", New},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", Alloc},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", Alloc},
	{"_ZdlPv", Free},
	{"_ZdaPv", Free},
	{"_ZdlPvm", Free},
	{"_ZdaPvm", Free},
	{"_ZdlPvRKSt9nothrow_t", Free},
	{"_ZdaPvRKSt9nothrow_t", Free},
	{"_ZdlPvSt11align_val_t", Free},
	{"_ZdaPvSt11align_val_t", Free},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", Free},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", Free},
	{"_ZdlPvmSt11align_val_t", Free},
	{"_ZdaPvmSt11align_val_t", Free},

	// These are jemalloc's own.
	{"mallocx", Alloc},
	{"rallocx", Realloc},
	{"dallocx", Free},
	{"sdallocx", Free},

	// These are mimalloc's own, which programs call that link it in, as Rust's do. The first
	// argument of those of a heap is the heap, where memalign has the alignment. Those that throw
	// and are no operator new (mi_new_n, mi_new_realloc) are left out: they must not have a
	// return probe.
	{"mi_malloc", Alloc},
	{"mi_malloc_small", Alloc},
	{"mi_zalloc", Alloc},
	{"mi_zalloc_small", Alloc},
	{"mi_malloc_aligned", Alloc},
	{"mi_malloc_aligned_at", Alloc},
	{"mi_zalloc_aligned", Alloc},
	{"mi_zalloc_aligned_at", Alloc},
	{"mi_valloc", Alloc},
	{"mi_pvalloc", Alloc},
	{"mi_new", New},
	{"mi_new_aligned", New},
	{"mi_new_nothrow", Alloc},
	{"mi_new_aligned_nothrow", Alloc},
	{"mi_calloc", Calloc},
	{"mi_mallocn", Calloc},
	{"mi_calloc_aligned", Calloc},
	{"mi_calloc_aligned_at", Calloc},
	{"mi_realloc", Realloc},
	{"mi_reallocf", Realloc},
	{"mi_rezalloc", Realloc},
	{"mi_realloc_aligned", Realloc},
	{"mi_realloc_aligned_at", Realloc},
	{"mi_rezalloc_aligned", Realloc},
	{"mi_rezalloc_aligned_at", Realloc},
	{"mi_memalign", Memalign},
	{"mi_aligned_alloc", Memalign},
	{"mi_heap_malloc", Memalign},
	{"mi_heap_malloc_small", Memalign},
	{"mi_heap_zalloc", Memalign},
	{"mi_heap_malloc_aligned", Memalign},
	{"mi_heap_malloc_aligned_at", Memalign},
	{"mi_heap_zalloc_aligned", Memalign},
	{"mi_heap_zalloc_aligned_at", Memalign},
	{"mi_posix_memalign", PosixMemalign},
	{"mi_free", Free},
	{"mi_free_size", Free},
	{"mi_free_aligned", Free},
	{"mi_free_size_aligned", Free},
	{"mi_cfree", Free},
}

// gateways are the functions of which an allocator has at least one.
var gateways = []string{"malloc", "mi_malloc"}

// Allocates reports whether a symbol is that of an allocation function, or another name that
// libc has for one.
func Allocates(symbol string) bool {
	for _, prefix := range []string{"__GI_", "__libc_", "__"} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	return slices.ContainsFunc(functions, func(f Function) bool { return f.Name == symbol })
}

// Family is the allocator that an object holds.
type Family string

// These families are told apart.
const (
	Glibc    Family = "glibc"
	Musl     Family = "musl"
	Jemalloc Family = "jemalloc"
	Tcmalloc Family = "tcmalloc"
	Mimalloc Family = "mimalloc"
	Unknown  Family = "unknown"
)

// markers name symbols that only one family defines. The more telling ones come first, since a
// program that links in an allocator may define libc's symbols as well.
var markers = []struct {
	symbol string
	family Family
}{
	{"mallctl", Jemalloc},
	{"tc_malloc", Tcmalloc},
	{"mi_malloc", Mimalloc},
	{"gnu_get_libc_version", Glibc},
	{"__libc_memalign", Glibc}, // a static program has no gnu_get_libc_version
	{"__dls3", Musl},           // the last stage of its dynamic loader, which is the same file
}

// dynamicLoaderMarker is defined only by glibc's ld.so. Before 2.32 that exports a malloc,
// too, for its own use before libc is loaded.
const dynamicLoaderMarker = "_rtld_global"
