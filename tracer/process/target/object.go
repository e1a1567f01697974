package target

import (
	"debug/elf"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/patience"
)

// readNamed reads an object, with functions that the user names. It returns nil without an error
// if the file defines neither an allocator nor one of them.
func readNamed(file *patience.File, n *Named) (*Object, error) {
	f, err := openELF(file)
	if errors.Is(err, elffile.ErrForeign) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("parse ELF file: %w", err)
	}
	if f.Machine != machines[runtime.GOARCH] {
		return nil, nil
	}
	defined := definedSymbols(f)
	if defined.has(dynamicLoaderMarker) {
		return nil, nil
	}
	c := &chooser{jumps: &jumps{f: f, image: loaded(f)}, defined: defined}
	functions, families := c.allocators()
	var names []string
	if n != nil {
		defined.find(f, n)
		for _, fn := range of(NamedByUser, c.named(n)) {
			names = append(names, fn.Name)
			functions = append(functions, fn)
		}
		if len(names) > 0 {
			families = append([]Family{NamedByUser}, families...)
		}
	}
	if len(functions) == 0 {
		return nil, nil
	}
	o := c.object(file, functions, families)
	o.named = names
	return o, nil
}

// chooser chooses the places to probe in a file.
type chooser struct {
	*jumps
	defined symbols
}

// object makes probes of the functions that the file defines.
func (c *chooser) object(file *patience.File, functions []Function, families []Family) *Object {
	o := &Object{file: file, Family: families[0], Families: families}
	functions = slices.DeleteFunc(functions, func(fn Function) bool { return !c.isFunction(fn.Name) })
	seen := make(map[uint64]bool)
	var candidates []candidate
	var returns []Probe
	for _, fn := range functions {
		sym := c.defined[fn.Name]
		// Aliases share an address: one probe sees the calls of all names.
		if seen[sym.Value] {
			continue
		}
		seen[sym.Value] = true
		if fn.Role == Free && c.reaches(sym.Value, c.otherFree(functions, sym.Value)) {
			continue
		}
		if fn.Shape.Throws() {
			found, ok := c.returnProbes(fn, sym, functions)
			if !ok {
				o.Unseen = append(o.Unseen, fn.Name)
				continue
			}
			if len(found) == 0 {
				continue // it is a jump to one that is probed
			}
			returns = append(returns, found...)
		}
		segment := c.image.code(sym.Value)
		o.Probes = append(o.Probes, Probe{Function: fn, Offset: sym.Value - segment.Vaddr + segment.Off})
		candidates = append(candidates, candidate{sym, fn.Shape.arguments()})
	}
	for i, inside := range c.image.places(candidates) {
		probe, sym := &o.Probes[i], candidates[i].Symbol
		probe.Inside = inside
		probe.Offset += inside
		probe.code = probedCode(c.image.code(sym.Value), sym, inside)
	}
	o.addReturns(returns)
	return o
}

// isFunction reports whether the file defines a function of a name.
func (c *chooser) isFunction(name string) bool {
	symbol, ok := c.defined[name]
	return ok && isFunction(symbol) && c.image.code(symbol.Value) != nil
}

// otherFree returns a function that tells jumps.reaches whether a jump of the function at
// address ends at another function that gets a probe. The loader may resolve a name to an
// object loaded earlier, but that one defines an allocator, too.
func (c *chooser) otherFree(functions []Function, address uint64) func(uint64, string) bool {
	names, addresses := make(map[string]bool), make(map[uint64]bool)
	for _, fn := range functions {
		if sym := c.defined[fn.Name]; fn.Role == Free && sym.Value != address {
			names[fn.Name], addresses[sym.Value] = true, true
		}
	}
	return func(to uint64, name string) bool { return addresses[to] || names[name] }
}

// symbols are those of a file that this package asks about, by name.
type symbols map[string]elf.Symbol

func (s symbols) has(name string) bool {
	_, ok := s[name]
	return ok
}

// own are the names that are looked for wherever a file may have them.
var own = func() map[string]bool {
	names := map[string]bool{dynamicLoaderMarker: true}
	for _, fn := range namedFunctions {
		names[fn.Name] = true
	}
	return names
}()

// general are the names that count only where other files find them, too, or in a program.
var general = func() map[string]bool {
	names := make(map[string]bool)
	for _, fn := range slices.Concat(standardFunctions, wrapperFunctions) {
		names[fn.Name] = true
	}
	for _, m := range markers {
		names[m.symbol] = true
	}
	return names
}()

// definedSymbols returns what a file defines. The standard functions are looked for among the
// dynamic symbols or, if malloc is not among them (a static program), in the symbol table.
func definedSymbols(f *elffile.File) symbols {
	defined := make(symbols)
	collect := func(kind elf.SectionType, wanted func([]byte) bool) {
		for _, table := range f.SymbolTables(kind) {
			// What was found before an error counts.
			_ = table.FindFunc(wanted, isNamed, func(s elf.Symbol) {
				if !defined.has(s.Name) && len(defined) < maxDefined {
					defined[s.Name] = s
				}
			})
		}
	}
	all := func(name []byte) bool { return own[string(name)] || general[string(name)] || prefixed(name) }
	private := func(name []byte) bool { return own[string(name)] || prefixed(name) }
	collect(elf.SHT_DYNSYM, all)
	// A shared library that exports no malloc may have a private one in its symbol table,
	// which calls from elsewhere never reach. So only programs are searched for that.
	if !defined.has("malloc") && hasInterpreterOrIsStatic(f) {
		collect(elf.SHT_SYMTAB, all)
	} else {
		collect(elf.SHT_SYMTAB, private)
	}
	return defined
}

// maxDefined bounds how many symbols of a file are kept.
const maxDefined = 1 << 16
