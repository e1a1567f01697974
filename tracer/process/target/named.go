package target

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"memtrace/symbolize/elffile"
)

// Named are functions that the user names: those of a pool, of a wrapper, of an allocator that
// is not known. They are probed beside those that are known; of nested calls the outermost
// counts. A nil *Named names none.
type Named struct {
	Functions []Function
	// Prefixes are those of allocators that have the usual functions with a prefix.
	Prefixes []string
	// In is the path or the base name of the file that has them, "" for any file.
	In string
	// DebugDirs are searched for the symbols of files that have none.
	DebugDirs []string
	// Later means that a file that has them may be mapped later: it is no error if they are
	// not found.
	Later bool
}

// AfterExec are the same functions for the next program of a process, which need not have them.
func (n *Named) AfterExec() *Named {
	if n == nil {
		return nil
	}
	later := *n
	later.Later = true
	return &later
}

// NewAllocator returns a function that allocates: size and count are the numbers of arguments,
// from 1 on. count is 0 if nothing multiplies the size.
func NewAllocator(name string, size, count int) Function {
	return Function{Name: name, Role: Alloc, Shape: Shape(size)<<sizeAt | Shape(count)<<countAt}
}

// NewRealloc is NewAllocator for a function that resizes the block that is an argument.
func NewRealloc(name string, block, size, count int) Function {
	f := NewAllocator(name, size, count)
	f.Role, f.Shape = Realloc, f.Shape|Shape(block)<<blockAt|isRealloc
	return f
}

// NewFree returns a function that frees the block that is an argument. It may do so by free or
// another function that is probed.
func NewFree(name string, block int) Function {
	return Function{Name: name, Role: Free, Shape: Shape(block)<<blockAt | isFree | wraps}
}

// sets are functions of allocators that come with a program's libraries, by the name of the set.
// A pool whose blocks end with the pool is none: nothing says when they are gone.
var sets = map[string][]known{
	// GLib before 2.76 has a pool of its own (gslice.c). What g_slice_free_chain frees is not
	// seen.
	"glib-slice": {
		{"g_slice_alloc", "size"},
		{"g_slice_alloc0", "size"},
		{"g_slice_copy", "size"},
		{"g_slice_free1", "_ block wraps"},
	},
	// The functions behind all of CPython's small blocks (Objects/obmalloc.c). Those of the API
	// are inlined within the interpreter.
	"python": {
		{"_PyObject_Malloc", "_ size"},
		{"_PyObject_Calloc", "_ count size"},
		{"_PyObject_Realloc", "_ old size"},
		{"_PyObject_Free", "_ block wraps"},
	},
}

// Sets are the names of the sets, sorted.
func Sets() []string { return slices.Sorted(maps.Keys(sets)) }

// Set returns the functions of a set.
func Set(name string) []Function { return parse(sets[name]) }

// holds reports whether the functions may be in a file.
func (n *Named) holds(path string) bool {
	return n != nil && (n.In == "" || n.In == path || n.In == filepath.Base(path))
}

// namedIn returns what the user names and a file may have, nil if that is nothing.
func (t *Target) namedIn(path string) *Named {
	if path = strings.TrimSuffix(path, " (deleted)"); t.named.holds(path) {
		return t.named
	}
	return nil
}

// Names are what a user calls the functions of allocators: whole names, and prefixes of usual ones.
type Names struct{ Functions, Prefixes []string }

// Names returns what the user has named.
func (t *Target) Names() (n Names) {
	if t.named != nil {
		n.Prefixes = t.named.Prefixes
		for i := range t.named.Functions {
			n.Functions = append(n.Functions, t.named.Functions[i].Name)
		}
	}
	return n
}

// Has reports whether a function is one of those.
func (n *Names) Has(function string) bool {
	return slices.Contains(n.Functions, function) || hasPrefix([]byte(function), n.Prefixes)
}

// names reports whether a name is one of those.
func (n *Named) names(name []byte) bool {
	return slices.ContainsFunc(n.Functions, func(f Function) bool { return f.Name == string(name) }) || hasPrefix(name, n.Prefixes)
}

// hasPrefix reports whether a name is a usual one with one of some prefixes.
func hasPrefix(name []byte, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return bytes.HasPrefix(name, []byte(p)) && prefixed(name) })
}

// find adds the symbols of the functions. A file without a symbol table may have one in a
// separate file.
func (s symbols) find(f *elffile.File, n *Named) {
	collect := func(f *elffile.File, kind elf.SectionType) (tables int) {
		for _, table := range f.SymbolTables(kind) {
			tables++
			_ = table.FindFunc(n.names, func(s *elf.Symbol) bool { return isFunction(*s) }, func(sym elf.Symbol) {
				if old, ok := s[sym.Name]; (!ok || !isFunction(old)) && len(s) < maxDefined {
					s[sym.Name] = sym
				}
			})
		}
		return tables
	}
	collect(f, elf.SHT_DYNSYM)
	if collect(f, elf.SHT_SYMTAB) > 0 {
		return
	}
	if file, debug := n.openDebug(f); debug != nil {
		collect(debug, elf.SHT_SYMTAB)
		file.Close()
	}
}

