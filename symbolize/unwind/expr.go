package unwind

// These are the operations of DWARF expressions (DWARF 5, 7.7.1) that occur in call frame
// information of x86-64.
const (
	opDeref      = 0x06
	opAnd        = 0x1a
	opPlus       = 0x22
	opPlusUconst = 0x23
	opShl        = 0x24
	opGE         = 0x2a
	opLit0       = 0x30
	opLit31      = 0x4f
	opBreg0      = 0x70
	opBreg31     = 0x8f
)

// exprKind is the form of an expression that a Rule can hold.
type exprKind uint8

const (
	exprNone   exprKind = iota // no expression
	exprOther                  // none of the forms below
	exprOffset                 // reg + off
	exprDeref                  // *(reg + off) + add
	exprPLT                    // rsp + off + ((rip & 15) >= add ? 8 : 0)
)

// expr is a DWARF expression reduced to one of the known forms.
type expr struct {
	off, add int64
	kind     exprKind
	reg      uint8
}

// parseExpr recognises the form of an expression.
func parseExpr(code []byte) expr {
	c := cursor{data: code}
	op := c.u8()
	if op < opBreg0 || op > opBreg31 {
		return expr{kind: exprOther}
	}
	e := expr{kind: exprOffset, reg: op - opBreg0, off: c.sleb()}
	if boundary, ok := parsePLT(c); ok && e.reg == regRSP {
		e.kind, e.add = exprPLT, boundary
		return e
	}
	for c.more() {
		switch op := c.u8(); {
		case op == opPlusUconst && e.kind == exprOffset:
			e.off += int64(c.uleb())
		case op == opPlusUconst && e.kind == exprDeref:
			e.add += int64(c.uleb())
		case op == opDeref && e.kind == exprOffset:
			e.kind = exprDeref
		default:
			return expr{kind: exprOther}
		}
	}
	if c.bad {
		return expr{kind: exprOther}
	}
	return e
}

// parsePLT recognises what follows "breg7 8" in the expression for the entries of a lazy PLT.
// It returns the boundary: the offset in a 16-byte entry from which the entry's first push has
// been executed. Linkers write 11 for plain entries, and other values for entries with endbr64
// or bnd (binutils, bfd/elf64-x86-64.c, elf_x86_64_eh_frame_*_plt).
func parsePLT(c cursor) (boundary int64, ok bool) {
	if c.u8() != opBreg0+regRIP || c.sleb() != 0 ||
		c.u8() != opLit0+15 || c.u8() != opAnd {
		return 0, false
	}
	lit := c.u8()
	if lit < opLit0 || lit > opLit31 {
		return 0, false
	}
	if c.u8() != opGE || c.u8() != opLit0+3 || c.u8() != opShl || c.u8() != opPlus {
		return 0, false
	}
	return int64(lit - opLit0), !c.bad && !c.more()
}
