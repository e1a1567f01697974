package target

import (
	"debug/elf"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// TestModules compares where a program says that things are with what the modules and their
// files say.
func TestModules(t *testing.T) {
	const text = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(void) {
	printf("%p %p %#lx\n", dlsym(RTLD_DEFAULT, "malloc"), (void *)main, getauxval(AT_SYSINFO_EHDR));
	fflush(stdout);
	for (;;)
		pause();
}
`
	for _, flags := range []string{"gcc -fPIE -pie", "gcc -no-pie"} {
		t.Run(flags, func(t *testing.T) {
			path := testprog.BuildProgram(t, flags, text)
			pid, line := start(t, exec.Command(path))
			var malloc, main, vdso uint64
			if _, err := fmt.Sscanf(line, "0x%x 0x%x 0x%x", &malloc, &main, &vdso); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			found := find(t, pid)
			modules, err := found.Modules()
			if err != nil {
				t.Fatal(err)
			}
			seen := make(map[string]bool)
			for i := range modules {
				m := &modules[i]
				if m.Start >= m.End || i > 0 && m.Start < modules[i-1].End {
					t.Errorf("module %+v is out of order", m)
				}
				image, err := found.OpenModule(m)
				if err != nil {
					t.Fatal(err)
				}
				defer image.Close()
				f, err := elf.NewFile(image)
				if err != nil {
					t.Fatalf("%s: %v", m.Path, err)
				}
				var headers []elf.ProgHeader
				for _, p := range f.Progs {
					headers = append(headers, p.ProgHeader)
				}
				bias, ok := m.Bias(headers)
				if !ok {
					t.Errorf("%s: no bias", m.Path)
				}
				switch name := filepath.Base(m.Path); {
				case m.Path == path:
					seen["program"] = true
					symbols, err := f.Symbols()
					checkAddress(t, symbols, err, "main", bias, main)
				case strings.HasPrefix(name, "libc.so") || strings.HasPrefix(name, "libc-2"):
					seen["libc"] = true
					symbols, err := f.DynamicSymbols()
					checkAddress(t, symbols, err, "malloc", bias, malloc)
				case name == vdsoPath:
					seen["vdso"] = true
					if m.Start != vdso || bias != vdso || image.Size == 0 {
						t.Errorf("vDSO at %#x, bias %#x, %d bytes; the process has it at %#x", m.Start, bias, image.Size, vdso)
					}
				}
			}
			if len(seen) != 3 {
				t.Errorf("found only %v in %v", seen, modules)
			}
		})
	}
}

func checkAddress(t *testing.T, symbols []elf.Symbol, err error, name string, bias, want uint64) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name && s.Value != 0 {
			if got := bias + s.Value; got != want {
				t.Errorf("%s at %#x, the process has it at %#x", name, got, want)
			}
			return
		}
	}
	t.Errorf("no %s", name)
}

func TestBiasUnknown(t *testing.T) {
	m := Module{Start: 0x1000, End: 0x2000}
	for _, headers := range [][]elf.ProgHeader{
		nil,
		{{Type: elf.PT_LOAD, Flags: elf.PF_R, Filesz: 0x1000}},
		{{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Off: 0x5000, Filesz: 0x1000}},
	} {
		if bias, ok := m.Bias(headers); ok {
			t.Errorf("%v: bias %#x, want none", headers, bias)
		}
	}
}
