package unwind

import (
	"debug/elf"
	"testing"
)

// TestVfork checks that glibc's vfork has a row with the return address in rdi.
func TestVfork(t *testing.T) {
	path := systemFile(t, libcFiles)
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	d := new(Dictionary)
	table, _ := buildFile(t, path, d)
	for _, s := range symbols {
		if s.Name != "vfork" {
			continue
		}
		for pc := range s.Size {
			if d.Rules()[table.Lookup(s.Value+pc, d.Rules())] == halves(CFARARegister, 0, 5) {
				return
			}
		}
	}
	t.Error("vfork has no row with its return address in rdi")
}
