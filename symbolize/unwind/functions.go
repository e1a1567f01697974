package unwind

import (
	"errors"

	"memtrace/symbolize/elffile"
)

// Extent is the range of addresses in a file that an FDE describes: a function, or a part of one that
// the compiler has moved out of line.
type Extent struct{ Start, End uint64 }

// Extents returns the ranges of all FDEs of a file, in the order in which they are there. Without call
// frame information there are none.
func Extents(file *elffile.File) (list []Extent, err error) {
	section, _, err := readFrames(file)
	if errors.Is(err, ErrNoFrames) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var stats Stats
	b := builder{frames: section, cies: make(map[uint64]*cie), stats: &stats}
	for at := 0; at < len(section.data) && len(list) < maxFDEs; {
		e, next, ok := section.entryAt(at)
		if !ok {
			break
		}
		at = next
		if e.isCIE || e.body >= e.end {
			continue
		}
		if common := b.cie(e.cieAt); common != nil {
			if f, ok := section.parseFDE(e, common); ok && f.start < f.end {
				list = append(list, Extent{f.start, f.end})
			}
		}
	}
	return list, nil
}
