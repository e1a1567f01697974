package target

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
)

// assemble turns "53 | 48 89 fb" into bytes; bars only mark instructions.
func assemble(t *testing.T, text string) []byte {
	t.Helper()
	code, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestPlace(t *testing.T) {
	x86 := elf.EM_X86_64
	for _, tc := range []struct {
		name    string
		machine elf.Machine
		body    string
		after   string // code behind it
		want    uint64
	}{
		{"push", x86, "53 | 48 89 fb | 5b | c3", "", 0},
		{"push r12", x86, "41 54 | 5b | c3", "", 0},
		{"nop", x86, "90 | c3", "", 0},
		{"jmp", x86, "e9 00 10 00 00", "", 0},
		{"endbr64, push", x86, "f3 0f 1e fa | 55 | c3", "", 4},
		{"endbr64, test, je", x86, "f3 0f 1e fa | 48 85 ff | 74 10 | c3", "", 7},
		{"test, je", x86, "48 85 ff | 0f 84 00 10 00 00 | c3", "", 3},
		{"cmpb, jne", x86, "80 3d 01 02 14 00 00 | 75 20 | c3", "", 7},
		{"cmpb, push r12", x86, "80 3d 01 02 14 00 00 | 41 54 | c3", "", 7},
		{"xor eax, push", x86, "31 c0 | 53 | c3", "", 2},
		{"mov rax from memory, push", x86, "48 8b 05 00 10 00 00 | 53 | c3", "", 7},
		{"lea rcx, push", x86, "48 8d 4f 08 | 53 | c3", "", 4},
		{"mov to r8, push", x86, "49 89 f8 | 53 | c3", "", 3},

		{"arithmetic on rax and rcx, jne", x86, "48 89 f8 | 48 c1 e8 1a | 64 48 03 04 25 00 00 00 00 | 48 3b 88 b0 01 00 00 | 0f 85 8a 00 00 00", "", 23},

		{"add to rdx", x86, "48 01 c2 | 53 | c3", "", 0},
		{"mov rdi", x86, "48 89 c7 | 53 | c3", "", 0},
		{"mov edi", x86, "89 c7 | 53 | c3", "", 0},
		{"mov dil", x86, "40 88 c7 | 53 | c3", "", 0},
		{"mov rsi", x86, "48 89 fe | 53 | c3", "", 0},
		{"xor edx", x86, "31 d2 | 53 | c3", "", 0},
		{"lea rsp", x86, "48 8d 64 24 f8 | 53 | c3", "", 0},
		{"mov to memory", x86, "48 89 3c 24 | 53 | c3", "", 0},
		{"mov rbx", x86, "48 89 fb | 53 | c3", "", 0},
		{"sub rsp", x86, "48 83 ec 08 | 53 | c3", "", 0},
		{"test, sub rsp", x86, "48 85 ff | 48 83 ec 08 | 53", "", 0},
		{"add rdi", x86, "48 83 c7 08 | 53 | c3", "", 0},
		{"ret", x86, "c3 | 53", "", 0},
		{"indirect jmp", x86, "ff e0 | 53", "", 0},
		{"test, ret", x86, "48 85 ff | c3 | 53", "", 0},
		{"prefixed jump", x86, "f2 e9 00 10 00 00", "", 0},
		{"test, prefixed jump", x86, "48 85 ff | f2 e9 00 10 00 00", "", 0},

		// The je at 3 is also reached from elsewhere, so calls would count that pass through
		// no entry.
		{"jumped to from behind", x86, "48 85 ff | 74 10 | c3", "eb fb", 0},
		{"jumped to by a jcc", x86, "48 85 ff | 74 10 | c3", "0f 85 f7 ff ff ff", 0},
		{"called", x86, "48 85 ff | 74 10 | c3", "e8 f8 ff ff ff", 0},
		{"looped to", x86, "48 85 ff | 74 10 | c3", "e2 fb", 0},
		{"jumped into before the place", x86, "48 85 ff | 74 10 | c3", "eb fa", 0},
		{"entry jumped to", x86, "48 85 ff | 74 10 | c3", "eb f8", 3},
		{"behind the place jumped to", x86, "48 85 ff | 74 10 | c3", "eb fd", 3},

		{"another machine", elf.EM_AARCH64, "f3 0f 1e fa | 55 | c3", "", 0},
		{"no instruction", x86, "06 | 53", "", 0},
		{"test, no instruction", x86, "48 85 ff | 06 | 53", "", 0},
		{"ends within an instruction", x86, "48 85", "", 0},
		{"ends behind an instruction", x86, "48 85 ff", "", 0},
		{"ends within a jcc", x86, "48 85 ff | 0f", "", 0},
		{"only harmless within the limit", x86, strings.Repeat("48 85 ff ", 22) + "53", "", 0},
		{"the last one within the limit", x86, strings.Repeat("48 85 ff ", 21) + "53", "", 63},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := codeOf(t, tc.body, tc.after)
			m.machine = tc.machine
			checkPlace(t, m, uint64(len(assemble(t, tc.body))), tc.want)
		})
	}
}

