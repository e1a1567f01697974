package unwind

import "testing"

func TestParseExpr(t *testing.T) {
	plt := func(lit, shift byte) []byte {
		return []byte{
			opBreg0 + regRSP, 8, opBreg0 + regRIP, 0, opLit0 + 15, opAnd,
			opLit0 + lit, opGE, opLit0 + shift, opShl, opPlus,
		}
	}
	for _, test := range []struct {
		name string
		code []byte
		want expr
	}{
		{"empty", nil, expr{kind: exprOther}},
		{"breg", []byte{opBreg0 + 6, 0x70}, expr{kind: exprOffset, reg: 6, off: -16}},
		{"breg without operand", []byte{opBreg0 + 6}, expr{kind: exprOther}},
		{"breg, plus", []byte{opBreg0 + 7, 8, opPlusUconst, 8}, expr{kind: exprOffset, reg: 7, off: 16}},
		{"deref", []byte{opBreg0 + 6, 0x58, opDeref}, expr{kind: exprDeref, reg: 6, off: -40}},
		{"deref, plus", []byte{opBreg0 + 7, 0x90, 0x02, opDeref, opPlusUconst, 8}, expr{kind: exprDeref, reg: 7, off: 272, add: 8}},
		{"deref twice", []byte{opBreg0 + 7, 8, opDeref, opDeref}, expr{kind: exprOther}},
		{"indexed", []byte{opBreg0 + 7, 8, opBreg0 + 9, 0, opLit0 + 8, 0x1e, opPlus, opDeref}, expr{kind: exprOther}},
		{"PLT", plt(11, 3), expr{kind: exprPLT, reg: 7, off: 8, add: 11}},
		{"PLT with endbr64", plt(9, 3), expr{kind: exprPLT, reg: 7, off: 8, add: 9}},
		{"PLT of x32", plt(11, 2), expr{kind: exprOther}},
		{"PLT and more", append(plt(11, 3), opDeref), expr{kind: exprOther}},
		{"PLT cut short", plt(11, 3)[:10], expr{kind: exprOther}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parseExpr(test.code); got != test.want {
				t.Errorf("parseExpr(%x) = %+v, want %+v", test.code, got, test.want)
			}
		})
	}
}
