package target

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// object reads a file, nil if it is not an allocator.
func object(t testing.TB, path string) *Object {
	t.Helper()
	file, err := openRegular(path, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	o, err := readNamed(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// checkProbes holds the probes against the file itself. Each sits Inside bytes behind its
// function's symbol, on the entry or on an instruction that the kernel emulates. It returns
// them by name.
func checkProbes(t *testing.T, path string, o *Object) map[string]Probe {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil || !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == "malloc" && s.Value != 0 }) {
		if symbols, err = f.Symbols(); err != nil {
			t.Fatal(err)
		}
	}
	entries := make(map[string]uint64)
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF || int(s.Section) >= len(f.Sections) {
			continue
		}
		section := f.Sections[s.Section]
		entries[s.Name] = s.Value - section.Addr + section.Offset
	}
	probes, names := make(map[string]Probe), make(map[uint64]string)
	for _, p := range o.Probes {
		if p.Role == Return {
			probes[p.Name] = p
			continue
		}
		entry, ok := entries[p.Name]
		if !ok || p.Offset-p.Inside != entry {
			t.Errorf("%s: probe at %#x+%d, the symbol is at %#x", p.Name, p.Offset-p.Inside, p.Inside, entry)
			continue
		}
		if other, taken := names[p.Offset]; taken {
			t.Errorf("%s and %s share a probe at %#x", p.Name, other, p.Offset)
		}
		if p.Inside != 0 && !emulated(image[p.Offset:]) {
			t.Errorf("%s+%d: % x is single-stepped", p.Name, p.Inside, image[p.Offset:p.Offset+8])
		}
		names[p.Offset], probes[p.Name] = p.Name, p
	}
	return probes
}

func TestGlibc(t *testing.T) {
	path := testprog.Library(t, "libc.so.6")
	o := object(t, path)
	if o == nil || o.Family != Glibc {
		t.Fatalf("%s: got %+v, want glibc", path, o)
	}
	probes := checkProbes(t, path, o)
	roles := map[string]Role{
		"malloc": Alloc, "calloc": Alloc, "realloc": Realloc, "free": Free,
		"memalign": Alloc, "posix_memalign": Alloc, "valloc": Alloc, "pvalloc": Alloc,
	}
	for name, role := range roles {
		if p, ok := probes[name]; !ok || p.Role != role {
			t.Errorf("%s: got %+v (found: %v), want role %d", name, p, ok, role)
		}
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// These are called most often. No known build has them single-stepped.
	if machineOf(t, path) == elf.EM_X86_64 {
		for _, name := range []string{"malloc", "calloc", "realloc", "free"} {
			if p := probes[name]; !emulated(image[p.Offset:]) {
				t.Errorf("%s+%d: % x is single-stepped", name, p.Inside, image[p.Offset:p.Offset+8])
			}
		}
	}
	if !bytes.Contains(image, []byte("(Debian GLIBC 2.36-9+deb12")) || machineOf(t, path) != elf.EM_X86_64 {
		return
	}
	inside := map[string]uint64{
		"malloc": 0, "calloc": 0, "realloc": 0, "free": 3,
		"memalign": 7, "posix_memalign": 7, "valloc": 7, "pvalloc": 7,
	}
	for name, want := range inside {
		if got := probes[name].Inside; got != want {
			t.Errorf("%s: probe %d bytes inside, want %d", name, got, want)
		}
	}
	if len(probes) != len(inside) {
		t.Errorf("probes %v, want those of %v", probes, inside)
	}
}

func machineOf(t testing.TB, path string) elf.Machine {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Machine
}

// TestAllocators reads the other allocators that Debian has.
func TestAllocators(t *testing.T) {
	c := []string{"malloc", "calloc", "realloc", "posix_memalign", "free"}
	// jemalloc's _Znam is only a jump to _Znwm, and one probe sees both.
	cxx := []string{"_Znwm", "_ZnwmSt11align_val_t"}
	for _, tc := range []struct {
		library string
		family  Family
		want    []string
	}{
		{"/lib/ld-musl-x86_64.so.1", Musl, c},
		{"libjemalloc.so.2", Jemalloc, slices.Concat(c, cxx, []string{"mallocx", "dallocx"})},
		{"libtcmalloc_minimal.so.4", Tcmalloc, slices.Concat(c, cxx[:1])},
		{"libmimalloc.so.2", Mimalloc, slices.Concat(c, cxx[:1])},
	} {
		t.Run(string(tc.family), func(t *testing.T) {
			needAMD64(t)
			path := testprog.Library(t, tc.library)
			o := object(t, path)
			if o == nil || o.Family != tc.family {
				t.Fatalf("%s: got %+v, want %s", path, o, tc.family)
			}
			probes := checkProbes(t, path, o)
			for _, name := range tc.want {
				if _, ok := probes[name]; !ok {
					t.Errorf("no probe on %s", name)
				}
			}
			for name, p := range probes {
				t.Logf("%s+%d", name, p.Inside)
			}
		})
	}
}

// TestNoAllocators reads files that must not be probed.
func TestNoAllocators(t *testing.T) {
	for _, tc := range []struct{ name, path string }{
		{"dynamic loader", testprog.Library(t, "ld-linux-x86-64.so.2")},
		{"libstdc++, whose operators call malloc", testprog.Library(t, "libstdc++.so.6")},
		{"a loader's own malloc", testprog.BuildProgram(t, "gcc -shared -fPIC -nostdlib",
			"int _rtld_global; void *malloc(unsigned long n) { return (void *)n; }")},
		{"a library's private malloc", testprog.BuildProgram(t, "gcc -shared -fPIC -nostdlib -fvisibility=hidden -fno-builtin",
			"void *malloc(unsigned long n) { return (void *)n; }\n"+
				"__attribute__((visibility(\"default\"))) void *get(void) { return malloc(7); }")},
		{"a program that only calls it", testprog.BuildProgram(t, "gcc", waiting)},
		{"a 32-bit program", foreignProgram(t)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if o := object(t, tc.path); o != nil {
				t.Errorf("got %+v, want none", o)
			}
		})
	}
}

