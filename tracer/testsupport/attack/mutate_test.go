//go:build attack

package attack

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"sync"
)

// mutant is a 64-bit little-endian ELF file that is being damaged.
type mutant struct {
	rng      *rand.Rand
	data     []byte
	sections []elf.SectionHeader
	shoff    uint64
	// size is the file's size, larger than the data if a hole follows.
	size int64
	// loads allows damage that may keep the file from being run.
	loads bool
}

// Sizes and places in ELF files, see elf(5).
const (
	ehPhoff, ehShoff          = 0x20, 0x28
	ehPhnum, ehShentsize      = 0x38, 0x3a
	ehShnum, ehShstrndx       = 0x3c, 0x3e
	phentsize, shentsize      = 56, 64
	shFlags, shOffset, shSize = 8, 24, 32
	symentsize                = 24
)

// damage writes a damaged copy of an ELF file.
func damage(r *rand.Rand, from, to string, loads bool) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	m := &mutant{rng: r, data: data, loads: loads, shoff: binary.LittleEndian.Uint64(data[ehShoff:])}
	for _, s := range f.Sections {
		m.sections = append(m.sections, s.SectionHeader)
	}
	for range 1 + r.IntN(6) {
		m.once()
	}
	if err := os.WriteFile(to, m.data, 0o755); err != nil {
		return err
	}
	if m.size > int64(len(m.data)) {
		return os.Truncate(to, m.size)
	}
	return nil
}

func (m *mutant) once() {
	ways := []func(){
		m.sectionHeader, m.sectionHeader, m.fileHeader, m.contents, m.contents, m.contents,
		m.symbol, m.symbol, m.hugeSection, m.bomb, m.tail, m.note,
	}
	if m.loads {
		ways = append(ways, m.programHeader, m.programHeader, m.dynamic, m.dynamic)
	}
	ways[m.rng.IntN(len(ways))]()
}

// number returns a number that code which reads files is likely to get wrong.
func (m *mutant) number() uint64 {
	n := uint64(len(m.data))
	return pick(m.rng, 0, 1, 2, 7, 8, 0xff, 0x7fff, 0xffff, 1<<31-1, 1<<31, 1<<32-1, 1<<32, 1<<40, 1<<47, 1<<62,
		1<<63-1, 1<<63, ^uint64(0), ^uint64(7), n, n-1, n+1, n/2, m.rng.Uint64(), m.rng.Uint64N(n))
}

// put writes a number of some bytes, if the file has room for it.
func (m *mutant) put(at uint64, size int, v uint64) {
	if at > uint64(len(m.data)) || uint64(len(m.data))-at < 8 {
		return
	}
	for i := range size {
		m.data[at+uint64(i)] = byte(v >> (8 * i))
	}
}

// header is the place of a section's header.
func (m *mutant) header(i int) uint64 { return m.shoff + uint64(i)*shentsize }

func (m *mutant) sectionHeader() {
	field := pick(m.rng, [2]int{0, 4}, [2]int{4, 4}, [2]int{8, 8}, [2]int{16, 8}, [2]int{24, 8}, [2]int{32, 8},
		[2]int{40, 4}, [2]int{44, 4}, [2]int{48, 8}, [2]int{56, 8})
	m.put(m.header(m.rng.IntN(len(m.sections)))+uint64(field[0]), field[1], m.number())
}

func (m *mutant) fileHeader() {
	switch m.rng.IntN(4) {
	case 0:
		m.put(ehShoff, 8, m.number())
	case 1:
		m.put(ehShentsize, 2, m.number())
	case 2:
		m.put(ehShnum, 2, m.number())
	default:
		m.put(ehShstrndx, 2, m.number())
	}
}

// chosen returns a section whose contents memtrace may read, and which a running program does
// not need.
func (m *mutant) chosen() (int, elf.SectionHeader) {
	var all []int
	for i, s := range m.sections {
		if s.Type == elf.SHT_NOBITS || s.FileSize == 0 {
			continue
		}
		switch s.Name {
		case ".symtab", ".strtab", ".shstrtab", ".eh_frame", ".eh_frame_hdr", ".comment", ".note.gnu.build-id", ".gnu_debuglink",
			".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_line_str", ".debug_aranges", ".debug_rnglists",
			".debug_loclists", ".debug_ranges", ".debug_addr":
			all = append(all, i)
		case ".dynsym", ".dynstr", ".gnu.hash", ".gnu.version", ".gnu.version_r", ".rela.plt", ".rela.dyn", ".dynamic", ".plt", ".text":
			if m.loads {
				all = append(all, i)
			}
		}
	}
	if len(all) == 0 {
		return 0, elf.SectionHeader{}
	}
	i := pick(m.rng, all...)
	return i, m.sections[i]
}

