package callsites

import (
	"cmp"
	"debug/elf"
	"slices"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/unwind"
)

// extents returns what is known of where functions begin and end, in order and without overlaps: by
// .eh_frame and, for code that this leaves out, by symbols. Stubs are no functions.
func (s *search) extents() ([]unwind.Extent, error) {
	frames, err := unwind.Extents(s.file)
	if err != nil {
		return nil, err
	}
	list := s.certain(frames)
	symbols := s.certain(symbolExtents(s.file))
	return s.certain(append(list, slices.DeleteFunc(symbols, func(e unwind.Extent) bool {
		i, _ := slices.BinarySearchFunc(list, e.Start, func(x unwind.Extent, start uint64) int {
			if x.End <= start {
				return -1
			}
			return 1
		})
		return i < len(list) && list[i].Start < e.End
	})...)), nil
}

// certain puts functions in order and leaves out those that overlap: of them neither is certain.
func (s *search) certain(list []unwind.Extent) []unwind.Extent {
	slices.SortFunc(list, func(a, b unwind.Extent) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	list = slices.Compact(list)
	kept, end := list[:0:0], uint64(0)
	for i, e := range list {
		overlaps := e.Start < end || i+1 < len(list) && list[i+1].Start < e.End
		end = max(end, e.End)
		if !overlaps && s.file.Executable(e.Start) && e.End-e.Start <= maxFunction && !s.stubs.Holds(e.Start) {
			kept = append(kept, e)
		}
	}
	return kept
}

func symbolExtents(file *elffile.File) (list []unwind.Extent) {
	seen := make(map[uint64]bool)
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		for _, table := range file.SymbolTables(kind) {
			// An error leaves out functions.
			_ = table.FindFunc(
				func([]byte) bool { return true },
				func(s *elf.Symbol) bool {
					return elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 0 && s.Size <= maxFunction && !seen[s.Value] && len(seen) < maxCode/64
				},
				func(s elf.Symbol) {
					seen[s.Value] = true
					list = append(list, unwind.Extent{Start: s.Value, End: s.Value + s.Size})
				})
		}
	}
	return list
}
