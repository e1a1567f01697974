package target

import (
	"encoding/binary"
	"io"
	"slices"
)

// followTables looks for addresses in the tables by which position-independent code jumps.
// Their entries have four bytes and are relative to the table. A table goes on as long as its
// entries lead to code.
func (s *search) followTables() error {
	slices.Sort(s.tables)
	read, entries := wordReader{image: s.image}, 0
	for _, table := range slices.Compact(s.tables) {
		for at := table; ; at += 4 {
			word, err := read.at(at)
			if err != nil {
				return err
			}
			to := table + uint64(int32(word))
			if word == 0 || s.image.code(to) == nil {
				break
			}
			s.mark(to)
			if entries++; entries > maxEntries {
				return errTooLarge
			}
		}
	}
	return nil
}

// wordReader reads four-byte words that are close to each other.
type wordReader struct {
	image *image
	start uint64
	block []byte
}

// at returns the word at an address, 0 if the file has none there.
func (r *wordReader) at(address uint64) (uint32, error) {
	if address < r.start || address-r.start+4 > uint64(len(r.block)) {
		const block = 4096
		segment := r.image.segment(address, 0)
		r.start, r.block = address, read(segment, address, block)
		if len(r.block) < 4 {
			if segment != nil && segment.Filesz-(address-segment.Vaddr) >= 4 {
				return 0, io.ErrUnexpectedEOF
			}
			return 0, nil
		}
	}
	return binary.LittleEndian.Uint32(r.block[address-r.start:]), nil
}
