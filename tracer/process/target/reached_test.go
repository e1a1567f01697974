package target

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"memtrace/symbolize/elffile"
)

// testJe is a function that gets its probe 3 bytes inside.
const testJe = "48 85 ff | 74 10 | c3"

// TestPlaceSize: what is behind a function's end belongs to another.
func TestPlaceSize(t *testing.T) {
	for _, tc := range []struct {
		name string
		size uint64
		want uint64
	}{
		{"all of it", 6, 3},
		{"ends behind the place", 5, 3},
		{"ends in the place", 4, 0},
		{"falls through to the next", 3, 0},
		{"ends before", 2, 0},
		{"unknown", 0, 0},
		{"absurd", 1<<64 - 1, 3},
	} {
		t.Run(tc.name, func(t *testing.T) { checkPlace(t, codeOf(t, testJe, ""), tc.size, tc.want) })
	}
}

func word(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// relative is a displacement of four bytes that leads from one address to another.
func relative(from, to uint64) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(to-from))
}

// TestReached puts all kinds of ways into a function elsewhere in its file.
func TestReached(t *testing.T) {
	const text, readOnly, other, after = elf.PF_R | elf.PF_X, elf.PF_R, 0x600000, entry + 6
	lea := append([]byte{0x48, 0x8d, 0x15}, relative(other+7, data+4)...)
	for _, tc := range []struct {
		name string
		add  func(m *image)
		want uint64
	}{
		{"nothing", func(*image) {}, 3},
		{"jmp of another segment", func(m *image) {
			m.add(other, text, append([]byte{0xe9}, relative(other+5, entry+3)...))
		}, 0},
		{"jmp that is cut", func(m *image) {
			m.add(other, text, append([]byte{0xe9}, relative(other+5, entry+3)[:3]...))
		}, 3},
		{"call of the entry from another segment", func(m *image) {
			m.add(other, text, append([]byte{0xe8}, relative(other+5, entry)...))
		}, 3},
		{"xbegin", func(m *image) {
			m.add(other, text, append([]byte{0xc7, 0xf8}, relative(other+6, entry+3)...))
		}, 0},
		{"lea", func(m *image) {
			m.add(other, text, append([]byte{0x48, 0x8d, 0x05}, relative(other+7, entry+3)...))
		}, 0},
		{"lea of the entry", func(m *image) {
			m.add(other, text, append([]byte{0x48, 0x8d, 0x05}, relative(other+7, entry)...))
		}, 3},
		{"pointer", func(m *image) { m.add(data+4, readOnly, append(make([]byte, 4), word(entry+3)...)) }, 0},
		{"pointer to the entry", func(m *image) { m.add(data, readOnly, word(entry)) }, 3},
		{"pointer behind the place", func(m *image) { m.add(data, readOnly, word(entry+4)) }, 3},
		{"number that looks like code", func(m *image) {
			m.add(data, readOnly, append([]byte{0xe9}, relative(data+5, entry+3)...))
		}, 3},
		{"operand", func(m *image) { m.add(other, text, append([]byte{0xbf}, word(entry + 3)[:4]...)) }, 3},
		{"operand, at fixed addresses", func(m *image) {
			m.fixed = true
			m.add(other, text, append([]byte{0xbf}, word(entry + 3)[:4]...))
		}, 0},
		{"table", func(m *image) {
			m.add(other, text, lea)
			m.add(data, readOnly, bytes.Join([][]byte{
				make([]byte, 4), relative(data+4, after-1), relative(data+4, entry), relative(data+4, entry+3),
			}, nil))
		}, 0},
		{"table that ends before", func(m *image) {
			m.add(other, text, lea)
			m.add(data, readOnly, bytes.Join([][]byte{
				make([]byte, 4), relative(data+4, entry), make([]byte, 4), relative(data+4, entry+3),
			}, nil))
		}, 3},
		{"unreadable", func(m *image) {
			m.add(data, readOnly, make([]byte, 8))
			m.segments[1].Filesz = 16
		}, 0},
		{"too large", func(m *image) {
			m.add(data, readOnly, make([]byte, 8))
			m.segments[1].Filesz = maxImage
		}, 0},
		{"too many segments", func(m *image) {
			for range maxSegments {
				m.add(data, readOnly, nil)
			}
		}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := codeOf(t, testJe, "")
			tc.add(m)
			checkPlace(t, m, 6, tc.want)
		})
	}
}

// TestPieces: nothing is missed where a large segment is cut.
func TestPieces(t *testing.T) {
	const step, other = 1 << 20, 0x600000
	for at := step - 8; at <= step+2; at++ {
		code := make([]byte, 2*step)
		code[at] = 0xe9
		copy(code[at+1:], relative(uint64(other+at+5), entry+3))
		m := codeOf(t, testJe, "")
		m.add(other, elf.PF_R|elf.PF_X, code)
		checkPlace(t, m, 6, 0)
	}
}

// withFrames adds a table for unwinding with one function.
func withFrames(m *image, start, end uint64) {
	fde := make([]byte, 16)
	copy(fde[8:], relative(data+8, start))
	copy(fde[12:], word(end-start))
	m.add(data, elf.PF_R, fde)
	table := append([]byte{1, 0x1b, 3, 0x3b}, make([]byte, 4)...)
	table = append(table, 1, 0, 0, 0)
	table = append(table, relative(data+16, start)...)
	table = append(table, relative(data+16, data)...)
	m.frames = &elffile.Segment{
		ProgHeader: elf.ProgHeader{Type: elf.PT_GNU_EH_FRAME, Vaddr: data + 16, Filesz: uint64(len(table))},
		ReaderAt:   bytes.NewReader(table),
	}
}

// TestShortJumps tells jumps from bytes within other instructions.
func TestShortJumps(t *testing.T) {
	const start = entry + 6
	for _, tc := range []struct {
		name, after string
		start, end  uint64 // of what the table calls a function
		want        uint64
	}{
		{"jmp", "eb fb", start, start + 2, 0},
		{"jmp with a prefix", "2e 74 fa", start, start + 3, 0},
		{"jmp with a prefix, behind others", "90 | 48 85 ff | f2 eb f6", start, start + 7, 0},
		{"in an immediate", "b8 eb fa 00 00", start, start + 5, 3},
		{"in an immediate, no table for it", "b8 eb fa 00 00", start + 4, start + 5, 0},
		{"in an immediate, behind the function", "b8 eb fa 00 00", start, start + 1, 0},
		{"in an immediate, behind what is not understood", "06 b8 eb f9 00 00", start, start + 6, 0},
		{"in an immediate, behind endbr64", "f3 0f 1e fa | b8 eb f6 00 00", start, start + 9, 3},
		{"in the displacement of another jump", "e9 eb fa 00 00", start, start + 5, 3},
		{"of 16 bits", "66 e9 eb f9", start, start + 4, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := codeOf(t, testJe, tc.after)
			withFrames(m, tc.start, tc.end)
			checkPlace(t, m, 6, tc.want)
			m.frames = nil
			checkPlace(t, m, 6, 0)
		})
	}
	t.Run("a table that contradicts itself", func(t *testing.T) {
		m := codeOf(t, testJe, "b8 eb fa 00 00")
		withFrames(m, start, start+5)
		m.segments[1].ReaderAt = bytes.NewReader(make([]byte, 16))
		checkPlace(t, m, 6, 0)
	})
}
