package unwind

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAugmentation builds an FDE of each kind of CIE.
func TestAugmentation(t *testing.T) {
	personality := []byte{encIndirect | encPCRel | encS4, 1, 2, 3, 4}
	rel := uint8(encPCRel | encS4)
	for _, test := range []struct {
		name   string
		spec   cieSpec
		usable bool
	}{
		{"zR", cieSpec{}, true},
		{"zPLR", cieSpec{augmentation: "zPLR", data: slices.Concat(personality, []byte{encPCRel | encS4, rel})}, true},
		{"zPLR without personality", cieSpec{augmentation: "zPLR", data: []byte{encOmit, encOmit, rel}}, true},
		{"zRS", cieSpec{augmentation: "zRS", data: []byte{rel}}, true},
		{"unknown letter behind", cieSpec{augmentation: "zRQ", data: []byte{rel, 1, 2, 3}}, true},
		{"unknown string", cieSpec{augmentation: "armcc+"}, false},
		{"data cut short", cieSpec{augmentation: "zPR", data: personality}, false},
		{"version 3", cieSpec{version: 3}, true},
		{"version 4", cieSpec{version: 4}, true},
		{"version 2", cieSpec{version: 2}, false},
		{"other return address column", cieSpec{column: []byte{17}}, false},
		{"code with an advance", cieSpec{code: []byte{cfaAdvanceLoc | 1}}, false},
		{"code with restore", cieSpec{code: []byte{cfaDefCFA, regRSP, 8, cfaRestore | 3, cfaOffset | regRIP, 1}}, true},
		{"indirect addresses", cieSpec{data: []byte{encIndirect | rel}, augmentation: "zR"}, false},
		{"too long", cieSpec{code: make([]byte, maxCIEBytes+1)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s ehFrame
			s.fde(s.cie(test.spec), textAddress, 16)
			d := new(Dictionary)
			table, stats := s.build(d)
			want := Rule{}
			if test.usable {
				want = rsp(8)
			}
			if got := d.Rules()[table.Lookup(textAddress, d.Rules())]; got != want {
				t.Errorf("rule %v, want %v; unsupported %v", got, want, stats.Unsupported)
			}
			if lost := stats.Unsupported[ReasonCIE] + stats.Unsupported[ReasonFDE]; (lost == 0) != test.usable {
				t.Errorf("%d entries counted as not usable", lost)
			}
		})
	}
}

