package target

import (
	"slices"
	"strings"
)

// Role says what an allocation function's arguments and result mean, and so
// which BPF programs go on it (see bpf/malloc.h).
type Role uint8

const (
	// Alloc is malloc(size) and its like, an operator new that does not throw among
	// them. It and those up to PosixMemalign are bpf/state.h's enum role.
	Alloc Role = iota
	// Calloc is calloc(count, size).
	Calloc
	// Realloc is realloc(old, size).
	Realloc
	// Memalign is memalign(alignment, size) and aligned_alloc.
	Memalign
	// PosixMemalign is posix_memalign(&out, alignment, size).
	PosixMemalign
	// New is operator new(size) and its like where it throws, which must not have a
	// return probe. Its return instructions are probed instead, as NewReturn.
	New
	NewReturn
	// Free is free(block) and its like, operator delete among them.
	Free

	// Roles is how many there are.
	Roles
)

// Function is an allocation function by its symbol.
type Function struct {
	Name string
	Role Role
}

// functions is what to probe in an object that defines malloc. reallocarray is
// not in it: it jumps to realloc, and two probes would see one call twice.
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

	// jemalloc, tcmalloc and mimalloc serve C++ by bodies of their own; the
	// operators of libstdc++ and libc++ call malloc and have no malloc beside
	// them, so they are never probed.
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

	// jemalloc's own.
	{"mallocx", Alloc},
	{"rallocx", Realloc},
	{"dallocx", Free},
	{"sdallocx", Free},
}

// Allocates reports whether a symbol is that of an allocation function, or one of the
// other names that libc has for it.
func Allocates(symbol string) bool {
	for _, prefix := range []string{"__GI_", "__libc_", "__"} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	return slices.ContainsFunc(functions, func(f Function) bool { return f.Name == symbol })
}

// Family is the allocator that an object holds.
type Family string

// Families that are told apart.
const (
	Glibc    Family = "glibc"
	Musl     Family = "musl"
	Jemalloc Family = "jemalloc"
	Tcmalloc Family = "tcmalloc"
	Mimalloc Family = "mimalloc"
	Unknown  Family = "unknown"
)

// markers name a symbol that only one family defines, the more telling first:
// a program that links an allocator in may define libc's symbols as well.
var markers = []struct {
	symbol string
	family Family
}{
	{"mallctl", Jemalloc},
	{"tc_malloc", Tcmalloc},
	{"mi_malloc", Mimalloc},
	{"gnu_get_libc_version", Glibc},
	{"__libc_memalign", Glibc}, // a static program has no gnu_get_libc_version
	{"__dls3", Musl},           // the last stage of its dynamic loader, the same file
}

// dynamicLoaderMarker is defined by glibc's ld.so alone. Before 2.32 that
// exports a malloc too, for its own use before libc is there.
const dynamicLoaderMarker = "_rtld_global"
