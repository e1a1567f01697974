package record

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"memtrace/tracer/report"
)

// The entries of a frame of definitions.
const (
	defineString  = 1
	defineFrame   = 2
	defineStack   = 3
	defineModules = 4
)

// stackKey tells the stacks of a record apart. Two of a report may have the same id and kind:
// then turn counts them.
type stackKey struct {
	process uint32
	table   int
	kind    report.StackKind
	id      string
	turn    int
}

// known is a stack that was defined.
type known struct {
	number uint32
	frames []uint64
	seen   uint64 // the last snapshot that has it
	bare   bool   // its details are left out
}

// definer numbers what is defined once and collects the definitions that are not written yet.
type definer struct {
	strings map[string]uint64
	frames  map[report.Frame]uint64
	stacks  map[stackKey]*known
	modules map[uint32][]report.Module
	next    uint32 // number of a stack
	pending []byte
	written int // bytes of definitions that are not pending
}

// full reports whether a reader might soon refuse what is defined.
func (d *definer) full() bool {
	return len(d.stacks) > mostKnown || d.next > mostDefined/2 || len(d.strings) > mostDefined/2 || len(d.frames) > mostDefined/2 || d.written > mostText/2
}

func newDefiner() *definer {
	return &definer{
		strings: map[string]uint64{"": 0}, frames: make(map[report.Frame]uint64),
		stacks: make(map[stackKey]*known), modules: make(map[uint32][]report.Module),
	}
}

// number implements textTable.
func (d *definer) number(text string) uint64 {
	n, ok := d.strings[text]
	if !ok {
		n = uint64(len(d.strings))
		d.strings[text] = n
		d.pending = append(d.pending, defineString)
		d.pending = append(binary.AppendUvarint(d.pending, uint64(len(text))), text...)
	}
	return n
}

func (d *definer) text(uint64) string { return "" } // nothing is read while it is written

func (d *definer) frame(f *report.Frame) uint64 {
	n, ok := d.frames[*f]
	if !ok {
		n = uint64(len(d.frames))
		d.frames[*f] = n
		function, module, file := d.number(f.Function), d.number(f.Module), d.number(f.File)
		d.pending = append(d.pending, defineFrame)
		for _, v := range []uint64{function, module, file, f.Address, f.Offset, zigzag(int64(f.Line)), flag(f.Inline, 1) | flag(f.Library, 2)} {
			d.pending = binary.AppendUvarint(d.pending, v)
		}
	}
	return n
}

func flag(set bool, bit uint64) uint64 {
	if set {
		return bit
	}
	return 0
}

// stack returns a stack's number, and defines it the first time. With again, one whose frames are
// known anew is defined again where they differ. name fills them in where they are not there.
func (d *definer) stack(key stackKey, s *report.Stack, again bool, name func(*report.Stack)) *known {
	k := d.stacks[key]
	if k != nil && (!again || s.Frames == nil) {
		return k
	}
	named := *s
	if named.Frames == nil && name != nil {
		name(&named)
	}
	frames := make([]uint64, len(named.Frames))
	for i := range named.Frames {
		frames[i] = d.frame(&named.Frames[i])
	}
	if k == nil {
		k = &known{number: d.next}
		d.next++
		d.stacks[key] = k
	} else if slices.Equal(frames, k.frames) {
		return k
	}
	k.frames = frames
	d.pending = append(d.pending, defineStack)
	d.pending = binary.AppendUvarint(d.pending, uint64(k.number))
	d.pending = binary.AppendUvarint(d.pending, uint64(key.process))
	d.pending = append(binary.AppendUvarint(d.pending, uint64(len(key.id))), key.id...)
	d.pending = append(d.pending, byte(flag(named.Truncated, 1)|flag(named.InAllocator, 2)))
	d.pending = binary.AppendUvarint(d.pending, uint64(max(named.OwnFrame, 0)))
	d.pending = binary.AppendUvarint(d.pending, uint64(len(frames)))
	for _, f := range frames {
		d.pending = binary.AppendUvarint(d.pending, f)
	}
	return k
}

// mapped defines the modules of a process, if they are not what they were.
func (d *definer) mapped(process uint32, modules []report.Module) {
	if before, ok := d.modules[process]; ok && slices.Equal(before, modules) {
		return
	}
	d.modules[process] = modules
	text, err := json.Marshal(modules)
	if err != nil {
		return // strings and numbers always have JSON
	}
	d.pending = append(d.pending, defineModules)
	d.pending = binary.AppendUvarint(d.pending, uint64(process))
	d.pending = append(binary.AppendUvarint(d.pending, uint64(len(text))), text...)
}

// take returns the definitions that are not written yet.
func (d *definer) take() []byte {
	taken := d.pending
	d.pending = nil
	d.written += len(taken)
	return taken
}
