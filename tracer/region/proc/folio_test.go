package proc

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// TestFolios looks at this process: memory that is not there, a small page and a huge one.
func TestFolios(t *testing.T) {
	testprog.NeedRoot(t)
	const huge = 2 << 20
	memory, err := unix.Mmap(-1, 0, 3*huge, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	f, err := OpenFolios(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	start := uint64(uintptr(unsafe.Pointer(&memory[0])))
	aligned := (start + huge - 1) &^ (huge - 1)
	at := func(addr uint64) *byte { return &memory[addr-start] }
	if f.Present(aligned) || f.Size(aligned) != 4096 {
		t.Errorf("untouched: present %v, %d bytes", f.Present(aligned), f.Size(aligned))
	}
	if err := unix.Madvise(memory, unix.MADV_NOHUGEPAGE); err != nil {
		testprog.Missing(t, "no huge pages here: "+err.Error())
	}
	*at(aligned) = 1
	if !f.Present(aligned) || f.Size(aligned) != 4096 {
		t.Errorf("small: present %v, %d bytes", f.Present(aligned), f.Size(aligned))
	}
	text, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(text), "[never]") {
		testprog.Missing(t, fmt.Sprintf("no huge pages here: %s, %v", text, err))
	}
	if err := unix.Madvise(memory, unix.MADV_HUGEPAGE); err != nil {
		t.Fatal(err)
	}
	second := aligned + huge
	*at(second + 4096*7) = 1
	if !f.Present(second) {
		testprog.Missing(t, "the kernel had no huge page to give")
	}
	for _, addr := range []uint64{second, second + 4096*7, second + huge - 1} {
		if got := f.Size(addr); got != huge {
			t.Errorf("huge, at +%d: %d bytes", addr-second, got)
		}
	}
}
