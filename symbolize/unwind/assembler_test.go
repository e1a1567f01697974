package unwind

import (
	"encoding/binary"
	"slices"
	"testing"
)

// The tests assemble .eh_frame sections by hand at the address sectionAddress,
// for text at textAddress.
const (
	sectionAddress = 0x1000_0000
	textAddress    = 0x40_0000
	textSize       = 0x30_0000
)

// ehFrame is an .eh_frame section under construction.
type ehFrame []byte

// cieSpec describes a CIE. The zero value stands for GCC's usual one: version 1, code
// alignment 1, data alignment -8, "zR" with pc-relative 4-byte addresses, and CFA = rsp+8 with
// the return address at CFA-8.
type cieSpec struct {
	version      uint8
	augmentation string
	data         []byte // augmentation data without its length
	codeAlign    []byte
	dataAlign    []byte
	column       []byte
	code         []byte
}

func (spec cieSpec) withDefaults() cieSpec {
	if spec.version == 0 {
		spec.version = 1
	}
	if spec.augmentation == "" {
		spec.augmentation, spec.data = "zR", []byte{encPCRel | encS4}
	}
	if spec.codeAlign == nil {
		spec.codeAlign = []byte{1}
	}
	if spec.dataAlign == nil {
		spec.dataAlign = []byte{0x78}
	}
	if spec.column == nil {
		spec.column = []byte{regRIP}
	}
	if spec.code == nil {
		spec.code = []byte{cfaDefCFA, regRSP, 8, cfaOffset | regRIP, 1}
	}
	return spec
}

// cie appends a CIE and returns its offset.
func (s *ehFrame) cie(spec cieSpec) int {
	spec = spec.withDefaults()
	body := []byte{0, 0, 0, 0, spec.version}
	body = append(body, spec.augmentation...)
	body = append(body, 0)
	if spec.version == 4 {
		body = append(body, 8, 0)
	}
	body = slices.Concat(body, spec.codeAlign, spec.dataAlign, spec.column)
	if spec.augmentation[0] == 'z' {
		body = append(body, uint8(len(spec.data)))
		body = append(body, spec.data...)
	}
	return s.entry(append(body, spec.code...))
}

// fde appends an FDE for n bytes from start on. It refers to the CIE at offset cie, whose
// pointer encoding must be the default.
func (s *ehFrame) fde(cie int, start uint64, n uint32, code ...byte) {
	at := len(*s) + 4
	body := binary.LittleEndian.AppendUint32(nil, uint32(at-cie))
	body = binary.LittleEndian.AppendUint32(body, uint32(start-uint64(sectionAddress+at+4)))
	body = binary.LittleEndian.AppendUint32(body, n)
	body = append(body, 0) // augmentation data: none
	s.entry(append(body, code...))
}

// entry appends body with its length and returns the entry's offset.
func (s *ehFrame) entry(body []byte) int {
	at := len(*s)
	*s = binary.LittleEndian.AppendUint32(*s, uint32(len(body)))
	*s = append(*s, body...)
	return at
}

// build builds the section's table.
func (s ehFrame) build(d *Dictionary) (*Table, Stats) {
	return buildTable(
		frames{data: s, bases: bases{section: sectionAddress}}, nil,
		[]addresses{{textAddress, textAddress + textSize}}, nil, d)
}

// pcRule is an address in a test and the rule from there on.
type pcRule struct {
	offset uint64 // from textAddress
	rule   Rule
}

// changes lists where the table's rule changes.
func (t *Table) changes(tb testing.TB, d *Dictionary) []pcRule {
	tb.Helper()
	var out []pcRule
	var last Rule
	rules := d.Rules()
	for page := range len(t.Pages) - 1 {
		for _, row := range plainRows(tb, t.Rows[t.Pages[page]:t.Pages[page+1]], rules) {
			if row.rule != last {
				last = row.rule
				pc := t.Base + uint64(page)*pageSize + uint64(row.at)
				out = append(out, pcRule{pc - textAddress, last})
			}
		}
	}
	return out
}
