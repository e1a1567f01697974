package flow

import "memtrace/symbolize/internal/x86"

// Base says what a value is relative to.
type Base uint8

const (
	// Unknown: nothing is known of the value.
	Unknown Base = iota
	// CFA: the frame's address, the stack pointer before the call that entered the function.
	CFA
	// Aligned: the stack pointer after it was rounded down, by an unknown amount.
	Aligned
)

// Value is an address on the stack: Base + Off.
type Value struct {
	Base Base
	Off  int32
}

func (v Value) plus(n int64) Value {
	sum := int64(v.Off) + n
	if v.Base == Unknown || sum != int64(int32(sum)) {
		return Value{}
	}
	return Value{v.Base, int32(sum)}
}

// Held is a register, by x86's number, and its value. That is unknown if there is no register.
type Held struct {
	Reg uint8
	Value
}

// Frame is what is known of the frame before an instruction. The zero Frame says nothing.
type Frame struct {
	SP, BP Value
	// SavedBP is where the caller's rbp was saved, BPSame that rbp still holds it.
	SavedBP Value
	BPSame  bool
	// CFAAt is where on the stack CFA - CFADelta was saved.
	CFAAt    Value
	CFADelta int32
	// Held are other registers.
	Held [2]Held
	// Outermost: the function has no caller. Signal: the trampoline behind a signal handler.
	Outermost, Signal bool
}

// entered is the frame at a function's start.
func entered() Frame {
	return Frame{SP: Value{CFA, -8}, BPSame: true}
}

// meet returns what two frames agree on.
func meet(a, b Frame) Frame {
	if a == b {
		return a
	}
	m := a
	m.SP, m.BP = common(a.SP, b.SP), common(a.BP, b.BP)
	m.BPSame = a.BPSame && b.BPSame
	m.SavedBP = common(a.SavedBP, b.SavedBP)
	if a.CFAAt != b.CFAAt || a.CFADelta != b.CFADelta {
		m.CFAAt, m.CFADelta = Value{}, 0
	}
	for i, h := range a.Held {
		if h != b.Held[0] && h != b.Held[1] {
			m.Held[i] = Held{}
		}
	}
	m.Outermost = a.Outermost && b.Outermost
	return m
}

func common(a, b Value) Value {
	if a != b {
		return Value{}
	}
	return a
}

// machine executes instructions on frames.
type machine struct {
	Frame
	reg [16]Value // those of SP and BP are valid, too
	// compared are the registers of the last comparison, if that was the last instruction.
	compared [2]uint8
}

func (m *machine) load(f Frame) {
	m.Frame = f
	m.reg = [16]Value{x86.SP: f.SP, x86.BP: f.BP}
	for _, h := range f.Held {
		if h.Base != Unknown {
			m.reg[h.Reg&15] = h.Value
		}
	}
	m.compared = [2]uint8{x86.None, x86.None}
}

// frame returns the frame as it is now.
func (m *machine) frame() Frame {
	f := m.Frame
	f.SP, f.BP = m.reg[x86.SP], m.reg[x86.BP]
	f.Held = [2]Held{}
	n := 0
	for r := range m.reg {
		if n < len(f.Held) && r != x86.SP && r != x86.BP && m.reg[r].Base == CFA {
			f.Held[n] = Held{uint8(r), m.reg[r]}
			n++
		}
	}
	return f
}

func (m *machine) set(reg uint8, v Value) {
	if reg == x86.None {
		return
	}
	m.reg[reg&15] = v
	if reg == x86.BP {
		m.BPSame = false
	}
}

func (m *machine) get(reg uint8) Value {
	if reg == x86.None {
		return Value{}
	}
	return m.reg[reg&15]
}

