package unwind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLayout checks gaps, merging, overlaps and the order of FDEs.
func TestLayout(t *testing.T) {
	type fde struct {
		offset uint64
		size   uint32
		code   []byte
	}
	cfa16 := []byte{cfaDefCFAOffset, 16}
	for _, test := range []struct {
		name    string
		fdes    []fde
		want    []pcRule
		covered uint64
		reason  Reason
		count   int
	}{
		{
			name: "adjacent and equal",
			fdes: []fde{{0, 16, nil}, {16, 16, nil}},
			want: []pcRule{{0, rsp(8)}, {32, Rule{}}}, covered: 32,
		},
		{
			name: "out of order, gap",
			fdes: []fde{{64, 16, cfa16}, {0, 16, nil}},
			want: []pcRule{{0, rsp(8)}, {16, Rule{}}, {64, rsp(16)}, {80, Rule{}}}, covered: 32,
		},
		{
			name: "padding",
			fdes: []fde{{0, 17, nil}, {32, 16, cfa16}},
			want: []pcRule{{0, rsp(8)}, {32, rsp(16)}, {48, Rule{}}}, covered: 33,
		},
		{
			name: "gap as large as a function",
			fdes: []fde{{0, 16, nil}, {32, 16, nil}},
			want: []pcRule{{0, rsp(8)}, {16, Rule{}}, {32, rsp(8)}, {48, Rule{}}}, covered: 32,
		},
		{
			name: "gap before an unaligned function",
			fdes: []fde{{0, 17, nil}, {20, 16, nil}},
			want: []pcRule{{0, rsp(8)}, {17, Rule{}}, {20, rsp(8)}, {36, Rule{}}}, covered: 33,
		},
		{
			name: "duplicate: the first holds",
			fdes: []fde{{0, 16, nil}, {0, 32, cfa16}},
			want: []pcRule{{0, rsp(8)}, {16, Rule{}}}, covered: 16,
			reason: ReasonDuplicate, count: 1,
		},
		{
			name: "overlap: the later start holds",
			fdes: []fde{{0, 100, nil}, {50, 20, cfa16}},
			want: []pcRule{{0, rsp(8)}, {50, rsp(16)}, {70, Rule{}}}, covered: 70,
			reason: ReasonOverlap, count: 1,
		},
		{
			name: "outside text",
			fdes: []fde{{0, 16, nil}, {textSize - 8, 16, nil}},
			want: []pcRule{{0, rsp(8)}, {16, Rule{}}}, covered: 16,
			reason: ReasonOutside, count: 1,
		},
		{
			name: "empty FDE",
			fdes: []fde{{0, 16, nil}, {8, 0, cfa16}},
			want: []pcRule{{0, rsp(8)}, {16, Rule{}}}, covered: 16,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s ehFrame
			cie := s.cie(cieSpec{})
			for _, f := range test.fdes {
				s.fde(cie, textAddress+f.offset, f.size, f.code...)
			}
			d := new(Dictionary)
			table, stats := s.build(d)
			checkTable(t, table, d)
			if diff := cmp.Diff(test.want, table.changes(t, d), cmp.AllowUnexported(pcRule{})); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if stats.CoveredBytes != test.covered {
				t.Errorf("CoveredBytes = %d, want %d", stats.CoveredBytes, test.covered)
			}
			var unsupported [NumReasons]int
			unsupported[test.reason] = test.count
			if diff := cmp.Diff(unsupported, stats.Unsupported); diff != "" {
				t.Errorf("unsupported (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPages checks rows at, before and across the boundaries of pages.
func TestPages(t *testing.T) {
	var s ehFrame
	cie := s.cie(cieSpec{})
	s.fde(cie, textAddress+0x1_8000, 0x2_8000, // up to the end of the fourth page
		cfaAdvanceLoc4, 0, 0x80, 0, 0, cfaDefCFAOffset, 16, // at the start of the third
		cfaAdvanceLoc4, 0xff, 0xff, 1, 0, cfaDefCFAOffset, 24) // at the fourth's last byte
	d := new(Dictionary)
	table, _ := s.build(d)
	checkTable(t, table, d)
	want := &Table{
		Base:  textAddress + 0x1_0000,
		Pages: []uint32{0, 2, 3, 5},
		Rows:  []uint32{0, 1<<16 | 0x8000, 2 << 16, 2 << 16, 3<<16 | 0xffff},
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	for _, at := range []struct {
		pc   uint64
		want uint16
	}{
		{0, 0},
		{textAddress + 0x1_7fff, 0},
		{textAddress + 0x1_8000, 1},
		{textAddress + 0x1_ffff, 1},
		{textAddress + 0x2_0000, 2},
		{textAddress + 0x3_fffe, 2},
		{textAddress + 0x3_ffff, 3},
		{textAddress + 0x4_0000, 0},
		{1<<64 - 1, 0},
	} {
		if got := table.Lookup(at.pc, d.Rules()); got != at.want {
			t.Errorf("Lookup(%#x) = %d, want %d", at.pc, got, at.want)
		}
	}
}

func TestEmptyTable(t *testing.T) {
	d := new(Dictionary)
	table, _ := ehFrame(nil).build(d)
	checkTable(t, table, d)
	for _, pc := range []uint64{0, textAddress, 1<<64 - 1} {
		if got := table.Lookup(pc, d.Rules()); got != 0 {
			t.Errorf("Lookup(%#x) = %d, want 0", pc, got)
		}
	}
}

func TestDictionary(t *testing.T) {
	d := new(Dictionary)
	if diff := cmp.Diff([]Rule{{}}, d.Rules()); diff != "" {
		t.Errorf("new dictionary (-want +got):\n%s", diff)
	}
	if i, ok := d.intern(Rule{}); i != 0 || !ok {
		t.Errorf("index of the Unknown rule: %d, %t", i, ok)
	}
	for i := 1; i < maxRules; i++ {
		if got, ok := d.intern(rsp(int32(i))); int(got) != i || !ok {
			t.Fatalf("index of rule %d: %d, %t", i, got, ok)
		}
	}
	if i, ok := d.intern(rsp(-1)); i != 0 || ok {
		t.Errorf("index of a rule too many: %d, %t", i, ok)
	}
	if i, ok := d.intern(rsp(7)); i != 7 || !ok {
		t.Errorf("index of an old rule: %d, %t", i, ok)
	}

	var s ehFrame
	s.fde(s.cie(cieSpec{}), textAddress, 16, cfaDefCFARegister, regRBP, cfaAdvanceLoc|4, cfaDefCFA, regRSP, 16)
	table, stats := s.build(d)
	want := []pcRule{{4, rsp(16)}, {16, Rule{}}}
	if diff := cmp.Diff(want, table.changes(t, d), cmp.AllowUnexported(pcRule{})); diff != "" {
		t.Errorf("rows with a full dictionary (-want +got):\n%s", diff)
	}
	if n := stats.Unsupported[ReasonDictionary]; n != 1 {
		t.Errorf("%d rows counted for the full dictionary, want 1", n)
	}
}

func TestRuleHalves(t *testing.T) {
	for _, v := range [][2]int64{{0, 0}, {-8, 8}, {32767, -32768}, {-32768, 32767}, {40, -1}} {
		r, ok := halvesRule(CFADerefRSP, v[0], v[1])
		if hi, lo := r.Halves(); !ok || int64(hi) != v[0] || int64(lo) != v[1] {
			t.Errorf("halves %v come back as %d, %d", v, hi, lo)
		}
	}
	for _, v := range [][2]int64{{32768, 0}, {0, -32769}} {
		if r, ok := halvesRule(CFADerefRSP, v[0], v[1]); ok {
			t.Errorf("halves %v are taken as %v", v, r)
		}
	}
}
