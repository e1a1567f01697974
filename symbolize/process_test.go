package symbolize

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

const librarySource = `
static __attribute__((noinline)) int hidden_function(int n) { __asm__ volatile(""); return n * 3; }
__attribute__((noinline)) int library_function(int n) { return hidden_function(n) + 1; }
`

// address parses the first word of a line.
func address(t *testing.T, line string) uint64 {
	t.Helper()
	text, _, _ := strings.Cut(line, " ")
	addr, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	if err != nil || addr == 0 {
		t.Fatalf("no address: %q", line)
	}
	return addr
}

// function returns the name of the last, outermost frame.
func function(frames []Frame) string { return frames[len(frames)-1].Function }

func TestProgramKinds(t *testing.T) {
	testprog.NeedRoot(t)
	for _, flags := range [][]string{{"-pie", "-fPIE"}, {"-no-pie"}, {"-static"}, {"-Wl,-z,noseparate-code"}} {
		t.Run(strings.Join(flags, ""), func(t *testing.T) {
			binary := compile(t, "gcc", readSource(t, "waiter.c"), "waiter", append(flags, "-g")...)
			child := start(t, binary)
			addr := address(t, child.line())
			p := open(t, child.pid, Options{})
			frames := p.Resolve(addr, false)
			f := frames[0]
			if f.Function != "program_function" || f.Module != binary || f.Line != 7 || f.Address != addr {
				t.Errorf("Resolve = %+v, want program_function of %s, line 7", f, binary)
			}
			if want := symbolValue(t, binary, "program_function"); f.Offset != want {
				t.Errorf("offset is %#x, nm says %#x", f.Offset, want)
			}
			// A return address at the start of a function belongs to the function before it.
			back := p.Resolve(addr, true)
			if function(back) == "program_function" || back[0].Offset != f.Offset || back[0].Address != addr {
				t.Errorf("as a return address: %+v", back)
			}
			if p.Mappings()[0].BuildID != buildID(t, binary) {
				t.Errorf("build ID is %q, readelf says %q", p.Mappings()[0].BuildID, buildID(t, binary))
			}
		})
	}
}

func symbolValue(t *testing.T, binary, name string) uint64 {
	for line := range strings.Lines(string(run(t, "nm", binary))) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == name {
			return address(t, fields[0])
		}
	}
	t.Fatalf("nm does not list %s", name)
	return 0
}

func buildID(t *testing.T, binary string) string {
	_, id, _ := strings.Cut(string(run(t, "readelf", "-n", binary)), "Build ID: ")
	id, _, _ = strings.Cut(id, "\n")
	return id
}

func TestLibraryClosedAndProcessGone(t *testing.T) {
	testprog.NeedRoot(t)
	library := compile(t, "gcc", librarySource, "plugin.so", "-shared", "-fPIC", "-O1", "-g")
	child := start(t, compile(t, "gcc", readSource(t, "waiter.c"), "waiter", "-ldl"), library)
	program := address(t, child.line())
	p := open(t, child.pid, Options{})
	child.next()
	addr := address(t, child.line())
	if got := function(p.Resolve(addr, false)); got != "" {
		t.Errorf("before Refresh the library's function is %q", got)
	}
	if err := p.Refresh(); err != nil {
		t.Fatal(err)
	}
	child.next()
	child.line()
	if err := os.Remove(library); err != nil {
		t.Fatal(err)
	}
	if err := p.Refresh(); err != nil {
		t.Fatal(err)
	}
	child.stop()
	if err := p.Refresh(); !errors.Is(err, ErrProcessGone) {
		t.Errorf("Refresh of an ended process: %v", err)
	}
	f := p.Resolve(addr, false)[0]
	if f.Function != "library_function" || f.Module != library || f.Line != 3 {
		t.Errorf("closed library: %+v", f)
	}
	if got := function(p.Resolve(program, false)); got != "program_function" {
		t.Errorf("ended program: %q", got)
	}
	vanished := 0
	for _, m := range p.Mappings() {
		if m.Vanished {
			vanished++
			if m.Path != library {
				t.Errorf("%s has not vanished", m.Path)
			}
		}
	}
	if vanished != 1 {
		t.Errorf("%d mappings vanished, want 1", vanished)
	}
}

