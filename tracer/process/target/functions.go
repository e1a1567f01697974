package target

import (
	"slices"
	"strings"
)

// Role says what a call of a function does, and so which BPF programs to attach to it (see
// bpf/malloc.h).
type Role uint8

const (
	// Alloc returns a new block, as malloc does.
	Alloc Role = iota
	// Realloc gives up a block and returns one of another size.
	Realloc
	// Free gives up a block.
	Free
	// Return is no function, but a return instruction of one that throws. Such a function must
	// not have a return probe.
	Return

	// Roles is how many roles there are.
	Roles
)

// Function is an allocation function by its symbol.
type Function struct {
	Name string
	Role Role
	// Shape says what its arguments and its result are.
	Shape Shape
	// Family is whose it is.
	Family Family
}

// known is a function that is probed wherever a file of its allocator defines it. The signature
// is read by parseShape.
type known struct{ name, signature string }

// standard are the functions that a program calls whatever its allocator is. They are probed in
// a file that defines malloc. Those that may call one of the others are in wrappers.
var standard = []known{
	{"malloc", "size"},
	{"calloc", "count size"},
	{"realloc", "old size"},
	{"memalign", "_ size"},
	{"aligned_alloc", "_ size"},
	{"posix_memalign", "out _ size"},
	{"valloc", "size"},
	{"pvalloc", "size"},
	{"free", "block"},
	{"cfree", "block"},
	{"free_sized", "block"},
	{"free_aligned_sized", "block"},

	// Mostly these are other names of those above.
	{"__libc_malloc", "size"},
	{"__libc_calloc", "count size"},
	{"__libc_realloc", "old size"},
	{"__libc_memalign", "_ size"},
	{"__libc_valloc", "size"},
	{"__libc_pvalloc", "size"},
	{"__posix_memalign", "out _ size"},
	{"__libc_free", "block"},
	{"__libc_cfree", "block"},
	{"_aligned_malloc", "_ size"}, // mimalloc's, which is not Windows'
	{"vfree", "block"},

	// jemalloc, tcmalloc and mimalloc have their own bodies for the C++ operators. Those of
	// libstdc++ and libc++ call malloc and sit in a file without a malloc, so they are never
	// probed.
	{"_Znwm", "size throws"},
	{"_Znam", "size throws"},
	{"_ZnwmRKSt9nothrow_t", "size"},
	{"_ZnamRKSt9nothrow_t", "size"},
	{"_ZnwmSt11align_val_t", "size throws"},
	{"_ZnamSt11align_val_t", "size throws"},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", "size"},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", "size"},
	{"_ZdlPv", "block"},
	{"_ZdaPv", "block"},
	{"_ZdlPvm", "block"},
	{"_ZdaPvm", "block"},
	{"_ZdlPvRKSt9nothrow_t", "block"},
	{"_ZdaPvRKSt9nothrow_t", "block"},
	{"_ZdlPvSt11align_val_t", "block"},
	{"_ZdaPvSt11align_val_t", "block"},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", "block"},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", "block"},
	{"_ZdlPvmSt11align_val_t", "block"},
	{"_ZdaPvmSt11align_val_t", "block"},
}

// wrappers are those of a program's functions that in a libc call the others. An allocator that
// replaces them has bodies of its own, which may not.
var wrappers = []known{
	{"reallocarray", "old count size"},
	{"reallocarr", "*old count size"},
	{"reallocf", "old size frees"},
	{"strdup", "_ string"},
	{"strndup", "_ _ string"},
	{"realpath", "_ buffer string"},
}

// family are the functions that an allocator has under a prefix of its own: see prefixes.
// malloc comes first, and then what is called most.
var family = []known{
	{"malloc", "size"},
	{"free", "block"},
	{"calloc", "count size"},
	{"realloc", "old size"},
	{"memalign", "_ size"},
	{"aligned_alloc", "_ size"},
	{"posix_memalign", "out _ size"},
	{"valloc", "size"},
	{"pvalloc", "size"},
	{"cfree", "block"},
	{"free_sized", "block"},
	{"free_aligned_sized", "block"},
	{"reallocarray", "old count size"},
	{"reallocf", "old size frees"},
	{"strdup", "_ string"},
	{"strndup", "_ _ string"},
}

