package answer

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// proposal is a function that looks like an allocator which nobody told memtrace about.
type proposal struct {
	// alloc is its name, free that of the function that seems to take its blocks back, "" if
	// there is none.
	alloc, free string
}

// toTrace says how to trace a proposed allocator.
func (e *Evidence) toTrace(p proposal) string {
	if p.free == "" {
		return fmt.Sprintf("%s looks like an allocator of the program's own: with %s --alloc %s, and as --free what frees its blocks, "+
			"each of these has a stack.", p.alloc, e.again(), p.alloc)
	}
	return fmt.Sprintf("%s looks like an allocator of the program's own: with %s --alloc %s --free %s each of its blocks has a stack.",
		p.alloc, e.again(), p.alloc, p.free)
}

// again is the command that traces the process's calls, which memtrace grow does not.
func (e *Evidence) again() string {
	if t := &e.Report.Target; !t.Exited {
		return fmt.Sprintf("memtrace -p %d", t.PID)
	}
	return "memtrace"
}

// outermostAllocator is how many of a stack's frames, from where memory is mapped or touched, may
// be those of an allocator.
const outermostAllocator = 6

var (
	// cName is the name of a C function: those of other languages are no symbols.
	cName = regexp.MustCompile(`^[A-Za-z_]\w*$`)
	// looksAllocating is a part of a name, as "pool_alloc", "xmalloc" or "arenaAllocate" have it.
	looksAllocating = regexp.MustCompile(`([a-z]?[mcz]?alloc|Alloc|[aA]llocate)([A-Z_0-9]\w*)?$`)
	freesAlready    = regexp.MustCompile(`(?i)dealloc|free`)
)

// propose returns the allocator that most of the stacks' memory seems to come from, by amount. ok
// is false if there is none.
func (e *Evidence) propose(stacks []*report.Stack, amount func(*report.Stack) float64) (best proposal, ok bool) {
	sums := make(map[function]float64)
	var all, most float64
	var from function
	for _, s := range stacks {
		all += amount(s)
		f, found := e.proposalOf(s.Frames)
		if !found {
			continue
		}
		sums[f] += amount(s)
		if sums[f] > most {
			from, most = f, sums[f]
		}
	}
	if all <= 0 || most <= all/2 {
		return proposal{}, false
	}
	return proposal{from.name, e.counterpart(from)}, true
}

// function is a function of an object.
type function struct{ object, name string }

// ownMapping reports whether a stack took its memory from the kernel by code that is no allocator
// that is known.
func ownMapping(s *report.Stack) bool {
	return (s.Kind == report.Mmap || s.Kind == report.Grown) && !s.InAllocator
}

// proposeFor says how the blocks can be seen that a finding's mappings are cut into, if an
// allocator of the program's own made these.
func (e *Evidence) proposeFor(f *found) {
	if slices.ContainsFunc(f.stacks, func(s *report.Stack) bool { return !ownMapping(s) }) {
		return
	}
	if p, ok := e.propose(f.stacks, rate); ok {
		f.Next = e.toTrace(p)
	}
}

// touchers says who touches memory first whose growth has no stack, where that was sampled, and
// how to see the blocks if that is an allocator. classes are those of the memory, nil for all.
func (e *Evidence) touchers(f *found, classes []string) {
	if e.Report.Growth == nil {
		return
	}
	var touching []*report.Stack
	for i := range e.Report.Growth.FaultStacks {
		s := &e.Report.Growth.FaultStacks[i]
		t := &report.Stack{Frames: s.Frames, OwnFrame: s.OwnFrame}
		for _, c := range s.Classes {
			if classes == nil || slices.Contains(classes, c.Class) {
				t.Bytes += c.Bytes
			}
		}
		if t.Bytes > 0 {
			touching = append(touching, t)
		}
	}
	if len(touching) == 0 {
		return
	}
	bytes := func(s *report.Stack) float64 { return float64(s.Bytes) }
	f.Culprit, f.Caller, f.Share = e.culprit(touching, bytes)
	f.Next = fmt.Sprintf("See Faulted in by (--full). If an allocator of the program's own serves this memory, "+
		"trace it with %s --alloc FUNC --free FUNC.", e.again())
	if p, ok := e.propose(touching, bytes); ok {
		f.Next = e.toTrace(p)
	}
}

// proposalOf looks for an allocator among the innermost frames of a stack. It is the outermost
// one: an allocator may be made of several functions with such names.
func (e *Evidence) proposalOf(frames []report.Frame) (found function, ok bool) {
	left := outermostAllocator
	for i := range frames {
		f := &frames[i]
		if f.Module == e.Report.Target.Libc && f.Module != e.Report.Target.Exe || libraries.MatchString(path.Base(f.Module)) {
			continue
		}
		if left--; left < 0 {
			break
		}
		if e.Named != nil && e.Named(f.Function) {
			return function{}, false // it is traced
		}
		if !f.Inline && cName.MatchString(f.Function) && looksAllocating.MatchString(f.Function) && !freesAlready.MatchString(f.Function) {
			found, ok = function{f.Module, f.Function}, true
		}
	}
	return found, ok
}

// counterparts are what takes the place of the part of a name that allocates.
var counterparts = map[string][]string{
	"allocate": {"deallocate", "free", "release"}, "Allocate": {"Deallocate", "Free", "Release"}, "Alloc": {"Free", "Dealloc", "Release"},
}

// counterpart returns the function of the same object that seems to free what f allocates, "" if
// there is none or if it is not known which functions there are.
func (e *Evidence) counterpart(f function) string {
	if e.Defines == nil {
		return ""
	}
	at := looksAllocating.FindStringSubmatchIndex(f.name)
	before, part, after := f.name[:at[2]], f.name[at[2]:at[3]], f.name[at[3]:]
	parts := counterparts[part]
	if parts == nil {
		initial := strings.TrimRight(strings.TrimSuffix(part, "alloc"), "mc") // the z of zmalloc stays
		parts = []string{initial + "free", "free", initial + "dealloc", "release"}
	}
	var names []string
	for _, part := range parts {
		names = append(names, before+part+after, before+part)
	}
	return e.Defines(f.object, names...)
}
