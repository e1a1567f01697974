package ptmalloc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// smallLibc has what Locate looks for and little else.
const smallLibc = `
const char banner[] = "GNU C Library (X) stable release version 2.36.\n";
__attribute__((used)) static long mp_[17] = {131072, 131072, 131072, 8, 0, 0, 0, 0, 65536};
struct arena { long zero[270]; void *next, *next_free; long attached, system, max; };
__attribute__((used)) static struct arena main_arena = {.next = &main_arena, .attached = 1};
`

// compressedSections returns an ELF file whose sections all claim to be compressed.
func compressedSections(data []byte) []byte {
	data = bytes.Clone(data)
	first := binary.LittleEndian.Uint64(data[0x28:]) // e_shoff
	for i := range uint64(binary.LittleEndian.Uint16(data[0x3c:])) {
		data[first+i*64+9] |= byte(elf.SHF_COMPRESSED >> 8)
	}
	return data
}

// FuzzLocate looks for malloc in arbitrary files.
func FuzzLocate(f *testing.F) {
	for _, flags := range []string{"-s", "-g", "-Wl,-z,noseparate-code"} {
		dir := testprog.BuildText(f, map[string]string{
			"small.c": "// build: gcc -shared -fPIC -fvisibility=hidden -nostdlib " + flags + "\n" + smallLibc,
		})
		data, err := os.ReadFile(filepath.Join(dir, "small.so"))
		if err != nil {
			f.Fatal(err)
		}
		if l, err := Locate(bytes.NewReader(data), int64(len(data)), ""); err != nil || l.MainArena == 0 {
			f.Fatalf("%s: %+v, %v", flags, l, err)
		}
		f.Add(data)
		f.Add(compressedSections(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Locate(bytes.NewReader(data), int64(len(data)), "")
		if err != nil {
			return
		}
		if l.params.mmaps == 0 || (l.MainArena == 0) != (l.ArenaError != nil) ||
			l.ArenaError != nil && !errors.Is(l.ArenaError, ErrNotFound) {
			t.Errorf("%+v", l)
		}
	})
}
