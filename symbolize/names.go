package symbolize

import (
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// maxName is the longest name or path returned, in bytes.
const maxName = 4096

// maxNamePower is maxName as a power of two, as the demangler takes it.
const maxNamePower = 12

// limitName cuts off a name that is longer than any real one.
func limitName(name string) string { return name[:min(len(name), maxName)] }

// isMangled reports whether a symbol encodes a qualified name.
func isMangled(symbol string) bool {
	return strings.HasPrefix(symbol, "_Z") || strings.HasPrefix(symbol, "_R")
}

// DisplayName demangles a symbol. It keeps template arguments but drops parameters, Rust's
// hash and the marks of C++ clones, which would make a stack too wide to read. A name that is
// not mangled is returned unchanged.
func DisplayName(symbol string) (name string) {
	symbol = limitName(symbol)
	if !isMangled(symbol) {
		return symbol
	}
	if base, ok := strings.CutSuffix(symbol, pltSuffix); ok {
		return limitName(DisplayName(base) + pltSuffix)
	}
	// Recover, since the input may be made to break the demangler.
	defer func() {
		if recover() != nil {
			name = symbol
		}
	}()
	name, err := demangle.ToString(symbol, demangle.NoParams, demangle.MaxLength(maxNamePower))
	if err != nil || name == "" {
		return symbol
	}
	return limitName(name)
}
