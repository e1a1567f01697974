package unwind

// DWARF register numbers of x86-64 (psABI, figure 3.36).
const (
	regRBP     = 6
	regRSP     = 7
	regR15     = 15
	regRIP     = 16 // the return address column
	regUnknown = 255
)

// saveKind says where the caller's value of a register is (DWARF 5, 6.4.1).
type saveKind uint8

const (
	saveUnset     saveKind = iota // no instruction named the register
	saveUndefined                 // not recoverable
	saveSame                      // still in the register
	saveOffset                    // in memory at CFA + off
	saveValOffset                 // equals CFA + off
	saveRegister                  // in register reg
	saveAt                        // in memory at reg + off
	saveOther                     // an expression of unknown form
)

// saved is the rule for one register.
type saved struct {
	off  int64
	kind saveKind
	reg  uint8
}

// state is one row of an FDE, reduced to the registers that a walk needs.
type state struct {
	cfaOff        int64 // kept when an expression is set, as GCC's unwinder does
	cfaExpr       expr  // in force unless its kind is exprNone
	cfaReg        uint8
	rbp, rsp, rip saved
}

// register returns the rule for the register with that DWARF number, or nil if a walk does not
// need the register.
func (s *state) register(number uint64) *saved {
	switch number {
	case regRBP:
		return &s.rbp
	case regRSP:
		return &s.rsp
	case regRIP:
		return &s.rip
	}
	return nil
}

// rule expresses the row as a Rule. ok is false if something was lost; reason says why. With
// ReasonRBP the rule is still usable, otherwise it is the zero Rule.
func (s *state) rule() (r Rule, reason Reason, ok bool) {
	if s.rip.kind == saveUndefined {
		return Rule{CFA: CFAEnd}, 0, true
	}
	if r, ok := s.signalRule(); ok {
		return r, 0, true
	}
	if s.rsp.kind != saveUnset && (s.rsp.kind != saveValOffset || s.rsp.off != 0) {
		return Rule{}, ReasonStackPointer, false
	}
	if r, reason, ok = s.cfaRule(); !ok {
		return Rule{}, reason, false
	}
	if s.rip.kind != saveOffset || s.rip.off != -8 {
		if s.rip.kind != saveRegister || s.rip.reg > regR15 || r.CFA != CFARSP {
			return Rule{}, ReasonReturnAddress, false
		}
		if r, ok = halvesRule(CFARARegister, s.cfaOff, int64(s.rip.reg)); !ok {
			return Rule{}, ReasonRange, false
		}
	}
	r.RBP, r.RBPOffset, ok = s.rbpRule()
	return r, ReasonRBP, ok
}

// signalRule recognises the return trampoline of a signal handler by its expressions: rip, rsp
// and rbp are at their places in one ucontext that rsp points to. It ignores the augmentation
// 'S'. That only says how to look up the return address, and hand-written code may have one
// without the other.
func (s *state) signalRule() (Rule, bool) {
	if s.rip.kind != saveAt || s.rip.reg != regRSP {
		return Rule{}, false
	}
	context := s.rip.off - SignalRIP
	rspSaved := saved{kind: saveAt, reg: regRSP, off: context + SignalRSP}
	rbpSaved := saved{kind: saveAt, reg: regRSP, off: context + SignalRBP}
	cfa := expr{kind: exprDeref, reg: regRSP, off: context + SignalRSP}
	if s.rbp != rbpSaved || s.rsp != rspSaved && (s.rsp.kind != saveUnset || s.cfaExpr != cfa) {
		return Rule{}, false
	}
	if !fitsInt32(context) {
		return Rule{}, false
	}
	return Rule{CFA: CFASignal, CFAOffset: int32(context)}, true
}

// cfaRule returns a rule with the fields for the CFA set.
func (s *state) cfaRule() (r Rule, reason Reason, ok bool) {
	reg, off := s.cfaReg, s.cfaOff
	switch e := s.cfaExpr; e.kind {
	case exprNone:
	case exprOffset:
		reg, off = e.reg, e.off
	case exprPLT:
		r, ok = halvesRule(CFAPLT, e.off, e.add)
		return r, ReasonRange, ok
	case exprDeref:
		kind := CFADerefRSP
		switch e.reg {
		case regRSP:
		case regRBP:
			kind = CFADerefRBP
		default:
			return Rule{}, ReasonCFAExpression, false
		}
		r, ok = halvesRule(kind, e.off, e.add)
		return r, ReasonRange, ok
	default:
		return Rule{}, ReasonCFAExpression, false
	}
	switch {
	case reg > regR15:
		return Rule{}, ReasonCFARegister, false
	case reg != regRSP && reg != regRBP:
		r, ok = halvesRule(CFARegister, off, int64(reg))
		return r, ReasonRange, ok
	case !fitsInt32(off):
		return Rule{}, ReasonRange, false
	case reg == regRBP:
		return Rule{CFA: CFARBP, CFAOffset: int32(off)}, 0, true
	}
	return Rule{CFA: CFARSP, CFAOffset: int32(off)}, 0, true
}

// rbpRule returns the fields for rbp. ok is false if its value is lost although the file says
// where it is. An rbp that the file calls undefined is not a loss: code with such a row does
// not return.
func (s *state) rbpRule() (kind RBPKind, off int16, ok bool) {
	switch s.rbp.kind {
	case saveUnset, saveSame:
		return RBPSame, 0, true
	case saveUndefined:
		return RBPUndefined, 0, true
	case saveOffset:
		if fitsInt16(s.rbp.off) {
			return RBPAtCFA, int16(s.rbp.off), true
		}
	case saveAt:
		if s.rbp.reg == regRBP && fitsInt16(s.rbp.off) {
			return RBPExpression, int16(s.rbp.off), true
		}
	}
	return RBPUndefined, 0, false
}
