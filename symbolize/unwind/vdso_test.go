package unwind

import (
	"bytes"
	"debug/elf"
	"os"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// TestVDSO builds the table of the vDSO from this process's own memory.
func TestVDSO(t *testing.T) {
	image := vdsoImage(t)
	d := new(Dictionary)
	table, stats, err := BuildFromBytes(image, d)
	if err != nil {
		t.Fatal(err)
	}
	checkTable(t, table, d)
	logUnsupported(t, stats)
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	functions := 0
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Value == 0 {
			continue
		}
		functions++
		if got := d.Rules()[table.Lookup(s.Value, d.Rules())]; got != rsp(8) {
			t.Errorf("%s: rule %v at its entry, want %v", s.Name, got, rsp(8))
		}
	}
	if functions == 0 {
		t.Error("no function found in the vDSO")
	}

	path := t.TempDir() + "/vdso.so"
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	compareWithReadelf(t, path, table, d)
}

func vdsoImage(t *testing.T) []byte {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, "/proc/self/maps"))) {
		if !strings.HasSuffix(line, "[vdso]\n") {
			continue
		}
		from, to, _ := strings.Cut(strings.Fields(line)[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		end, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		memory, err := os.Open("/proc/self/mem")
		if err != nil {
			t.Fatal(err)
		}
		defer memory.Close()
		image := make([]byte, end-start)
		if _, err := memory.ReadAt(image, int64(start)); err != nil {
			t.Fatal(err)
		}
		return image
	}
	testprog.Missing(t, "this process has no vDSO")
	return nil
}
