package tracer

import (
	"fmt"
	"path"
	"strings"

	"memtrace/symbolize"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
)

// maxCallers is how many functions name a stack that a report does not show.
const maxCallers = 3

// stackName is how reports name a stack.
func stackName(id event.StackID) string { return fmt.Sprintf("%016x", uint64(id)) }

// bare returns frames that are still to be named.
func bare(addresses []uint64) (frames []report.Frame) {
	for _, address := range addresses {
		frames = append(frames, report.Frame{Address: address})
	}
	return frames
}

// frames returns the return addresses of a stack. It takes the lock.
func (t *Tracer) frames(id event.StackID) []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stacks[id].frames
}

// name resolves bare frames. Every address of a stack is behind the call that
// it comes from.
func name(symbols *symbolize.Process, bare []report.Frame) []report.Frame {
	frames := make([]report.Frame, 0, len(bare))
	for _, b := range bare {
		for _, s := range symbols.Resolve(b.Address, true) {
			frames = append(frames, report.Frame{
				Address:  s.Address,
				Function: s.Function,
				Module:   s.Module,
				Offset:   s.Offset,
				File:     s.File,
				Line:     s.Line,
				Inline:   s.Inline,
			})
		}
	}
	return frames
}

// unnamed are notes on what kept files from naming frames: one that was replaced since
// the process mapped it, debug information of another build.
func unnamed(problems []string) (notes []string) {
	const most = 3
	for _, p := range problems[:min(len(problems), most)] {
		notes = append(notes, "Frames may lack names: "+p+".")
	}
	if more := len(problems) - most; more > 0 {
		notes = append(notes, fmt.Sprintf("Frames may lack names for %d more reasons like these.", more))
	}
	return notes
}

// callers returns the innermost functions of a stack of bare frames, libc's
// aside: whatever asks for memory does so through libc.
func (f *found) callers(frames []report.Frame) string {
	named := name(f.process.symbols, frames)
	for i := range named {
		if named[i].Module != f.target.Libc {
			named = named[i:]
			break
		}
	}
	var callers []string
	for i := range named[:min(len(named), maxCallers)] {
		switch n := &named[i]; {
		case n.Function != "":
			callers = append(callers, n.Function)
		case n.Module != "":
			callers = append(callers, fmt.Sprintf("%s+0x%x", path.Base(n.Module), n.Offset))
		default:
			callers = append(callers, fmt.Sprintf("0x%x", n.Address))
		}
	}
	if len(callers) == 0 {
		return "no call stack"
	}
	return strings.Join(callers, " < ")
}