// TestCodeAlignment checks the factors of the CIE.
func TestCodeAlignment(t *testing.T) {
	var s ehFrame
	cie := s.cie(cieSpec{codeAlign: []byte{4}, dataAlign: []byte{0x7c}, code: []byte{cfaDefCFA, regRSP, 8, cfaOffset | regRIP, 2}})
	s.fde(cie, textAddress, 64, cfaAdvanceLoc|2, cfaOffset|regRBP, 3)
	d := new(Dictionary)
	table, _ := s.build(d)
	want := []pcRule{{0, rsp(8)}, {8, rspSaved(8, -12)}, {64, Rule{}}}
	if diff := cmp.Diff(want, table.changes(t, d), cmp.AllowUnexported(pcRule{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestPointerEncodings reads an address in every encoding at offset 4.
func TestPointerEncodings(t *testing.T) {
	const section, data = 0x1000, 0x7000
	le := binary.LittleEndian
	for _, test := range []struct {
		name string
		enc  uint8
		in   []byte
		want uint64
	}{
		{"absptr", encAbs, le.AppendUint64(nil, 0x123456789), 0x123456789},
		{"uleb", encULEB, []byte{0x80, 0x02}, 0x100},
		{"udata2", encU2, []byte{0xff, 0xff}, 0xffff},
		{"udata4", encU4, []byte{0xff, 0xff, 0xff, 0xff}, 0xffffffff},
		{"udata8", encU8, le.AppendUint64(nil, 1<<40), 1 << 40},
		{"pcrel sleb", encPCRel | encSLEB, []byte{0x7f}, section + 3},
		{"pcrel sdata2", encPCRel | encS2, []byte{0xfe, 0xff}, section + 2},
		{"pcrel sdata4", encPCRel | encS4, []byte{0xfc, 0xff, 0xff, 0xff}, section},
		{"pcrel sdata8", encPCRel | encS8, le.AppendUint64(nil, 0x10), section + 0x14},
		{"datarel sdata4", encDataRel | encS4, []byte{0xff, 0xff, 0xff, 0xff}, data - 1},
		{"pcrel null", encPCRel | encS4, []byte{0, 0, 0, 0}, 0},
		{"aligned", encAligned, le.AppendUint64([]byte{9, 9, 9, 9}, 0x55), 0x55},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := cursor{data: append(make([]byte, 4), test.in...), pos: 4}
			got := c.pointer(test.enc, bases{section, data})
			if c.bad || c.pos != len(c.data) || got != test.want {
				t.Errorf("%#x, at %d of %d, bad %t; want %#x", got, c.pos, len(c.data), c.bad, test.want)
			}
		})
	}
	for _, enc := range []uint8{encOmit, encIndirect | encPCRel | encS4, encDataRel | encS4, 0x20, 0x40, 0x05} {
		c := cursor{data: make([]byte, 16)}
		if c.pointer(enc, bases{}); !c.bad {
			t.Errorf("encoding %#x is taken", enc)
		}
	}
}

func TestLEB128(t *testing.T) {
	for _, test := range []struct {
		in    []byte
		uleb  uint64
		sleb  int64
		uFail bool
	}{
		{in: []byte{0x02}, uleb: 2, sleb: 2},
		{in: []byte{0x7f}, uleb: 127, sleb: -1},
		{in: []byte{0x80, 0x7f}, uleb: 16256, sleb: -128},
		{in: []byte{0xe5, 0x8e, 0x26}, uleb: 624485, sleb: 624485},
		{in: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, uleb: 1<<64 - 1, sleb: -1},
		{in: []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, uFail: true},
		{in: []byte{0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, uleb: 1, sleb: 1},
	} {
		u, s := cursor{data: test.in}, cursor{data: test.in}
		if got := u.uleb(); got != test.uleb || u.bad != test.uFail {
			t.Errorf("uleb(%x) = %d, bad %t; want %d", test.in, got, u.bad, test.uleb)
		}
		if got := s.sleb(); got != test.sleb || s.bad {
			t.Errorf("sleb(%x) = %d, bad %t; want %d", test.in, got, s.bad, test.sleb)
		}
	}
	for _, in := range [][]byte{nil, {0x80}, {0xff, 0xff}} {
		u, s := cursor{data: in}, cursor{data: in}
		if u.uleb(); !u.bad {
			t.Errorf("uleb(%x) does not fail", in)
		}
		if s.sleb(); !s.bad {
			t.Errorf("sleb(%x) does not fail", in)
		}
	}
}

// TestSectionEnds checks what ends the reading of a section.
func TestSectionEnds(t *testing.T) {
	build := func(between ...byte) (first, second bool, stats Stats, s frames) {
		var section ehFrame
		cie := section.cie(cieSpec{})
		section.fde(cie, textAddress, 16)
		section = append(section, between...)
		section.fde(cie, textAddress+0x100, 16)
		d := new(Dictionary)
		table, stats := section.build(d)
		return table.Lookup(textAddress, d.Rules()) != 0, table.Lookup(textAddress+0x100, d.Rules()) != 0, stats,
			frames{data: section, bases: bases{section: sectionAddress}, terminated: true}
	}
	first, second, _, f := build(0, 0, 0, 0)
	if !first || !second {
		t.Error("a terminator within a section ends it")
	}
	d := new(Dictionary)
	table, stats := buildTable(f, nil, []addresses{{textAddress, textAddress + textSize}}, nil, d)
	if table.Lookup(textAddress, d.Rules()) == 0 || table.Lookup(textAddress+0x100, d.Rules()) != 0 || stats.Unsupported[ReasonTruncated] != 0 {
		t.Error("without a known end, a terminator does not end the section")
	}
	if first, second, _, _ := build(2, 0, 0, 0, 1, 2); !first || !second {
		t.Error("an entry too short for an ID ends the section")
	}
	first, second, stats, _ = build(0xff, 0xff, 0xff, 0x7f)
	if !first || second || stats.Unsupported[ReasonTruncated] != 1 {
		t.Error("a length beyond the end is not counted as truncation")
	}
	if first, second, _, _ := build(0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); !first || !second {
		t.Error("an entry with a 64-bit length ends the section")
	}
}
