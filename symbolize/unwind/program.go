package unwind

import "math/bits"

// These are the call frame instructions (DWARF 5, 7.24). The first three keep an operand in
// their low six bits.
const (
	cfaAdvanceLoc = 0x40
	cfaOffset     = 0x80
	cfaRestore    = 0xc0

	cfaNop            = 0x00
	cfaSetLoc         = 0x01
	cfaAdvanceLoc1    = 0x02
	cfaAdvanceLoc2    = 0x03
	cfaAdvanceLoc4    = 0x04
	cfaOffsetExt      = 0x05
	cfaRestoreExt     = 0x06
	cfaUndefined      = 0x07
	cfaSameValue      = 0x08
	cfaRegister       = 0x09
	cfaRememberState  = 0x0a
	cfaRestoreState   = 0x0b
	cfaDefCFA         = 0x0c
	cfaDefCFARegister = 0x0d
	cfaDefCFAOffset   = 0x0e
	cfaDefCFAExpr     = 0x0f
	cfaExpression     = 0x10
	cfaOffsetExtSF    = 0x11
	cfaDefCFASF       = 0x12
	cfaDefCFAOffsetSF = 0x13
	cfaValOffset      = 0x14
	cfaValOffsetSF    = 0x15
	cfaValExpression  = 0x16
	cfaAdvanceLoc8    = 0x1d // DW_CFA_MIPS_advance_loc8, known to all unwinders
	cfaGNUArgsSize    = 0x2e // about landing pads, meaningless for a walk
	cfaGNUNegOffset   = 0x2f // DW_CFA_GNU_negative_offset_extended
)

// program runs the call frame instructions of a CIE or an FDE.
type program struct {
	cur     state
	initial *state // the state after the CIE, to which restore goes back
	cie     *cie
	code    cursor
	bases   bases
	loc     uint64
	stack   []state // of remember_state; the next FDE reuses its memory
}

// run executes instructions until the next row starts or the code ends, and returns the
// address of that row. more is false at the end of the code, and ok is false if an instruction
// cannot be executed.
func (p *program) run() (next uint64, more, ok bool) {
	for p.code.more() {
		op := p.code.u8()
		switch op & 0xc0 {
		case cfaAdvanceLoc:
			return p.advance(uint64(op & 0x3f))
		case cfaOffset:
			p.save(uint64(op&0x3f), saved{kind: saveOffset, off: p.factored(p.code.uleb())})
			continue
		case cfaRestore:
			p.restore(uint64(op & 0x3f))
			continue
		}
		switch op {
		case cfaNop:
		case cfaSetLoc:
			next := p.code.pointer(p.cie.pointerEnc, p.bases)
			return next, true, !p.code.bad && next >= p.loc
		case cfaAdvanceLoc1:
			return p.advance(uint64(p.code.u8()))
		case cfaAdvanceLoc2:
			return p.advance(uint64(p.code.u16()))
		case cfaAdvanceLoc4:
			return p.advance(uint64(p.code.u32()))
		case cfaAdvanceLoc8:
			return p.advance(p.code.u64())
		default:
			if !p.execute(op) {
				return 0, false, false
			}
		}
	}
	return 0, false, !p.code.bad
}

// advance moves on by delta times the code alignment factor. It fails if that leaves the
// address space.
func (p *program) advance(delta uint64) (next uint64, more, ok bool) {
	high, delta := bits.Mul64(delta, p.cie.codeAlign)
	next, carry := bits.Add64(p.loc, delta, 0)
	return next, true, !p.code.bad && high == 0 && carry == 0
}

// execute runs an instruction that does not move on. It returns false for one that is unknown
// or cannot be executed; a truncated one sets p.code.bad.
func (p *program) execute(op uint8) bool {
	c := &p.code
	switch op {
	case cfaDefCFA, cfaDefCFASF, cfaDefCFARegister, cfaDefCFAOffset, cfaDefCFAOffsetSF, cfaDefCFAExpr:
		p.defineCFA(op)
	case cfaOffsetExt:
		p.save(c.uleb(), saved{kind: saveOffset, off: p.factored(c.uleb())})
	case cfaOffsetExtSF:
		p.save(c.uleb(), saved{kind: saveOffset, off: p.factored(uint64(c.sleb()))})
	case cfaGNUNegOffset:
		p.save(c.uleb(), saved{kind: saveOffset, off: -p.factored(c.uleb())})
	case cfaValOffset:
		p.save(c.uleb(), saved{kind: saveValOffset, off: p.factored(c.uleb())})
	case cfaValOffsetSF:
		p.save(c.uleb(), saved{kind: saveValOffset, off: p.factored(uint64(c.sleb()))})
	case cfaUndefined:
		p.save(c.uleb(), saved{kind: saveUndefined})
	case cfaSameValue:
		p.save(c.uleb(), saved{kind: saveSame})
	case cfaRegister:
		p.save(c.uleb(), saved{kind: saveRegister, reg: registerNumber(c.uleb())})
	case cfaExpression:
		p.save(c.uleb(), savedAt(c.block(c.uleb())))
	case cfaValExpression:
		p.save(c.uleb(), saved{kind: saveOther})
		c.skip(c.uleb())
	case cfaRestoreExt:
		p.restore(c.uleb())
	case cfaRememberState:
		if len(p.stack) == maxRemembered {
			return false
		}
		p.stack = append(p.stack, p.cur)
	case cfaRestoreState:
		if len(p.stack) == 0 {
			return false
		}
		p.cur = p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
	case cfaGNUArgsSize:
		c.uleb()
	default:
		return false
	}
	return true
}

// defineCFA runs the instructions that define the CFA. Those that give the register end an
// expression. Those that give only the offset do not: GCC's unwinder (libgcc/unwind-dw2.c) and
// binutils read them that way.
func (p *program) defineCFA(op uint8) {
	c, s := &p.code, &p.cur
	switch op {
	case cfaDefCFA:
		s.cfaReg, s.cfaOff, s.cfaExpr = registerNumber(c.uleb()), int64(c.uleb()), expr{}
	case cfaDefCFASF:
		s.cfaReg, s.cfaOff, s.cfaExpr = registerNumber(c.uleb()), p.factored(uint64(c.sleb())), expr{}
	case cfaDefCFARegister:
		s.cfaReg, s.cfaExpr = registerNumber(c.uleb()), expr{}
	case cfaDefCFAOffset:
		s.cfaOff = int64(c.uleb())
	case cfaDefCFAOffsetSF:
		s.cfaOff = p.factored(uint64(c.sleb()))
	case cfaDefCFAExpr:
		s.cfaExpr = parseExpr(c.block(c.uleb()))
	}
}

// factored applies the data alignment factor.
func (p *program) factored(v uint64) int64 { return int64(v) * p.cie.dataAlign }

// save sets the rule of a register.
func (p *program) save(number uint64, rule saved) {
	if r := p.cur.register(number); r != nil {
		*r = rule
	}
}

// restore resets the rule of a register to the CIE's.
func (p *program) restore(number uint64) {
	if r := p.cur.register(number); r != nil {
		*r = *p.initial.register(number)
	}
}

// savedAt returns the rule for a register saved at the address that an expression yields.
func savedAt(code []byte) saved {
	if e := parseExpr(code); e.kind == exprOffset {
		return saved{kind: saveAt, reg: e.reg, off: e.off}
	}
	return saved{kind: saveOther}
}

// registerNumber narrows a DWARF register number.
func registerNumber(v uint64) uint8 {
	if v > regUnknown {
		return regUnknown
	}
	return uint8(v)
}