// openDebug opens the separate debug file of a file, nil if there is none.
func (n *Named) openDebug(f *elffile.File) (*os.File, *elffile.File) {
	file, debug, _ := elffile.OpenDebug(n.DebugDirs, f)
	return file, debug
}

func (n *Named) hasDebug(f *elffile.File) bool {
	file, debug := n.openDebug(f)
	if debug == nil {
		return false
	}
	file.Close()
	return true
}

// named returns those of the functions that the file defines.
func (c *chooser) named(n *Named) (list []Function) {
	all := slices.Clone(n.Functions)
	for _, prefix := range n.Prefixes {
		all = append(all, withPrefix(prefix)...)
	}
	return slices.DeleteFunc(all, func(f Function) bool { return !c.isFunction(f.Name) })
}

// NotFoundError says that functions which the user named are in no mapped file.
type NotFoundError struct {
	PID int
	// Names are those of the functions, or prefixes. In is the file they were looked for in.
	Names []string
	In    string
	// Others are the names of functions that there are.
	Others []string
	// Bare is a file that has no symbol table, and no debug file in DebugDirs of this machine,
	// "" if none of those has that should have the functions: In, or else the program itself.
	Bare      string
	DebugDirs []string
	// nothing means that there is no allocator either, yet.
	nothing bool
}

func (e *NotFoundError) Unwrap() error {
	if e.nothing {
		return ErrNoAllocator
	}
	return nil
}

func (e *NotFoundError) Error() string {
	where := "no mapped file"
	if e.In != "" {
		where = "no mapped file " + e.In
	}
	text := fmt.Sprintf("process %d: %s has a function %s", e.PID, where, strings.Join(e.Names, ", "))
	if e.Bare != "" {
		text += fmt.Sprintf(" (%s has no symbol table, nor a debug file in %s of this machine)", e.Bare, strings.Join(e.DebugDirs, ", "))
	}
	return text
}

// checkNamed returns a *NotFoundError if functions that the user named are not there.
func (t *Target) checkNamed() error {
	missing, nothing := t.MissingNamed(), len(t.Objects) == 0
	if len(missing) == 0 || t.named.Later && !nothing {
		return nil
	}
	e := &NotFoundError{PID: t.PID, Names: missing, In: t.named.In, DebugDirs: t.named.DebugDirs, nothing: nothing}
	t.lookAround(e)
	return e
}

// LookNamed is Look with functions that the user names, for probes that come later.
func LookNamed(pid int, named *Named) (*Target, error) {
	t, err := inspect(pid)
	if err != nil {
		return nil, err
	}
	t.named = named
	if _, err := t.Update(); err != nil && !errors.Is(err, ErrPatched) {
		t.Close()
		return nil, err
	}
	return t, nil
}

// MissingNamed lists the functions that the user names and no object has, up to now.
func (t *Target) MissingNamed() (missing []string) {
	if t.named == nil {
		return nil
	}
	has := func(is func(name string) bool) bool {
		return slices.ContainsFunc(t.Objects, func(o *Object) bool { return slices.ContainsFunc(o.named, is) })
	}
	for _, f := range t.named.Functions {
		if !has(func(name string) bool { return name == f.Name }) {
			missing = append(missing, f.Name)
		}
	}
	for _, p := range t.named.Prefixes {
		if !has(func(name string) bool { return strings.HasPrefix(name, p) }) {
			missing = append(missing, p+"malloc")
		}
	}
	return missing
}

// lookAround finds the functions of the mapped files, for who has misspelt one. There may be very
// many, of which it notes some.
func (t *Target) lookAround(e *NotFoundError) {
	maps, err := readMaps(t.PID)
	if err != nil {
		return
	}
	seen := make(map[FileID]bool)
	for _, m := range maps {
		id := FileID{m.Dev, m.Inode}
		if !m.Perms.Execute || m.Inode == 0 || seen[id] || !t.named.holds(m.Pathname) {
			continue
		}
		seen[id] = true
		file, err := openMapped(t.PID, m)
		if err != nil {
			continue
		}
		if f, err := openELF(file); err == nil {
			if !e.note(f) && e.Bare == "" && (e.In != "" || m.Pathname == t.Exe) && !t.named.hasDebug(f) {
				e.Bare = m.Pathname
			}
		}
		file.Close()
	}
}

// note adds the functions of a file to Others, and reports whether it has a symbol table of its own
// functions, not only of those that others link to.
func (e *NotFoundError) note(f *elffile.File) (own bool) {
	const most = 1 << 18
	for _, kind := range []elf.SectionType{elf.SHT_DYNSYM, elf.SHT_SYMTAB} {
		for _, table := range f.SymbolTables(kind) {
			own = own || kind == elf.SHT_SYMTAB
			all := func([]byte) bool { return len(e.Others) < most }
			_ = table.FindFunc(all, func(s *elf.Symbol) bool { return isFunction(*s) }, func(s elf.Symbol) { e.Others = append(e.Others, s.Name) })
		}
	}
	return own
}
