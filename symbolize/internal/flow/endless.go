package flow

import "memtrace/symbolize/internal/x86"

// findEndless finds the functions that do not return: those of other files by their names, and
// those that have no way to a return but through such functions.
func (a *analysis) findEndless() {
	const rounds = 4 // how deep the calls may be nested: abort, assert ...
	// In real code functions hardly overlap.
	for i := range a.in.Parts {
		a.patience += 4 * rounds * len(a.in.Parts[i].Code)
	}
	for range rounds {
		before := len(a.endless)
		for i := range a.in.Parts {
			p := &a.in.Parts[i]
			for at, mark := range p.marks {
				if pc := p.Start + uint64(at); mark&isStart != 0 && !a.endless[pc] && !a.mayReturn(pc) {
					a.endless[pc] = true
				}
			}
		}
		if len(a.endless) == before {
			return
		}
	}
}

// mayReturn reports whether a way leads from a function's start out of it.
func (a *analysis) mayReturn(start uint64) bool {
	seen, left := []uint64(nil), []uint64{start}
	defer func() {
		for _, pc := range seen {
			p := a.in.part(pc)
			p.marks[pc-p.Start] &^= isSeen
		}
	}()
	for len(left) > 0 {
		pc := left[len(left)-1]
		left = left[:len(left)-1]
		p := a.in.part(pc)
		if p == nil {
			return true // a jump to code that is not analysed
		}
		marks := p.marks
		for pc < p.end() && marks[pc-p.Start]&isSeen == 0 {
			inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
			if a.patience--; !ok || a.patience < 0 {
				return true
			}
			marks[pc-p.Start] |= isSeen
			seen = append(seen, pc)
			on, returns := a.goesOn(&inst, pc, start, &left)
			if returns {
				return true
			}
			if !on {
				break
			}
			pc += uint64(inst.Len)
		}
	}
	return false
}

// goesOn reports whether the way goes on behind an instruction, and whether it leads out of the
// function. It adds other ways to left.
func (a *analysis) goesOn(inst *x86.Inst, pc, start uint64, left *[]uint64) (on, returns bool) {
	switch inst.Op {
	case x86.Ret:
		return false, true
	case x86.Trap:
		return false, false
	case x86.JumpIndirect:
		to := a.switches[pc]
		*left = append(*left, to...)
		return false, len(to) == 0 && !a.in.NoReturn[inst.Target]
	case x86.Jump, x86.Branch:
		if inst.Target != start && a.is(inst.Target, isStart) {
			if !a.endless[inst.Target] {
				return false, true
			}
		} else {
			*left = append(*left, inst.Target)
		}
		return inst.Op == x86.Branch, false
	case x86.Call:
		return !a.isEndless(inst.Target), false
	}
	return true, false
}

// isEndless reports whether a call does not return, also one of a function of another file, by
// way of the procedure linkage table.
func (a *analysis) isEndless(pc uint64) bool {
	endless, known := a.endless[pc]
	if known || a.in.part(pc) != nil {
		return endless
	}
	const stub = 16
	at := pc
	for code := a.in.Read(pc, stub); ; {
		inst, ok := x86.Decode(code, at)
		if !ok || inst.Op != x86.Entry && inst.Op != x86.JumpIndirect {
			break
		}
		if inst.Op == x86.JumpIndirect {
			endless = a.in.NoReturn[inst.Target]
			break
		}
		code, at = code[inst.Len:], at+uint64(inst.Len)
	}
	a.endless[pc] = endless
	return endless
}