// TestAliases: the names of one function get one probe. A name that is not a function gets
// none, and neither does a symbol of a resolver, which chooses the function.
func TestAliases(t *testing.T) {
	path := testprog.BuildProgram(t, "gcc -shared -fPIC -nostdlib -O1 -fno-builtin", `
typedef unsigned long size_t;
void *malloc(size_t n) { return (void *)(n + 1); }
void *memalign(size_t a, size_t n) { return (void *)(a * n); }
void *aligned_alloc(size_t a, size_t n) __attribute__((alias("memalign")));
void free(void *p) { *(int *)p = 0; }
void cfree(void *p) __attribute__((alias("free")));
int valloc = 7;
static void *pick(void) { return malloc; }
void *pvalloc(size_t n) __attribute__((ifunc("pick")));
`)
	o := object(t, path)
	if o == nil || o.Family != Unknown {
		t.Fatalf("got %+v, want an unknown allocator", o)
	}
	checkProbes(t, path, o)
	var names []string
	for _, p := range o.Probes {
		names = append(names, p.Name)
	}
	if want := []string{"malloc", "memalign", "free"}; !slices.Equal(names, want) {
		t.Errorf("probes on %v, want %v", names, want)
	}
}

// TestJumps: a function that is only a jump to a probed one gets no probe.
func TestJumps(t *testing.T) {
	needAMD64(t)
	const text = `
typedef unsigned long size_t;
void *malloc(size_t n) { return (void *)(n + 1); }
void free(void *p) { *(int *)p = 0; }
void own_free(void *p) __attribute__((alias("free")));
void own_free_sized(void *p, size_t n) { own_free(p); }
void cfree(void *p) { own_free(p); }
void _ZdlPv(void *p) { free(p); }
void _ZdlPvm(void *p, size_t n) { own_free_sized(p, n); }
void _ZdaPv(void *p) { if (p) free(p); }
void _ZdaPvm(void *p, size_t n) { *(int *)p = 1; free(p); }
static void (*later)(void *);
void free_sized(void *p, size_t n) { later(p); }
`
	for name, flags := range map[string]string{
		"PLT": "", "PLT with endbr64": "-fcf-protection=full", "GOT": "-fno-plt", "direct": "-Wl,-Bsymbolic",
	} {
		t.Run(name, func(t *testing.T) {
			path := testprog.BuildProgram(t, "gcc -shared -fPIC -nostdlib -O2 -fno-builtin "+flags, text)
			o := object(t, path)
			checkProbes(t, path, o)
			var names []string
			for _, p := range o.Probes {
				names = append(names, p.Name)
			}
			if want := []string{"malloc", "free", "free_sized", "_ZdaPv", "_ZdaPvm"}; !slices.Equal(names, want) {
				t.Errorf("probes on %v, want %v", names, want)
			}
		})
	}
}

// FuzzReadObject: a process maps what it likes.
func FuzzReadObject(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\x7fELF"))
	small := testprog.BuildProgram(f, "gcc -shared -fPIC -nostdlib -fno-builtin -s -Wl,-z,noseparate-code -Wl,--build-id=none",
		"int mallctl; void *malloc(unsigned long n) { return (void *)n; } void free(void *p) { *(int *)p = 0; }")
	for _, path := range []string{small, foreignProgram(f), testprog.BuildProgram(f, "gcc -static -nostdlib", sleeper)} {
		image, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		fd, err := unix.MemfdCreate("object", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fd), "object")
		defer file.Close()
		if _, err := file.Write(image); err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/proc/self/fd/%d", fd)
		opened, err := openRegular(path, path)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		o, err := readNamed(opened, nil)
		if err != nil || o == nil {
			return
		}
		for _, p := range o.Probes {
			if p.Inside >= placeLimit {
				t.Errorf("%s: probe %d bytes inside", p.Name, p.Inside)
			}
		}
	})
}
