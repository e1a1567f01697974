package diagnose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
)

// maxCallers is how many functions name a stack that a report does not show.
const maxCallers = 3

// stackName is how reports name a stack.
func stackName(id event.StackID) string { return fmt.Sprintf("%016x", uint64(id)) }

// stackOf returns the stack of a name, 0 if there is none.
func stackOf(name string) event.StackID {
	id, _ := strconv.ParseUint(name, 16, 64) // stackName made the name
	return event.StackID(id)
}

// frames returns the named frames of a stack, and whether there are more callers.
func (d *diagnosis) frames(id event.StackID) ([]report.Frame, bool) {
	addresses, codes, truncated := d.Known.Frames(id)
	if i := slices.IndexFunc(addresses, notCode); i > 0 {
		addresses, codes, truncated = addresses[:i], codes[:min(i, len(codes))], true
	}
	if truncated {
		addresses, truncated = d.namer.trim(addresses, codes)
	}
	named := d.namer.name(addresses, codes)
	// A return probe of another tool has put an address of its own on the stack. The program's is
	// in the kernel alone.
	if i := slices.IndexFunc(named, func(f report.Frame) bool { return f.Module == "[uprobes]" }); i > 0 {
		named, truncated = named[:i], true
	}
	return named, truncated
}

// notCode reports whether an address can be no code of a program: the first pages are never mapped,
// and the upper half is the kernel's.
func notCode(address uint64) bool { return address < 1<<16 || address >= 1<<47 }

// namer names frames. It resolves each place once, as long as there are not too many to
// remember.
type namer struct {
	symbols Symbols
	target  *report.Target
	known   map[place][]report.Frame
	// generated is what to call code that was made at run time and has no name, nil while that
	// was not needed.
	generated *string
}

// nameGenerated names the module of such code. It is in no file, or in one that is only in
// memory, as .NET's.
func (n *namer) nameGenerated(f *report.Frame) {
	if f.Function != "" || !strings.HasPrefix(f.Module, "[anon") && !strings.HasPrefix(f.Module, "/memfd:doublemapper") {
		return
	}
	if n.generated == nil {
		files := []string{n.target.Exe}
		for _, m := range n.symbols.Mappings() {
			files = append(files, m.Path)
		}
		code := report.GeneratedCode(files)
		n.generated = &code
	}
	if *n.generated != "" {
		f.Module = *n.generated
	}
}

// place is an address in the code that was mapped there.
type place struct {
	address uint64
	code    event.CodeID
}

// placeOf returns where an address of a stack is. codes may be nil.
func placeOf(addresses []uint64, codes []event.CodeID, i int) place {
	p := place{address: addresses[i]}
	if codes != nil {
		p.code = codes[i]
	}
	return p
}

// trim cuts off what is no code at the end of a stack that is not whole, but keeps the innermost
// frame. On top of a coroutine's stack lies where its function returns to, which no call has put
// there; then the stack is whole up to that function, and truncated is false.
func (n *namer) trim(addresses []uint64, codes []event.CodeID) (kept []uint64, truncated bool) {
	for kept = addresses; len(kept) > 1; kept = kept[:len(kept)-1] {
		last := placeOf(kept, codes, len(kept)-1)
		if frames := n.at(last); frames[0].Module == "" && n.at(placeOf(kept, codes, 0))[0].Module != "" {
			continue // nothing is or was mapped there that can be executed
		}
		called, known := n.symbols.Called(uint64(last.code), last.address)
		if called || !known {
			return kept, true
		}
		return kept[:len(kept)-1], false
	}
	return kept, true
}

// name returns the frames of a stack. All addresses must be return addresses.
func (n *namer) name(addresses []uint64, codes []event.CodeID) []report.Frame {
	frames := make([]report.Frame, 0, len(addresses))
	for i := range addresses {
		frames = append(frames, n.at(placeOf(addresses, codes, i))...)
	}
	return frames
}

func (n *namer) at(p place) (frames []report.Frame) {
	if frames, ok := n.known[p]; ok {
		return frames
	}
	for _, s := range n.symbols.ResolveIn(uint64(p.code), p.address) {
		frames = append(frames, report.Frame{
			Address:  s.Address,
			Function: s.Function,
			Module:   s.Module,
			Offset:   s.Offset,
			File:     s.File,
			Line:     s.Line,
			Inline:   s.Inline,
		})
		n.nameGenerated(&frames[len(frames)-1])
		answer.MarkLibrary(&frames[len(frames)-1], n.target)
	}
	const most = 1 << 14
	if n.known == nil || len(n.known) >= most {
		n.known = make(map[place][]report.Frame)
	}
	n.known[p] = frames
	return frames
}

// callers returns the innermost functions of a stack, without libc's: whatever asks for memory
// does so through libc.
func (d *diagnosis) callers(s *report.Stack) string {
	if s.GivenUpStacks > 0 {
		return "the sum of those that were given up"
	}
	named, _ := d.frames(stackOf(s.ID))
	for i := range named {
		if named[i].Module != d.target.Libc {
			named = named[i:]
			break
		}
	}
	var callers []string
	for i := range named[:min(len(named), maxCallers)] {
		switch n := &named[i]; {
		case n.Function != "":
			callers = append(callers, n.Function)
		default:
			callers = append(callers, n.Place())
		}
	}
	if len(callers) == 0 {
		return "no call stack"
	}
	return strings.Join(callers, " < ")
}