// contents changes some bytes or numbers of a section.
func (m *mutant) contents() {
	_, s := m.chosen()
	if s.FileSize == 0 {
		return
	}
	for range 1 + m.rng.IntN(8) {
		at := s.Offset + m.rng.Uint64N(s.FileSize)
		if m.rng.IntN(2) == 0 {
			m.put(at, 1, m.rng.Uint64())
		} else {
			m.put(at, pick(m.rng, 2, 4, 8), m.number())
		}
	}
}

func (m *mutant) symbol() {
	for _, s := range m.sections {
		if s.Type != elf.SHT_SYMTAB && (s.Type != elf.SHT_DYNSYM || !m.loads) || s.FileSize < symentsize {
			continue
		}
		for range 1 + m.rng.IntN(20) {
			at := s.Offset + m.rng.Uint64N(s.FileSize/symentsize)*symentsize
			field := pick(m.rng, [2]int{0, 4}, [2]int{4, 1}, [2]int{6, 2}, [2]int{8, 8}, [2]int{16, 8})
			m.put(at+uint64(field[0]), field[1], m.number())
		}
	}
}

// hugeSection moves a section to the file's end, where it continues into a hole.
func (m *mutant) hugeSection() {
	i, s := m.chosen()
	if s.FileSize == 0 {
		return
	}
	m.move(i, m.data[s.Offset:s.Offset+s.FileSize])
	size := uint64(1) << (20 + m.rng.IntN(20)) // up to 1 TB
	m.put(m.header(i)+shSize, 8, size)
	m.size = max(m.size, int64(len(m.data))+int64(size))
}

// move appends new contents of a section.
func (m *mutant) move(i int, contents []byte) {
	contents = bytes.Clone(contents)
	for len(m.data)%16 != 0 {
		m.data = append(m.data, 0)
	}
	m.put(m.header(i)+shOffset, 8, uint64(len(m.data)))
	m.put(m.header(i)+shSize, 8, uint64(len(contents)))
	m.data = append(m.data, contents...)
}

// bombSize is the size of the decompressed section, in bytes.
const bombSize = 2 << 30

// zeros are bombSize zeros, compressed.
var zeros = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w, _ := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	block := make([]byte, 1<<20)
	for range bombSize / len(block) {
		_, _ = w.Write(block) // a Buffer takes all
	}
	_ = w.Close()
	return b.Bytes()
})

// bomb turns a section into a small compressed one that is large when decompressed, or claims
// to be.
func (m *mutant) bomb() {
	i, s := m.chosen()
	if s.FileSize == 0 {
		return
	}
	claimed := uint64(bombSize)
	if m.rng.IntN(2) == 0 {
		claimed = m.number()
	}
	header := binary.LittleEndian.AppendUint32(nil, uint32(pick(m.rng, elf.COMPRESS_ZLIB, elf.COMPRESS_ZLIB, elf.COMPRESS_ZSTD)))
	header = binary.LittleEndian.AppendUint32(header, 0)
	header = binary.LittleEndian.AppendUint64(header, claimed)
	header = binary.LittleEndian.AppendUint64(header, 1)
	contents := m.data[s.Offset : s.Offset+s.FileSize]
	if m.rng.IntN(3) == 0 {
		contents = zeros()
	}
	m.move(i, append(header, contents...))
	m.put(m.header(i)+shFlags, 8, uint64(elf.SHF_COMPRESSED))
}

// tail cuts off part of what lies behind all that is loaded, or adds to it.
func (m *mutant) tail() {
	var loaded uint64
	for _, s := range m.sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS {
			loaded = max(loaded, s.Offset+s.FileSize)
		}
	}
	if uint64(len(m.data)) <= loaded {
		return
	}
	if m.rng.IntN(3) == 0 {
		m.size = int64(len(m.data)) + 1<<(10+m.rng.IntN(30))
		return
	}
	m.data = m.data[:loaded+m.rng.Uint64N(uint64(len(m.data))-loaded)]
}

// note damages the notes, among them the build ID.
func (m *mutant) note() {
	for _, s := range m.sections {
		if s.Type == elf.SHT_NOTE && s.FileSize >= 16 {
			m.put(s.Offset+4*m.rng.Uint64N(4), 4, m.number())
		}
	}
}

// programHeader damages what loaders read.
func (m *mutant) programHeader() {
	phoff := binary.LittleEndian.Uint64(m.data[ehPhoff:])
	phnum := uint64(binary.LittleEndian.Uint16(m.data[ehPhnum:]))
	if phnum == 0 {
		return
	}
	field := pick(m.rng, [2]int{0, 4}, [2]int{4, 4}, [2]int{8, 8}, [2]int{16, 8}, [2]int{32, 8}, [2]int{40, 8}, [2]int{48, 8})
	m.put(phoff+m.rng.Uint64N(phnum)*phentsize+uint64(field[0]), field[1], m.number())
}

// dynamic damages the tags and values of the dynamic section.
func (m *mutant) dynamic() {
	for _, s := range m.sections {
		if s.Type == elf.SHT_DYNAMIC && s.FileSize >= 16 {
			m.put(s.Offset+8*m.rng.Uint64N(s.FileSize/8), 8, m.number())
		}
	}
}
