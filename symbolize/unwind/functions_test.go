package unwind

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/flow"
)

// readCounter counts the bytes that are read between two offsets of a file.
type readCounter struct {
	*bytes.Reader
	start, end, n int64
}

func (r *readCounter) ReadAt(b []byte, off int64) (int, error) {
	r.n += max(0, min(off+int64(len(b)), r.end)-max(off, r.start))
	return r.Reader.ReadAt(b, off)
}

// The symbols of a file are read for the functions in code without FDEs: nobody needs the names of
// its data, and of its other functions, however many there are.
func TestFunctionsOfParts(t *testing.T) {
	source := strings.Builder{}
	source.WriteString(".text\n.skip 64,0x90\n")
	for _, name := range []string{"before", "wanted", "wanted.cold", "after"} {
		fmt.Fprintf(&source, ".type %s,@function\n%s: .skip 64,0x90\n.size %s,64\n", name, name, name)
	}
	source.WriteString(".data\n")
	for i := range 3000 {
		fmt.Fprintf(&source, ".type x%[1]d%[2]s,@object\nx%[1]d%[2]s: .byte 0\n", i, strings.Repeat("x", 200))
	}
	assembly := filepath.Join(t.TempDir(), "symbols.s")
	if err := os.WriteFile(assembly, []byte(source.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	path := compile(t, "freestanding.c", assembly, "-static", "-nostdlib", "-Wl,-z,noexecstack")
	wanted, names := functionSymbol(t, path, "wanted"), elfSection(t, path, ".strtab")
	image := readFile(t, path)
	r := readCounter{Reader: bytes.NewReader(image), start: int64(names.Offset), end: int64(names.Offset + names.Size)}
	file, err := elffile.Open(&r, int64(len(image)), elffile.NewFileBudget())
	if err != nil {
		t.Fatal(err)
	}
	got := functionsOf(file, []flow.Part{{Start: wanted.Value, Code: make([]byte, 128)}}) // with that of wanted.cold
	got = slices.DeleteFunc(got, func(f flow.Function) bool { return f.Start == file.Entry })
	if !slices.Equal(got, []flow.Function{{Start: wanted.Value, Size: 64}}) {
		t.Errorf("%+v", got)
	}
	if size := int64(names.Size); size < 500_000 || r.n > size/3 {
		t.Errorf("%d bytes of %d of names were read", r.n, size)
	}
	if !inParts([]flow.Part{{Start: wanted.Value + 8, Code: make([]byte, 8)}}, &elf.Symbol{Value: wanted.Value, Size: 9}) {
		t.Error("a function reaches into a part")
	}
}
