package unwind

import (
	"bytes"
	"debug/elf"
	"slices"
	"sort"
	"strings"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/flow"
)

// Code without call frame information is analysed (see package flow), and gets spans like those
// of FDEs.

// dwarfRegisters are the DWARF numbers of the general registers, by the numbers in instructions
// (psABI, figure 3.36).
var dwarfRegisters = [16]uint8{0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15}

// ruleOfFrame expresses a frame as a Rule, the zero Rule if that is not possible.
func ruleOfFrame(f *flow.Frame) (r Rule) {
	ok := true
	switch sp, bp := f.SP, f.BP; {
	case f.Signal:
		return Rule{CFA: CFASignal}
	case f.Outermost, sp.Base == flow.CFA && sp.Off >= 0: // the return address is gone
		return Rule{CFA: CFAEnd}
	case bp == flow.Value{Base: flow.CFA, Off: -16} && bp == f.SavedBP:
		r = Rule{CFA: CFARBP, CFAOffset: 16} // a frame pointer, which is the surest
	case sp.Base == flow.CFA:
		r = Rule{CFA: CFARSP, CFAOffset: -sp.Off}
	case bp.Base == flow.CFA:
		r = Rule{CFA: CFARBP, CFAOffset: -bp.Off}
	case f.CFAAt.Base == flow.Aligned && bp.Base == flow.Aligned:
		r, ok = halvesRule(CFADerefRBP, int64(f.CFAAt.Off-bp.Off), int64(f.CFADelta))
	case f.CFAAt.Base == flow.Aligned && sp.Base == flow.Aligned:
		r, ok = halvesRule(CFADerefRSP, int64(f.CFAAt.Off-sp.Off), int64(f.CFADelta))
	case f.Held[0].Base == flow.CFA:
		r, ok = halvesRule(CFARegister, int64(-f.Held[0].Off), int64(dwarfRegisters[f.Held[0].Reg&15]))
	default:
		return Rule{}
	}
	if !ok {
		return Rule{}
	}
	saved := f.SavedBP
	switch {
	case f.BPSame:
	case saved.Base == flow.CFA && fitsInt16(int64(saved.Off)):
		r.RBP, r.RBPOffset = RBPAtCFA, int16(saved.Off)
	case saved.Base == flow.Aligned && f.BP.Base == flow.Aligned && fitsInt16(int64(saved.Off-f.BP.Off)):
		r.RBP, r.RBPOffset = RBPExpression, int16(saved.Off-f.BP.Off)
	default:
		r.RBP = RBPUndefined
	}
	return r
}

// analyse adds spans for the code that neither an FDE nor a Go function covers.
func (b *builder) analyse(file *elffile.File) {
	if b.golang == nil && isGo(file) {
		return
	}
	in := flow.Input{Parts: b.uncovered(file)}
	if len(in.Parts) == 0 {
		return
	}
	describe(file, &in)
	b.addParts(in.Parts, flow.Analyse(&in))
}

// addParts adds a span for each part of which something was found out, as long as there is room
// for rows.
func (b *builder) addParts(parts []flow.Part, rows []flow.Row) {
	for _, p := range parts {
		end := p.Start + uint64(len(p.Code))
		first, full := len(b.rows), false
		for ; len(rows) > 0 && rows[0].PC < end && !full; rows = rows[1:] {
			row := &rows[0]
			if row.PC < p.Start {
				continue
			}
			if full = len(b.rows) >= maxRows; full {
				b.stats.Unsupported[ReasonTruncated]++
				b.append(row.PC, 0)
				continue
			}
			b.append(row.PC, b.indexOfRule(ruleOfFrame(&row.Frame)))
		}
		if n := len(b.rows) - first; n > 0 {
			start := b.low + b.rows[first]>>rowIndexBits
			b.spans = append(b.spans, span{addresses{start, end}, uint32(first), uint32(n)})
			b.stats.Analysed++
		}
		if full {
			return
		}
	}
}

