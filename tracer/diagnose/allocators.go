package diagnose

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
)

// Allocators is whose functions have served a process. What is mapped does not tell: a library that
// defines malloc may be a wrapper of another one's.
type Allocators struct {
	symbols Symbols
	target  *target.Target
	known   map[book.Server]allocator
}

// allocator is one that has served a process.
type allocator struct {
	family target.Family
	// path is that of the file that has its functions.
	path string
}

// name tells allocators apart: by their families or, where these are not known, by their files.
func (a allocator) name() string {
	if a.family == target.Unknown && a.path != "" {
		return filepath.Base(a.path)
	}
	return string(a.family)
}

// NewAllocators returns whose functions those are that have served a process.
func NewAllocators(symbols Symbols, t *target.Target, servers []book.Server) *Allocators {
	a := &Allocators{symbols: symbols, target: t, known: make(map[book.Server]allocator)}
	for _, s := range servers {
		a.of(s)
	}
	return a
}

// of returns whose function a server is, and counts it among those that have served.
func (a *Allocators) of(s book.Server) allocator {
	if s.Address == 0 {
		return allocator{family: target.Unknown}
	}
	if found, ok := a.known[s]; ok {
		return found
	}
	found := allocator{family: target.Unknown}
	path, offset := a.symbols.FileIn(uint64(s.Code), s.Address)
	if family, ok := a.target.Server(path, offset); ok {
		found.family = family
	}
	found.path = path
	a.known[s] = found
	return found
}

// names lists the allocators that have served, libc's last.
func (a *Allocators) names() (names []string) {
	all := slices.SortedFunc(maps.Values(a.known), func(x, y allocator) int {
		switch {
		case x.family.Libc() == y.family.Libc():
			return cmp.Compare(x.name(), y.name())
		case y.family.Libc():
			return -1
		}
		return 1
	})
	for _, one := range all {
		if !slices.Contains(names, one.name()) {
			names = append(names, one.name())
		}
	}
	return names
}

// several reports whether more than one allocator has served.
func (a *Allocators) several() bool { return len(a.names()) > 1 }

// describe names those that serve and the file of the first one. While nobody has served, these are
// all that could.
func (a *Allocators) describe() (names, path string) {
	o := a.target.Allocator()
	if o == nil {
		return "", ""
	}
	switch served := a.names(); len(served) {
	case 0:
		return join(a.target.Families()), o.Path
	case 1:
		for _, one := range a.known {
			return string(one.family), cmp.Or(one.path, o.Path)
		}
		fallthrough
	default:
		return strings.Join(served, ", "), o.Path
	}
}

func join(families []target.Family) string {
	var names []string
	for _, f := range families {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// only returns the allocator that serves if its family is known, "" if there are several or none.
func (a *Allocators) only() (only string) {
	families := a.target.Families()
	if len(a.known) > 0 {
		families = nil
		for _, one := range a.known {
			if !slices.Contains(families, one.family) {
				families = append(families, one.family)
			}
		}
	}
	return onlyFamily(families)
}

// Split returns the Split of a process's malloc, nil if that is not glibc's or has not served while
// others have. malloc may be nil.
func (a *Allocators) Split(malloc *ptmalloc.Status) *Split {
	s := NewSplit(malloc)
	if s == nil {
		return nil
	}
	if len(a.known) == 0 {
		if o := a.target.Allocator(); o == nil || o.Family != target.Glibc {
			return nil
		}
		return s
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(a.known)), func(one allocator) bool { return one.family == target.Glibc }) {
		return nil
	}
	if a.several() {
		glibc := make(map[book.Server]bool)
		for server, one := range a.known {
			glibc[server] = one.family == target.Glibc
		}
		s.Ours = func(server book.Server) bool { return glibc[server] }
	}
	return s
}

// allocatorOf returns who served a stack's allocations, where several have served.
func (d *diagnosis) allocatorOf(id event.StackID) string {
	if !d.several {
		return ""
	}
	return d.Allocators.of(d.Known.Server(id)).name()
}

// addUp adds a stack's blocks to the sum of its allocator.
func (d *diagnosis) addUp(s *report.Stack) {
	if s.Allocator == "" {
		return
	}
	i := slices.IndexFunc(d.byAllocator, func(a report.AllocatorSum) bool { return a.Allocator == s.Allocator })
	if i < 0 {
		i = len(d.byAllocator)
		d.byAllocator = append(d.byAllocator, report.AllocatorSum{Allocator: s.Allocator})
	}
	sum := &d.byAllocator[i].Sum
	*sum = sum.Plus(report.Sum{Bytes: s.Bytes, Blocks: s.Blocks})
}

// sums are those of all allocators that have served, the largest first. They are not known where
// only windows are watched.
func (d *diagnosis) sums() []report.AllocatorSum {
	if !d.several || !d.exact() {
		return nil
	}
	for _, name := range d.Allocators.names() {
		d.addUp(&report.Stack{Allocator: name})
	}
	slices.SortStableFunc(d.byAllocator, func(a, b report.AllocatorSum) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return d.byAllocator
}