// step executes an instruction, unless that leads elsewhere.
func (m *machine) step(i *x86.Inst) {
	compared := [2]uint8{x86.None, x86.None}
	for r := uint8(0); i.Writes>>r != 0; r++ {
		if i.Writes>>r&1 == 1 {
			m.set(r, Value{})
		}
	}
	switch i.Op {
	case x86.Push:
		m.reg[x86.SP] = m.reg[x86.SP].plus(-8)
		m.store(m.reg[x86.SP], i.Reg)
	case x86.Pop:
		at := m.reg[x86.SP]
		m.reg[x86.SP] = at.plus(8)
		m.restore(i.Reg, at)
	case x86.Add:
		m.set(i.Reg, m.get(i.Reg).plus(i.Imm))
		m.dropUnused()
	case x86.And:
		m.set(i.Reg, Value{})
		if i.Reg == x86.SP {
			m.align()
		}
	case x86.Lea:
		m.set(i.Reg, m.get(i.Base).plus(i.Imm))
		m.dropUnused()
	case x86.LeaCode:
		m.set(i.Reg, Value{})
	case x86.Move:
		m.set(i.Reg, m.get(i.Base))
	case x86.Load:
		m.restore(i.Reg, m.get(i.Base).plus(i.Imm))
	case x86.Store:
		m.store(m.get(i.Base).plus(i.Imm), i.Reg)
	case x86.Leave:
		at := m.reg[x86.BP]
		m.reg[x86.SP] = at.plus(8)
		m.restore(x86.BP, at)
	case x86.Compare:
		compared = [2]uint8{i.Reg, i.Base}
	case x86.Call, x86.CallIndirect:
		for _, r := range []uint8{x86.AX, x86.CX, x86.DX, x86.SI, x86.DI, x86.R8, x86.R9, x86.R10, x86.R11} {
			m.reg[r] = Value{}
		}
	}
	m.compared = compared
}

// store notes that a register was written to the stack.
func (m *machine) store(at Value, reg uint8) {
	switch v := m.get(reg); {
	case at.Base == Unknown:
	case reg == x86.BP && m.BPSame && m.SavedBP.Base == Unknown:
		m.SavedBP = at
	case at == m.SavedBP && reg == x86.BP && m.BPSame:
	case at == m.SavedBP && !m.BPSame:
		m.SavedBP = Value{} // overwritten
	case at.Base == Aligned && v.Base == CFA && m.CFAAt.Base == Unknown:
		m.CFAAt, m.CFADelta = at, -v.Off
	case at == m.CFAAt:
		m.CFAAt, m.CFADelta = Value{}, 0
	}
}

// restore notes that a register was read from the stack.
func (m *machine) restore(reg uint8, at Value) {
	switch {
	case at.Base != Unknown && at == m.SavedBP && reg == x86.BP:
		m.set(reg, Value{})
		m.BPSame, m.SavedBP = true, Value{}
	case at.Base != Unknown && at == m.CFAAt:
		m.set(reg, Value{CFA, -m.CFADelta})
	default:
		m.set(reg, Value{})
	}
}

// align rounds the stack pointer down.
func (m *machine) align() {
	for r, v := range m.reg {
		if v.Base == Aligned {
			m.reg[r] = Value{}
		}
	}
	if m.SavedBP.Base == Aligned {
		m.SavedBP = Value{}
	}
	m.CFAAt, m.CFADelta = Value{}, 0
	m.reg[x86.SP] = Value{Base: Aligned}
}

// dropUnused forgets that rbp was saved, once the stack has shrunk and rbp is still the same.
func (m *machine) dropUnused() {
	sp := m.reg[x86.SP]
	if m.BPSame && sp.Base == m.SavedBP.Base && m.SavedBP.Off < sp.Off {
		m.SavedBP = Value{}
	}
}

// passed says that a branch was not taken. Code that touches each page of a large frame goes
// around until the stack pointer equals another register.
func (m *machine) passed(notEqual bool) {
	a, b := m.compared[0], m.compared[1]
	if b == x86.SP {
		a, b = b, a
	}
	if notEqual && a == x86.SP && m.get(b).Base != Unknown {
		m.reg[x86.SP] = m.get(b)
	}
}
