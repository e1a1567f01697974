package target

import (
	"errors"
	"os/exec"
	"slices"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// hooking is a program that overwrites the entry of its free before it waits.
const hooking = `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
	volatile uintptr_t entry = (uintptr_t)&free;
	uintptr_t page = entry & ~(uintptr_t)4095;
	puts("ready"); /* allocates and frees its last here */
	if (mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC))
		return 1;
	memcpy((char *)entry, PATCH, sizeof(PATCH) - 1);
	fflush(stdout);
	for (;;)
		pause();
}
`

// TestPatched: a process whose code differs from the file's is not probed.
func TestPatched(t *testing.T) {
	needAMD64(t)
	for _, tc := range []struct {
		name, patch string
		want        error
	}{
		{"jump", `"\xe9\1\2\3\4"`, ErrPatched},
		{"breakpoint", `"\xcc"`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := testprog.BuildProgram(t, "gcc", "#define PATCH "+tc.patch+"\n"+hooking)
			pid, _ := start(t, exec.Command(path))
			if tc.want != nil {
				refused(t, pid, tc.want, "free of ", "libc")
				return
			}
			if got := families(find(t, pid)); !slices.Equal(got, []Family{Glibc}) {
				t.Errorf("families %v, want glibc", got)
			}
		})
	}
}

func TestSameCode(t *testing.T) {
	for _, tc := range []struct {
		name, file, memory string
		want               bool
	}{
		{"same", "48 85 ff | 74 10", "48 85 ff | 74 10", true},
		{"breakpoints", "48 85 ff | 74 10", "cc 85 ff | cc 10", true},
		{"jump", "48 85 ff | 74 10", "e9 00 00 00 00", false},
		{"last byte", "48 85 ff | 74 10", "48 85 ff | 74 11", false},
		{"call for a NOP", "0f 1f 44 00 00 | 53", "e8 01 02 03 04 | 53", true},
		{"call for a NOP, and more", "0f 1f 44 00 00 | 53", "e8 01 02 03 04 | 54", false},
		{"call for another instruction", "0f 1f 40 00 90 | 53", "e8 01 02 03 04 | 53", false},
		{"nothing", "", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := sameCode(assemble(t, tc.file), assemble(t, tc.memory)); got != tc.want {
				t.Errorf("sameCode = %v, want %v", got, tc.want)
			}
		})
	}
}

// TestDropPatched: only the objects that must be left out are dropped.
func TestDropPatched(t *testing.T) {
	pid, _ := start(t, exec.Command(testprog.BuildProgram(t, "gcc", waiting)))
	found := find(t, pid)
	maps, err := readMaps(pid)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := found.dropPatched(found.Objects, maps); err != nil || len(kept) != 1 {
		t.Fatalf("%v, %d objects, want one", err, len(kept))
	}
	p := &found.Objects[0].Probes[0]
	p.code = string(make([]byte, len(p.code)))
	if kept, err := found.dropPatched(found.Objects, maps); !errors.Is(err, ErrPatched) || len(kept) != 0 {
		t.Errorf("%v, %d objects, want %q and none", err, len(kept), ErrPatched)
	}
}
