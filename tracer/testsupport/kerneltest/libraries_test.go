package kerneltest

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

func TestLibraryClosure(t *testing.T) {
	bin := testprog.BuildText(t, map[string]string{
		"part.c":   "// build: gcc -shared -fPIC -lm\n#include <math.h>\ndouble part(double x) { return cos(x); }\n",
		"static.c": "// build: gcc -static\nint main(void) { return 0; }\n",
		"plain.c":  "// build: gcc\nint main(void) { return 0; }\n",
		"object.c": "// build: gcc -c\nint x;\n",
	})
	// A library beside the program, and one that only that library needs.
	src := filepath.Join(t.TempDir(), "whole.c")
	if err := os.WriteFile(src, []byte("double part(double);\nint main(void) { return part(0) != 1; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(bin, "whole")
	link := exec.Command("gcc", "-o", whole, src, "part.so", "-Wl,-rpath,$ORIGIN")
	link.Dir = bin
	if out, err := link.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const loader = "ld-linux-x86-64.so.2"
	for _, tc := range []struct {
		program string
		known   map[string]bool
		want    []string
	}{
		{"static", nil, nil},
		{"object", nil, nil},
		{"plain", nil, []string{loader, "libc.so.6", "libgcc_s.so.1"}},
		{"whole", nil, []string{loader, "libc.so.6", "libgcc_s.so.1", "libm.so.6", "part.so"}},
		{"whole", map[string]bool{"part.so": true}, []string{loader, "libc.so.6", "libgcc_s.so.1"}},
	} {
		found, err := libraryClosure(filepath.Join(bin, tc.program), tc.known)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, path := range found {
			if f, err := elf.Open(path); err != nil {
				t.Error(err)
			} else {
				f.Close()
			}
			names = append(names, filepath.Base(path))
		}
		slices.Sort(names)
		// Some libraries list the loader as a library they need.
		names = slices.Compact(names)
		if !slices.Equal(names, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.program, names, tc.want)
		}
	}
	if _, err := findLibrary("libnone-of-this-name.so.9", "/", nil); err == nil {
		t.Error("found a library that is not there")
	}
}
