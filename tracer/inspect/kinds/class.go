package kinds

import (
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// maxNamePower is the longest demangled name as a power of two, as the demangler takes it.
const maxNamePower = 12

// class returns the kind of objects whose first word is pointer, if that points into a table of
// virtual functions: behind the distance to the whole object and the pointer to the class's type
// information (Itanium C++ ABI, 2.5.2). The type information, a std::type_info, has the mangled name
// of the type as its second word. It is there in stripped programs, too. Where a program was built
// without it the symbol of the table tells.
func (n *Namer) class(pointer uint64) ID {
	var table [3]uint64 // distance, type information, first function
	if n.symbols.At(pointer) == nil || !n.words(pointer-16, table[:]) {
		return 0
	}
	const maxDistance = 1 << 24 // bytes; the distance is 0 or negative
	if -table[0] > maxDistance {
		return 0
	}
	if table[1] == 0 {
		return n.bySymbol(pointer)
	}
	var info [2]uint64 // table of the type information's own class, name
	if n.symbols.At(table[1]) == nil || !n.words(table[1], info[:]) {
		return 0
	}
	if n.symbols.At(info[0]) == nil || n.symbols.At(info[1]) == nil {
		return 0
	}
	// A name that begins with a star is not the same as that of another file.
	return n.idOf(demangled("_ZTS", strings.TrimPrefix(n.text(info[1]), "*")))
}

// bySymbol returns the kind by the symbol of the table that pointer points into.
func (n *Namer) bySymbol(pointer uint64) ID {
	v, ok := n.symbols.At(pointer).Variable(pointer)
	if !ok {
		return 0
	}
	rest, ok := strings.CutPrefix(v.Name, "_ZTV")
	if !ok {
		return 0
	}
	return n.idOf(demangled("_ZTV", rest))
}

// demangled returns the type of a symbol that is of one: type information's or a table's. It returns
// "" if the symbol does not say so.
func demangled(prefix, name string) (class string) {
	if name == "" || len(name) > maxName {
		return ""
	}
	// Recover, since the input may be made to break the demangler.
	defer func() {
		if recover() != nil {
			class = ""
		}
	}()
	text, err := demangle.ToString(prefix+name, demangle.MaxLength(maxNamePower))
	if err != nil {
		return ""
	}
	for _, what := range []string{"typeinfo name for ", "vtable for "} {
		if class, ok := strings.CutPrefix(text, what); ok {
			return class
		}
	}
	return ""
}