// What no argument is in may be overwritten. One function is the beginning of free of jemalloc 5.3.
func TestPlaceByArguments(t *testing.T) {
	for _, tc := range []struct {
		name      string
		arguments int
		body      string
		want      uint64
	}{
		{"free, rdx", 1, "48 8b 15 0e 53 0a 00 | 48 39 c8 | 75 20", 10},
		{"calloc, rdx", 2, "48 8b 15 0e 53 0a 00 | 48 39 c8 | 75 20", 10},
		{"posix_memalign, rdx", 3, "48 8b 15 0e 53 0a 00 | 48 39 c8 | 75 20", 0},
		{"malloc, rsi", 1, "48 89 fe | 53", 3},
		{"realloc, rsi", 2, "48 89 fe | 53", 0},
		{"four, rcx", 4, "48 89 f9 | 53", 0},
		{"free of jemalloc", 1, "48 89 f8 | 48 8b 15 0e 53 0a 00 | 48 89 f9 | 48 c1 e8 1a | 25 f0 00 00 00 | " +
			"64 48 03 04 25 00 00 00 00 | 48 01 d0 | 48 3b 88 b0 01 00 00 | 0f 85 8a 00 00 00", 41},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := codeOf(t, tc.body, "")
			size := uint64(len(assemble(t, tc.body)))
			if got := m.places([]candidate{{elf.Symbol{Value: entry, Size: size}, tc.arguments}})[0]; got != tc.want {
				t.Errorf("places = %d, want %d", got, tc.want)
			}
		})
	}
}

// These are where codeOf puts a function, and where tests put what leads there.
const (
	before = 16 // NOPs in front of the function
	base   = 0x401000
	entry  = base + before
	data   = 0x500000
)

// codeOf is an image of a function and of code behind it.
func codeOf(t *testing.T, body, after string) *image {
	t.Helper()
	code := bytes.Repeat([]byte{0x90}, before)
	code = append(code, assemble(t, body)...)
	code = append(code, assemble(t, after)...)
	m := &image{machine: elf.EM_X86_64}
	m.add(base, elf.PF_R|elf.PF_X, code)
	return m
}

func (m *image) add(address uint64, flags elf.ProgFlag, content []byte) {
	m.segments = append(m.segments, &elffile.Segment{
		ProgHeader: elf.ProgHeader{Type: elf.PT_LOAD, Flags: flags, Vaddr: address, Filesz: uint64(len(content))},
		ReaderAt:   bytes.NewReader(content),
	})
}

// checkPlace expects a probe at offset want of a function of size bytes.
func checkPlace(t *testing.T, m *image, size, want uint64) {
	t.Helper()
	if got := m.places([]candidate{{elf.Symbol{Value: entry, Size: size}, 3}})[0]; got != want {
		t.Errorf("places = %d, want %d", got, want)
	}
}

// TestPlaceOutside asks for functions that the code does not hold.
func TestPlaceOutside(t *testing.T) {
	m := &image{machine: elf.EM_X86_64}
	ask := func() {
		t.Helper()
		for _, address := range []uint64{0, 0xfff, 0x1006, 0x1007, 1<<64 - 1} {
			if got := m.places([]candidate{{elf.Symbol{Value: address, Size: 6}, 3}})[0]; got != 0 {
				t.Errorf("entry %#x: places = %d, want 0", address, got)
			}
		}
	}
	ask()
	m.add(0x1000, elf.PF_R|elf.PF_X, assemble(t, "f3 0f 1e fa | 55 | c3"))
	ask()
}
