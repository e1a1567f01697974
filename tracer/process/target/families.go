package target

import "slices"

// Family is the allocator that an object holds.
type Family string

// These families are told apart.
const (
	Glibc    Family = "glibc"
	Musl     Family = "musl"
	Jemalloc Family = "jemalloc"
	Tcmalloc Family = "tcmalloc"
	Mimalloc Family = "mimalloc"
	Scudo    Family = "scudo"
	Unknown  Family = "unknown"
	// NamedByUser is that of functions that the user names.
	NamedByUser Family = "named functions"
)

// Libc reports whether a family is that of a C library, which is mapped whoever serves.
func (f Family) Libc() bool { return f == Glibc || f == Musl }

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

// gateways are the functions of which an allocator without a prefix has at least one.
var gateways = []string{"malloc", "mi_malloc", "tc_malloc"}

// dynamicLoaderMarker is defined only by glibc's ld.so. Before 2.32 that exports a malloc,
// too, for its own use before libc is loaded.
const dynamicLoaderMarker = "_rtld_global"

// allocators returns the functions of the allocators that the file defines, and their
// families, one that is not a libc's first.
func (c *chooser) allocators() (functions []Function, families []Family) {
	for _, prefix := range c.prefixes() {
		functions = append(functions, of(c.familyUnder(prefix), withPrefix(prefix))...)
		families = append(families, c.familyUnder(prefix))
	}
	if !slices.ContainsFunc(gateways, c.defined.has) {
		return functions, slices.Compact(families)
	}
	main := c.family()
	libc := c.libcBeside(main)
	unprefixed := namedFunctions
	if c.defined.has("malloc") {
		standard := main
		if !main.Libc() && main != Unknown && libc != "" {
			standard = libc
		}
		unprefixed = slices.Concat(of(standard, standardFunctions), namedFunctions)
		if !main.Libc() {
			unprefixed = append(unprefixed, of(main, wrapperFunctions)...)
		}
	}
	switch {
	case main.Libc() || main == Unknown:
		families = append(families, main)
	default:
		families = append([]Family{main}, families...)
		if libc != "" {
			families = append(families, libc)
		}
	}
	return slices.Concat(unprefixed, functions), slices.Compact(families)
}

// of returns the functions as those of a family. Who defines malloc and is not known may be a
// wrapper of another allocator: all that it does may lead to that one's functions.
func of(family Family, functions []Function) []Function {
	functions = slices.Clone(functions)
	for i := range functions {
		f := &functions[i]
		f.Family = family
		if family == Unknown || family == NamedByUser && f.Role == Alloc {
			f.Shape |= passes
		}
		if family == Unknown && f.Role == Free {
			f.Shape |= wraps
		}
		if !family.Libc() && family != NamedByUser && f.Role != Alloc {
			f.Shape |= foreign
		}
	}
	return functions
}

// family returns that of the functions without a prefix.
func (c *chooser) family() Family {
	for _, m := range markers {
		if c.defined.has(m.symbol) {
			return m.family
		}
	}
	return Unknown
}

// libcBeside returns the libc whose malloc a static program has beside an allocator of another
// name, "" if there is none.
func (c *chooser) libcBeside(main Family) Family {
	malloc, ok := c.defined["malloc"]
	for _, m := range markers {
		switch {
		case !ok:
			return ""
		case m.family == main && (main == Jemalloc || c.defined[m.symbol].Value == malloc.Value):
			return "" // it is the allocator's own
		case m.family.Libc() && c.defined.has(m.symbol):
			return m.family
		}
	}
	return ""
}
