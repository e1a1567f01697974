package target

import (
	"bytes"
	"slices"
	"strings"
)

// Allocators that are linked in may have a prefix for all their functions. jemalloc is built
// so by those that do not want it to serve everybody (je_; Rust's crate has _rjem_). A prefix
// counts if a file defines at least malloc and free with it, and something that only jemalloc has.
// Many libraries have malloc, free, calloc and realloc under a prefix which in the end call those
// of libc: libgcrypt, libuv, nghttp2. Their blocks are seen there.

// noPrefixes are those of functions that are known one by one.
var noPrefixes = []string{"mi_", "tc_"}

// usualPrefixes are those that are known without that.
var usualPrefixes = []string{"je_", "_rjem_", "scudo_"}

// maxPrefix is the length of the longest prefix, in bytes.
const maxPrefix = 64

// prefixed reports whether a name may be that of a function with a prefix.
func prefixed(name []byte) bool {
	return slices.ContainsFunc(prefixable, func(base []byte) bool {
		return len(name) > len(base) && len(name) <= len(base)+maxPrefix && bytes.HasSuffix(name, base)
	})
}

// prefixable are the names that prefixes are looked for at.
var prefixable = func() (names [][]byte) {
	for _, fn := range familyFunctions {
		names = append(names, []byte(fn.Name))
	}
	return append(names, []byte("mallctl"))
}()

// mostPrefixes is how many prefixes a file may have. No real one has more than a few.
const mostPrefixes = 16

// prefixes lists the prefixes that an allocator of the file has, in order.
func (c *chooser) prefixes() (list []string) {
	for name := range c.defined {
		prefix, ok := strings.CutSuffix(name, "malloc")
		if ok && prefix != "" && !slices.Contains(noPrefixes, prefix) && c.isPrefix(prefix) {
			list = append(list, prefix)
		}
	}
	slices.Sort(list)
	return list[:min(len(list), mostPrefixes)]
}

func (c *chooser) isPrefix(prefix string) bool {
	has := func(base string) bool { return c.isFunction(prefix + base) }
	if !has("malloc") || !has("free") {
		return false
	}
	return has("mallocx") || has("mallctl") || slices.Contains(usualPrefixes, prefix)
}

// withPrefix returns the functions that an allocator may have under a prefix.
func withPrefix(prefix string) (functions []Function) {
	for _, fn := range familyFunctions {
		fn.Name = prefix + fn.Name
		functions = append(functions, fn)
	}
	return functions
}

// familyUnder returns whose prefix it is.
func (c *chooser) familyUnder(prefix string) Family {
	if prefix == "scudo_" {
		return Scudo
	}
	return Jemalloc
}
