package unwind

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	exprDerefText = regexp.MustCompile(`^DW_OP_breg(\d+) \(\w+\): (-?\d+); DW_OP_deref(?:; DW_OP_plus_uconst: (\d+))?$`)
	exprPlainText = regexp.MustCompile(`^DW_OP_breg(\d+) \(\w+\): (-?\d+)$`)
	exprPLTText   = regexp.MustCompile(`^DW_OP_breg7 \(rsp\): (\d+); DW_OP_breg16 \(rip\): 0; DW_OP_lit15; DW_OP_and; DW_OP_lit(\d+); DW_OP_ge; DW_OP_lit3; DW_OP_shl; DW_OP_plus$`)
	registerText  = regexp.MustCompile(`^r\d+$`) // by its DWARF number
	columnText    = regexp.MustCompile(`^([a-z]\w*?)([+-]\d+)$`)
)

var dwarfRegister = map[string]int64{
	"rax": 0, "rdx": 1, "rcx": 2, "rbx": 3, "rsi": 4, "rdi": 5,
	"r8": 8, "r9": 9, "r10": 10, "r11": 11, "r12": 12, "r13": 13, "r14": 14, "r15": 15,
}

// want returns the rule that a readelf row stands for. It follows the documentation of Rule,
// not the code under test.
func (row readelfRow) want(raw *readelfRaw) Rule {
	if raw == nil {
		raw = &readelfRaw{}
	}
	if row.ra == "u" {
		return Rule{CFA: CFAEnd}
	}
	rbpText := before(raw.rbp, row.pc)
	if row.ra == "exp" && row.rsp == "exp" && row.rbp == "exp" && rbpText == "DW_OP_breg7 (rsp): 120" {
		return Rule{CFA: CFASignal}
	}
	if row.rsp != "" && row.rsp != "u" {
		return Rule{}
	}
	r := wantCFA(row.cfa, before(raw.cfa, row.pc))
	switch {
	case row.ra == "c-8" || r.CFA == CFAUnknown:
	case registerText.MatchString(row.ra) && r.CFA == CFARSP:
		r = Rule{CFA: CFARARegister, CFAOffset: r.CFAOffset<<16 | int32(number(row.ra[1:]))}
	default:
		return Rule{}
	}
	if r.CFA == CFAUnknown {
		return r
	}
	switch m := columnText.FindStringSubmatch(row.rbp); {
	case row.rbp == "u" && raw.rbpUndef[row.pc]:
		r.RBP = RBPUndefined
	case row.rbp == "" || row.rbp == "u" || row.rbp == "s":
	case m != nil && m[1] == "c":
		r.RBP, r.RBPOffset = RBPAtCFA, int16(number(m[2]))
	case row.rbp == "exp" && strings.HasPrefix(rbpText, "DW_OP_breg6 ") && exprPlainText.MatchString(rbpText):
		r.RBP, r.RBPOffset = RBPExpression, int16(number(exprPlainText.FindStringSubmatch(rbpText)[2]))
	default:
		r.RBP = RBPUndefined
	}
	return r
}

func wantCFA(column, expression string) Rule {
	if column == "exp" {
		if m := exprPLTText.FindStringSubmatch(expression); m != nil {
			return Rule{CFA: CFAPLT, CFAOffset: int32(number(m[1])<<16 | number(m[2]))}
		}
		m := exprDerefText.FindStringSubmatch(expression)
		kind, ok := map[string]CFAKind{"6": CFADerefRBP, "7": CFADerefRSP}[append(m, "", "")[1]]
		if !ok {
			return Rule{}
		}
		return Rule{CFA: kind, CFAOffset: int32(number(m[2])<<16 | number(m[3]))}
	}
	m := columnText.FindStringSubmatch(column)
	if m == nil {
		panic(fmt.Sprintf("column CFA %q", column))
	}
	off := number(m[2])
	switch m[1] {
	case "rsp":
		return Rule{CFA: CFARSP, CFAOffset: int32(off)}
	case "rbp":
		return Rule{CFA: CFARBP, CFAOffset: int32(off)}
	}
	return Rule{CFA: CFARegister, CFAOffset: int32(off<<16 | dwarfRegister[m[1]])}
}

// number parses a signed decimal number; an absent one is 0.
func number(s string) int64 {
	v, _ := strconv.ParseInt(s, 10, 64)
	return v
}

// wantCache caches the rules of rows that depend only on their columns.
type wantCache map[readelfRow]Rule

func (cache wantCache) of(row readelfRow, raw *readelfRaw) Rule {
	if raw != nil {
		return row.want(raw)
	}
	row.pc = 0
	want, ok := cache[row]
	if !ok {
		want = row.want(nil)
		cache[row] = want
	}
	return want
}