// jemallocs are jemalloc's own functions, with or without a prefix.
var jemallocs = []known{
	{"mallocx", "size"},
	{"rallocx", "old size"},
	{"xallocx", "old size inplace"},
	{"dallocx", "block"},
	{"sdallocx", "block"},
}

// tcmallocs are tcmalloc's own functions (gperftools/tcmalloc.h). In its library they are other
// names of the standard ones.
var tcmallocs = []known{
	{"tc_malloc", "size"},
	{"tc_malloc_skip_new_handler", "size"},
	{"tc_calloc", "count size"},
	{"tc_realloc", "old size"},
	{"tc_memalign", "_ size"},
	{"tc_posix_memalign", "out _ size"},
	{"tc_valloc", "size"},
	{"tc_pvalloc", "size"},
	{"tc_new", "size throws"},
	{"tc_newarray", "size throws"},
	{"tc_new_nothrow", "size"},
	{"tc_newarray_nothrow", "size"},
	{"tc_new_aligned", "size throws"},
	{"tc_newarray_aligned", "size throws"},
	{"tc_new_aligned_nothrow", "size"},
	{"tc_newarray_aligned_nothrow", "size"},
	{"tc_free", "block"},
	{"tc_cfree", "block"},
	{"tc_free_sized", "block"},
	{"tc_delete", "block"},
	{"tc_deletearray", "block"},
	{"tc_delete_sized", "block"},
	{"tc_deletearray_sized", "block"},
	{"tc_delete_nothrow", "block"},
	{"tc_deletearray_nothrow", "block"},
	{"tc_delete_aligned", "block"},
	{"tc_deletearray_aligned", "block"},
	{"tc_delete_aligned_nothrow", "block"},
	{"tc_deletearray_aligned_nothrow", "block"},
	{"tc_delete_sized_aligned", "block"},
	{"tc_deletearray_sized_aligned", "block"},
}

// functions are all of the above. Each list is in the order in which its functions are looked for:
// of several names of one function, the first one counts.
var (
	standardFunctions = parse(standard)
	wrapperFunctions  = parse(wrappers)
	familyFunctions   = slices.Concat(parse(family), parse(jemallocs))
	namedFunctions    = slices.Concat(of(Jemalloc, parse(jemallocs)), of(Tcmalloc, parse(tcmallocs)), of(Mimalloc, parse(mimallocs)), of(Mimalloc, threadHeaps(parse(mimallocs))))
	functions         = slices.Concat(standardFunctions, wrapperFunctions, familyFunctions, namedFunctions)
)

// Malloc and Release have the shapes of malloc and free.
var Malloc, Release = standardFunctions[0], namedStandard("free")

func namedStandard(name string) Function {
	return standardFunctions[slices.IndexFunc(standardFunctions, func(f Function) bool { return f.Name == name })]
}

// Usual are the functions that nearly all allocators have.
func Usual() []Function {
	return standardFunctions[:slices.IndexFunc(standardFunctions, func(f Function) bool { return f.Name == "free" })+1]
}

func parse(list []known) (parsed []Function) {
	for _, k := range list {
		f, err := parseFunction(k.name, k.signature)
		if err != nil {
			panic(err) // a row above is wrong
		}
		parsed = append(parsed, f)
	}
	return parsed
}

// Allocates reports whether a symbol is that of an allocation function, or another name that
// libc has for one, or the name of one with a usual prefix.
func Allocates(symbol string) bool {
	for _, prefix := range slices.Concat([]string{"__GI_", "__libc_", "__"}, usualPrefixes) {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	return slices.ContainsFunc(functions, func(f Function) bool { return f.Name == symbol })
}
