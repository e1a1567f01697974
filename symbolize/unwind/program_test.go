package unwind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Many tests expect the following rules.
func rsp(off int32) Rule { return Rule{CFA: CFARSP, CFAOffset: off} }

func rspSaved(off int32, rbp int16) Rule {
	return Rule{CFA: CFARSP, RBP: RBPAtCFA, RBPOffset: rbp, CFAOffset: off}
}

func rspLost(off int32) Rule { return Rule{CFA: CFARSP, RBP: RBPUndefined, CFAOffset: off} }

func halves(kind CFAKind, hi, lo int32) Rule {
	return Rule{CFA: kind, CFAOffset: hi<<16 | lo&0xffff}
}

// TestInstructions runs each call frame instruction in an FDE of 100 bytes.
func TestInstructions(t *testing.T) {
	const next = cfaAdvanceLoc | 1
	end := pcRule{100, Rule{}}
	for _, test := range []struct {
		name string
		code []byte
		want []pcRule
		lost Reason // the reason for the one row not used; 0xff for none
	}{
		{"none", nil, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"nop", []byte{cfaNop, cfaNop}, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"advance_loc", []byte{cfaAdvanceLoc | 3, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, {3, rsp(16)}, end}, 0xff},
		{"advance_loc 0", []byte{cfaAdvanceLoc, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(16)}, end}, 0xff},
		{"advance_loc1", []byte{cfaAdvanceLoc1, 70, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, {70, rsp(16)}, end}, 0xff},
		{"advance_loc2", []byte{cfaAdvanceLoc2, 71, 0, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, {71, rsp(16)}, end}, 0xff},
		{"advance_loc4", []byte{cfaAdvanceLoc4, 72, 0, 0, 0, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, {72, rsp(16)}, end}, 0xff},
		{"advance_loc8", []byte{cfaAdvanceLoc8, 73, 0, 0, 0, 0, 0, 0, 0, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, {73, rsp(16)}, end}, 0xff},
		{"advance to the end", []byte{cfaAdvanceLoc1, 100, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"advance beyond", []byte{cfaAdvanceLoc2, 0, 9, cfaDefCFAOffset, 16}, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"offset", []byte{cfaOffset | regRBP, 2}, []pcRule{{0, rspSaved(8, -16)}, end}, 0xff},
		{"offset of rbx", []byte{cfaOffset | 3, 2}, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"offset too far", []byte{cfaOffset | regRBP, 0x81, 0x20}, []pcRule{{0, rspLost(8)}, end}, ReasonRBP},
		{"offset_extended", []byte{cfaOffsetExt, regRBP, 3}, []pcRule{{0, rspSaved(8, -24)}, end}, 0xff},
		{"offset_extended_sf", []byte{cfaOffsetExtSF, regRBP, 0x7e}, []pcRule{{0, rspSaved(8, 16)}, end}, 0xff},
		{"negative_offset_extended", []byte{cfaGNUNegOffset, regRBP, 4}, []pcRule{{0, rspSaved(8, 32)}, end}, 0xff},
		{"restore", []byte{cfaOffset | regRBP, 2, next, cfaRestore | regRBP}, []pcRule{{0, rspSaved(8, -16)}, {1, rsp(8)}, end}, 0xff},
		{"restore_extended", []byte{cfaOffset | regRBP, 2, next, cfaRestoreExt, regRBP}, []pcRule{{0, rspSaved(8, -16)}, {1, rsp(8)}, end}, 0xff},
		{"restore of rip", []byte{cfaUndefined, regRIP, next, cfaRestore | regRIP}, []pcRule{{0, Rule{CFA: CFAEnd}}, {1, rsp(8)}, end}, 0xff},
		{"undefined rbp", []byte{cfaUndefined, regRBP}, []pcRule{{0, rspLost(8)}, end}, 0xff},
		{"undefined rip", []byte{cfaUndefined, regRIP}, []pcRule{{0, Rule{CFA: CFAEnd}}, end}, 0xff},
		{"same_value", []byte{cfaOffset | regRBP, 2, next, cfaSameValue, regRBP}, []pcRule{{0, rspSaved(8, -16)}, {1, rsp(8)}, end}, 0xff},
		{"register rbp", []byte{cfaRegister, regRBP, 9}, []pcRule{{0, rspLost(8)}, end}, ReasonRBP},
		{"register rip", []byte{cfaDefCFAOffset, 0, cfaRegister, regRIP, 5}, []pcRule{{0, halves(CFARARegister, 0, 5)}, end}, 0xff},
		{"register rip, CFA from rbx", []byte{cfaDefCFARegister, 3, cfaRegister, regRIP, 5}, nil, ReasonReturnAddress},
		{"register rsp", []byte{cfaRegister, regRSP, 8}, nil, ReasonStackPointer},
		{"rip elsewhere", []byte{cfaOffset | regRIP, 2}, nil, ReasonReturnAddress},
		{"val_offset rsp", []byte{cfaValOffset, regRSP, 0}, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"val_offset_sf rsp", []byte{cfaValOffsetSF, regRSP, 1}, nil, ReasonStackPointer},
		{"val_expression", []byte{cfaValExpression, regRBP, 2, opBreg0 + 7, 8}, []pcRule{{0, rspLost(8)}, end}, ReasonRBP},
		{"expression", []byte{cfaExpression, regRBP, 2, opBreg0 + regRBP, 0x78}, []pcRule{{0, Rule{CFARSP, RBPExpression, -8, 8}}, end}, 0xff},
		{"remember_state", []byte{
			cfaRememberState, next, cfaDefCFA, regRBP, 16, cfaOffset | regRBP, 2, next, cfaRestoreState,
		}, []pcRule{{0, rsp(8)}, {1, Rule{CFARBP, RBPAtCFA, -16, 16}}, {2, rsp(8)}, end}, 0xff},
		{"restore_state alone", []byte{cfaRestoreState}, nil, ReasonInstruction},
		{"def_cfa", []byte{cfaDefCFA, regRBP, 16}, []pcRule{{0, Rule{CFA: CFARBP, CFAOffset: 16}}, end}, 0xff},
		{"def_cfa other", []byte{cfaDefCFA, 10, 0}, []pcRule{{0, halves(CFARegister, 0, 10)}, end}, 0xff},
		{"def_cfa vector register", []byte{cfaDefCFA, 17, 0}, nil, ReasonCFARegister},
		{"def_cfa large", []byte{cfaDefCFAOffset, 0xd0, 0xad, 0x0d}, []pcRule{{0, rsp(218832)}, end}, 0xff},
		{"def_cfa too large", []byte{cfaDefCFAOffset, 0x80, 0x80, 0x80, 0x80, 0x10}, nil, ReasonRange},
		{"def_cfa_sf", []byte{cfaDefCFASF, regRBP, 0x7e}, []pcRule{{0, Rule{CFA: CFARBP, CFAOffset: 16}}, end}, 0xff},
		{"def_cfa_register", []byte{cfaDefCFARegister, regRBP}, []pcRule{{0, Rule{CFA: CFARBP, CFAOffset: 8}}, end}, 0xff},
		{"def_cfa_offset", []byte{cfaDefCFAOffset, 24}, []pcRule{{0, rsp(24)}, end}, 0xff},
		{"def_cfa_offset_sf", []byte{cfaDefCFAOffsetSF, 0x7d}, []pcRule{{0, rsp(24)}, end}, 0xff},
		{"def_cfa_expression", []byte{cfaDefCFAExpr, 3, opBreg0 + regRBP, 0x70, opDeref}, []pcRule{{0, halves(CFADerefRBP, -16, 0)}, end}, 0xff},
		{"GNU_args_size", []byte{cfaGNUArgsSize, 32}, []pcRule{{0, rsp(8)}, end}, 0xff},
		{"unknown", []byte{next, cfaDefCFAOffset, 16, next, 0x3c}, []pcRule{{0, rsp(8)}, {1, rsp(16)}, {2, Rule{}}}, ReasonInstruction},
		{"truncated", []byte{next, cfaDefCFA, 7}, []pcRule{{0, rsp(8)}, {1, Rule{}}}, ReasonInstruction},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s ehFrame
			s.fde(s.cie(cieSpec{}), textAddress, 100, test.code...)
			d := new(Dictionary)
			table, stats := s.build(d)
			checkTable(t, table, d)
			if diff := cmp.Diff(test.want, table.changes(t, d), cmp.AllowUnexported(pcRule{})); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			var unsupported [NumReasons]int
			if test.lost != 0xff {
				unsupported[test.lost] = 1
			}
			if diff := cmp.Diff(unsupported, stats.Unsupported); diff != "" {
				t.Errorf("unsupported (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSetLoc(t *testing.T) {
	const start = textAddress + 0x100
	code := func(target uint64, at int) []byte {
		delta := uint32(target - uint64(sectionAddress+at))
		return []byte{cfaSetLoc, byte(delta), byte(delta >> 8), byte(delta >> 16), byte(delta >> 24), cfaDefCFAOffset, 16}
	}
	for _, test := range []struct {
		name   string
		target uint64
		want   []pcRule
	}{
		{"forward", start + 32, []pcRule{{0x100, rsp(8)}, {0x120, rsp(16)}, {0x150, Rule{}}}},
		{"backward", start - 32, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s ehFrame
			cie := s.cie(cieSpec{})
			s.fde(cie, start, 0x50, code(test.target, len(s)+4+4+4+4+1+1)...)
			d := new(Dictionary)
			table, _ := s.build(d)
			if diff := cmp.Diff(test.want, table.changes(t, d), cmp.AllowUnexported(pcRule{})); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRememberDepth checks that states nest up to the limit but no deeper.
func TestRememberDepth(t *testing.T) {
	for depth, want := range map[int]Rule{maxRemembered: rsp(8), maxRemembered + 1: {}} {
		var s ehFrame
		code := make([]byte, depth)
		for i := range code {
			code[i] = cfaRememberState
		}
		s.fde(s.cie(cieSpec{}), textAddress, 16, code...)
		d := new(Dictionary)
		table, _ := s.build(d)
		if got := d.Rules()[table.Lookup(textAddress, d.Rules())]; got != want {
			t.Errorf("depth %d: rule %v, want %v", depth, got, want)
		}
	}
}