// uncovered returns the code that no FDE covers, without padding.
func (b *builder) uncovered(file *elffile.File) (parts []flow.Part) {
	covered := make([]addresses, 0, len(b.spans))
	for _, s := range b.spans {
		covered = append(covered, s.addresses)
	}
	slices.SortFunc(covered, func(x, y addresses) int { return compareStarts(x.start, y.start) })
	left := maxAnalysed
	for _, s := range codeSections(file, len(covered) == 0) {
		for at := s.Addr; at < s.Addr+s.Size; {
			for len(covered) > 0 && covered[0].end <= at {
				covered = covered[1:]
			}
			end := s.Addr + s.Size
			if len(covered) > 0 {
				end = min(end, max(covered[0].start, at))
			}
			if end-at > 1 && !isPadding(at, end) && end-at <= uint64(left) && b.executable(at, end) {
				if code := readCode(file, s, at, end); code != nil && !flow.Padding(code) {
					parts = append(parts, flow.Part{Start: at, Code: code})
					left -= len(code)
				}
			}
			at = end
			if len(covered) > 0 && covered[0].start <= at {
				at = max(at, covered[0].end)
			}
		}
	}
	return parts
}

func compareStarts(x, y uint64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// code is a section or segment that holds code.
type code struct {
	Addr, Size, offset uint64
}

// codeSections returns the sections that hold code, in order of address. Where a file has no
// sections, segments stands for its segments, which may hold data as well.
func codeSections(file *elffile.File, segments bool) (list []code) {
	for i := range file.Sections {
		s := &file.Sections[i]
		if s.Type == elf.SHT_PROGBITS && s.Flags&elf.SHF_EXECINSTR != 0 && s.Size > 0 {
			list = append(list, code{s.Addr, s.Size, s.Offset})
		}
	}
	for i := range file.Segments {
		if p := &file.Segments[i]; segments && len(file.Sections) == 0 && p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && p.Filesz > 0 {
			list = append(list, code{p.Vaddr, p.Filesz, p.Off})
		}
	}
	list = slices.DeleteFunc(list, func(c code) bool { return c.Addr+c.Size < c.Addr })
	slices.SortFunc(list, func(x, y code) int { return compareStarts(x.Addr, y.Addr) })
	// What overlaps was made to confuse.
	for i := 1; i < len(list); {
		if list[i].Addr < list[i-1].Addr+list[i-1].Size {
			list = slices.Delete(list, i, i+1)
			continue
		}
		i++
	}
	return list
}

// readCode returns the bytes of start..end, or nil.
func readCode(file *elffile.File, c code, start, end uint64) []byte {
	s := elf.SectionHeader{Type: elf.SHT_PROGBITS, Offset: c.offset + start - c.Addr, Size: end - start}
	data, err := file.Data(&s, uint64(maxAnalysed))
	if err != nil {
		return nil
	}
	return data
}

// isGo reports whether a file is a Go program, also where its table of functions cannot be read.
// Its runtime switches stacks in ways that no analysis of one function sees.
func isGo(file *elffile.File) bool {
	return slices.ContainsFunc(file.Sections, func(s elf.SectionHeader) bool { return strings.HasSuffix(s.Name, ".gopclntab") })
}

// functionsOf returns where a file begins to run and the functions in some parts of its code that
// it has symbols for, in order of address. The parts of a function that compilers move out of
// line, whose symbols end in .cold, are none.
func functionsOf(file *elffile.File, parts []flow.Part) []flow.Function {
	functions := []flow.Function{{Start: file.Entry}}
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		for _, table := range file.SymbolTables(kind) {
			// An error leaves out functions.
			_ = table.FindFunc(
				func(name []byte) bool { return !bytes.Contains(name, []byte(".cold")) },
				func(s *elf.Symbol) bool {
					kind := elf.ST_TYPE(s.Info)
					return (kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC) && len(functions) < maxSymbols && inParts(parts, s)
				},
				func(s elf.Symbol) { functions = append(functions, flow.Function{Start: s.Value, Size: s.Size}) })
		}
	}
	slices.SortFunc(functions, func(x, y flow.Function) int {
		if c := compareStarts(x.Start, y.Start); c != 0 {
			return c
		}
		return compareStarts(y.Size, x.Size)
	})
	return slices.CompactFunc(functions, func(x, y flow.Function) bool { return x.Start == y.Start })
}

// inParts reports whether a function is in the parts, which are in order of address, or reaches
// into one.
func inParts(parts []flow.Part, s *elf.Symbol) bool {
	i := sort.Search(len(parts), func(i int) bool { return parts[i].Start+uint64(len(parts[i].Code)) > s.Value })
	return i < len(parts) && (s.Value >= parts[i].Start || s.Size > parts[i].Start-s.Value)
}
