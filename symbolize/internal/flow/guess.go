package flow

import "memtrace/symbolize/internal/x86"

// guess goes through the code that no path has reached: first for targets of indirect jumps,
// which may lead on to more code, and then for functions that nothing refers to.
func (a *analysis) guess() {
	a.guessOnce(a.jumpedTo)
	for range 3 {
		a.guessOnce(a.unreferred)
		a.guessOnce(a.jumpedTo)
	}
}

// place is unreached code: an instruction, and the frame at the last indirect jump before it in
// the function that it is thought to be in.
type place struct {
	part   *Part
	pc     uint64
	inst   x86.Inst
	jumped *Frame
}

// passed notes the frame at an indirect jump. One whose frame is as at a function's start may be a
// call without a frame of its own.
func (at *place) passed(f Frame) {
	if at.jumped == nil || f.SP != (Value{CFA, -8}) {
		at.jumped = &f
	}
}

// guessOnce calls begin for the unreached code in order of address. A guess is of a higher rank
// than all that was found before.
func (a *analysis) guessOnce(begin func(*place)) {
	for _, k := range a.known {
		a.lowest = max(a.lowest, k.rank+1)
	}
	for i := range a.in.Parts {
		p := &a.in.Parts[i]
		marks := p.marks
		at := place{part: p}
		for pc := p.Start; pc < p.end(); {
			if marks[pc-p.Start]&isStart != 0 {
				at.jumped = nil
			}
			if marks[pc-p.Start]&isIndirect != 0 {
				at.passed(a.indirect[pc])
			}
			if marks[pc-p.Start]&(isInst|isReached) != isInst {
				pc++
				continue
			}
			inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
			if ok && !padding(&inst, p.Code[pc-p.Start:]) {
				at.pc, at.inst = pc, inst
				begin(&at)
				a.drain()
			}
			pc++
		}
	}
}

// jumpedTo takes code for the target of the indirect jump before it.
func (a *analysis) jumpedTo(at *place) {
	if at.jumped != nil && at.inst.Op != x86.Entry {
		a.arrive(edge{at.pc, *at.jumped, a.lowest})
	}
}

// unreferred takes code for a function that is called by address alone, or never.
func (a *analysis) unreferred(at *place) {
	if !a.in.within(at.pc) && !a.is(at.pc, isLeader) && a.is(at.pc, isClosed) &&
		(at.pc%alignment == 0 || makesFrame(at.part.Code[at.pc-at.part.Start:])) {
		a.start(at.pc)
		a.enter(at.part, at.pc)
	}
}