func TestReplacedProgram(t *testing.T) {
	testprog.NeedRoot(t)
	binary := compile(t, "gcc", readSource(t, "waiter.c"), "waiter", "-g")
	child := start(t, binary)
	addr := address(t, child.line())
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	write(t, binary, "another file")
	p := open(t, child.pid, Options{})
	f := p.Resolve(addr, false)[0]
	if f.Function != "program_function" || f.Module != binary {
		t.Errorf("replaced program: %+v, problems %q", f, p.Problems())
	}
}

func TestVDSOAndStrippedLibc(t *testing.T) {
	testprog.NeedRoot(t)
	child := start(t, compile(t, "gcc", readSource(t, "waiter.c"), "waiter"))
	child.line()
	// Without debug files, libc has only its .dynsym.
	p := open(t, child.pid, Options{DebugDirs: []string{t.TempDir()}})
	for _, want := range []struct{ module, function string }{
		{vdsoName, "__vdso_clock_gettime"},
		{"libc.so.6", "malloc"},
	} {
		r := findRegion(t, p, want.module)
		addr := dynamicSymbol(t, p, r, want.function)
		got := p.Resolve(addr, false)[0]
		// The vDSO has clock_gettime as a weak alias.
		if got.Function != want.function || !strings.HasSuffix(got.Module, want.module) {
			t.Errorf("%s: %+v", want.function, got)
		}
	}
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

func findRegion(t *testing.T, p *Process, module string) *region {
	for _, r := range p.live {
		if strings.HasSuffix(r.path, module) {
			return r
		}
	}
	t.Fatalf("%s is not mapped", module)
	return nil
}

// dynamicSymbol returns the address of an exported symbol in memory.
func dynamicSymbol(t *testing.T, p *Process, r *region, name string) uint64 {
	t.Helper()
	if !r.module.isELF(p) {
		t.Fatal("not an ELF file")
	}
	r.module.loadSymbols(p)
	base, ok := r.module.elf.Vaddr(r.offset)
	if !ok {
		t.Fatal("no segment for the mapping")
	}
	for e := range r.module.symbols.sized.All() {
		if r.module.symbols.text(r.module.symbols.symbols[e.Ref]) == name {
			return e.Low - base + r.start
		}
	}
	t.Fatalf("%s has no symbol %s", r.path, name)
	return 0
}

func TestErrors(t *testing.T) {
	if _, err := NewProcess(1<<30, Options{}); !errors.Is(err, ErrProcessGone) {
		t.Errorf("NewProcess of nobody: %v", err)
	}
	child := start(t, "/bin/cat")
	p := open(t, child.pid, Options{})
	child.stop()
	if err := p.Exec(); !errors.Is(err, ErrProcessGone) {
		t.Errorf("Exec of an ended process: %v", err)
	}
	if f := p.Resolve(0x1000, true); len(f) != 1 || f[0].Function != "" || f[0].Address != 0x1000 {
		t.Errorf("Resolve after all is gone: %+v", f)
	}
	if f := p.Resolve(0, true); len(f) != 1 {
		t.Errorf("Resolve of 0: %+v", f)
	}
}

func TestConcurrentUse(t *testing.T) {
	p := open(t, os.Getpid(), Options{})
	m := p.Mappings()[0]
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 50 {
				if i == 0 {
					if err := p.Refresh(); err != nil {
						t.Error(err)
					}
				}
				p.Resolve(m.Start+(m.End-m.Start)*uint64(n)/50, true)
				p.Mappings()
			}
		})
	}
	wg.Wait()
}

// The target's paths are resolved in its own root, links included.
func TestOpenInRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "outside"), "outside")
	write(t, filepath.Join(dir, "root/lib/inside"), "inside")
	for link, to := range map[string]string{"up": "../outside", "absolute": "/lib/inside", "host": filepath.Join(dir, "outside")} {
		if err := os.Symlink(to, filepath.Join(dir, "root", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := mkfifo(filepath.Join(dir, "root/fifo")); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(filepath.Join(dir, "root"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for path, want := range map[string]bool{
		"/lib/inside": true, "absolute": true, "up": false, "host": false, "../outside": false, "lib": false, "fifo": false, "": false,
	} {
		file, err := openInRoot(root, path, 0)
		if (err == nil) != want {
			t.Errorf("open %q: %v, want success %v", path, err, want)
		}
		if file != nil {
			file.Close()
		}
	}
}
