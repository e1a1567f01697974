package symbolize

import (
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// maxName is the longest name or path returned, in bytes.
const maxName = 4096

// maxNamePower is maxName as the demangler wants it.
const maxNamePower = 12

// limitName cuts a name that is longer than any real one.
func limitName(name string) string { return name[:min(len(name), maxName)] }

// isMangled reports whether a symbol encodes a qualified name.
func isMangled(symbol string) bool {
	return strings.HasPrefix(symbol, "_Z") || strings.HasPrefix(symbol, "_R")
}

// displayName is the name that a symbol stands for: demangled, with template
// arguments but without parameters, Rust's hash and, in C++, the marks of
// clones, which would make a stack too wide to read. A name that is not
// mangled is returned as it is.
func displayName(symbol string) (name string) {
	symbol = limitName(symbol)
	if !isMangled(symbol) {
		return symbol
	}
	if base, ok := strings.CutSuffix(symbol, pltSuffix); ok {
		return limitName(displayName(base) + pltSuffix)
	}
	// The demangler is used on input made to break it.
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
