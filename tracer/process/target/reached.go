package target

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"slices"

	"memtrace/symbolize/elffile"
)

// Nothing may reach a probe behind a function's entry without coming through the entry. The
// whole file is searched for anything else that may lead there: every byte is taken for the
// start of an instruction, every word for an address, so that no disassembly has to be right.
// A false hit only costs time on every call. But false short jumps are so common that the
// instructions of their functions are checked (see refersTo).

// span is the addresses of a function from behind its entry to its probe.
type span struct{ first, last uint64 }

func (s span) holds(address uint64) bool { return s.first <= address && address <= s.last }

// These bound what is searched of a file, so that none takes long: its segments and their
// bytes, the tables that its code refers to, and their entries.
const (
	maxSegments = 64
	maxImage    = 256 << 20
	maxTables   = 4 << 20
	maxEntries  = 64 << 20
)

var errTooLarge = errors.New("too large to be searched")

// reached tells for each span whether anything in the file may lead into it. If the file
// cannot be searched, all count as reached.
func (m *image) reached(spans []span) []bool {
	s := &search{image: m, spans: spans, hit: make([]bool, len(spans)), low: ^uint64(0)}
	for _, sp := range spans {
		if sp.first <= sp.last {
			s.low, s.high = min(s.low, sp.first), max(s.high, sp.last)
		}
	}
	if s.low > s.high {
		return s.hit
	}
	if err := s.run(); err != nil {
		for i, sp := range spans {
			s.hit[i] = sp.first <= sp.last
		}
	}
	return s.hit
}

func (s *search) run() error {
	if len(s.image.segments) > maxSegments {
		return errTooLarge
	}
	room := uint64(maxImage)
	for _, p := range s.image.segments {
		if p.Filesz > room {
			return errTooLarge
		}
		room -= p.Filesz
		if err := pieces(p, func(address uint64, piece []byte) {
			s.words(address, piece)
			if p.Flags&elf.PF_X != 0 {
				s.jumps(address, piece)
				s.references(address, piece)
			}
		}); err != nil {
			return err
		}
	}
	if len(s.tables) > maxTables {
		return errTooLarge
	}
	return s.followTables()
}

// pieces calls visit with all bytes of a segment. Pieces overlap by overlap bytes, so that
// nothing up to that length is cut.
func pieces(p *elffile.Segment, visit func(address uint64, piece []byte)) error {
	const step, overlap = 1 << 20, 16
	buffer := make([]byte, min(step+overlap, p.Filesz))
	for off := uint64(0); off < p.Filesz; off += step {
		piece := buffer[:min(step+overlap, p.Filesz-off)]
		if n, err := p.ReadAt(piece, int64(off)); n < len(piece) {
			return err
		}
		visit(p.Vaddr+off, piece)
	}
	return nil
}

// search looks for ways into spans.
type search struct {
	image     *image
	spans     []span
	hit       []bool
	low, high uint64 // of all spans
	tables    []uint64
}

func (s *search) mark(address uint64) {
	if address < s.low || address > s.high {
		return
	}
	for i, sp := range s.spans {
		if sp.holds(address) {
			s.hit[i] = true
		}
	}
}

func (s *search) leadsIn(address uint64) bool {
	return address >= s.low && address <= s.high &&
		slices.ContainsFunc(s.spans, func(sp span) bool { return sp.holds(address) })
}

// jumps looks for jumps by up to 128 bytes: jcc, jmp, loop and jrcxz.
func (s *search) jumps(address uint64, code []byte) {
	for i := 0; i+2 <= len(code); i++ {
		if op := code[i]; op >= 0x70 && op <= 0x7f || op == 0xeb || op >= 0xe0 && op <= 0xe3 {
			from := address + uint64(i)
			if to := from + 2 + uint64(int8(code[i+1])); s.leadsIn(to) && s.image.refersTo(from, to) {
				s.mark(to)
			}
		}
	}
}

// references looks for displacements of four bytes: those of call, jmp and jcc; of xbegin,
// whose transaction goes on there when it fails; and of lea, which takes an address for later.
// That may be the address of a table, so it is noted. In a fixed file, an address can itself
// be an operand.
func (s *search) references(address uint64, code []byte) {
	for i := 1; i+4 <= len(code); i++ {
		operand := binary.LittleEndian.Uint32(code[i:])
		if s.image.fixed {
			s.mark(uint64(operand))
		}
		to := address + uint64(i) + 4 + uint64(int32(operand))
		switch op := code[i-1]; {
		case op == 0xe8, op == 0xe9:
			s.mark(to)
		case i < 2:
		case code[i-2] == 0x0f && op&0xf0 == 0x80, code[i-2] == 0xc7 && op == 0xf8:
			s.mark(to)
		case code[i-2] == 0x8d && op&0xc7 == 0x05:
			s.mark(to)
			if len(s.tables) <= maxTables {
				s.tables = append(s.tables, to)
			}
		}
	}
}

// words looks for addresses in data: pointers, tables of addresses, symbols, and the addends
// of relocations.
func (s *search) words(address uint64, data []byte) {
	for i := int(-address & 7); i+8 <= len(data); i += 8 {
		s.mark(binary.LittleEndian.Uint64(data[i:]))
	}
}
