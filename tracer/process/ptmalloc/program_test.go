package ptmalloc

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// libcVariable names the environment variable that makes the tests run with another glibc. It
// holds the dynamic loader, the library directory and a testdata/heap.c linked against that
// glibc, separated by spaces.
const libcVariable = "MEMTRACE_PTMALLOC_LIBC"

func TestMain(m *testing.M) { testprog.Main(m) }

// program is a running testdata/heap.c.
type program struct {
	*testprog.Program
	t    testing.TB
	heap *Heap
}

// path returns the test program's path.
func path(t testing.TB) string {
	t.Helper()
	return testprog.PathIn(t, "testdata", "heap")
}

// start runs the program, with variables added to its environment.
func start(t testing.TB, environment ...string) *program {
	t.Helper()
	cmd := exec.Command(path(t))
	if other := strings.Fields(os.Getenv(libcVariable)); len(other) == 3 {
		cmd = exec.Command(other[0], "--library-path", other[1], other[2])
	}
	cmd.Env = append(os.Environ(), environment...)
	p := &program{Program: testprog.Command(t, cmd), t: t}
	p.heap = openHeap(t, p.PID())
	return p
}

func openHeap(t testing.TB, pid int) *Heap {
	t.Helper()
	found, err := target.Find(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	heap, err := Open(found)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := heap.Close(); err != nil {
			t.Error(err)
		}
	})
	return heap
}

// do makes the program do something that it only confirms.
func (p *program) do(line string) {
	p.t.Helper()
	p.Say(line)
	if answer := p.Line(); answer != "ok 0" {
		p.t.Fatalf("%s: %q", line, answer)
	}
}

// alloc makes the program allocate blocks and returns the address of the last one.
func (p *program) alloc(size, count int) (addr uint64) {
	p.t.Helper()
	p.Say(fmt.Sprintf("alloc %d %d", size, count))
	if answer := p.Line(); !scan(answer, "at %d", &addr) {
		p.t.Fatalf("alloc: %q", answer)
	}
	return addr
}

// mallinfo is what the program says about itself.
type mallinfo struct {
	arena, hblks, hblkhd, fordblks, fsmblks, smblks, ordblks uint64
}

func (p *program) info() (m mallinfo) {
	p.t.Helper()
	p.Say("info")
	if answer := p.Line(); !scan(answer, "info %d %d %d %d %d %d %d",
		&m.arena, &m.hblks, &m.hblkhd, &m.fordblks, &m.fsmblks, &m.smblks, &m.ordblks) {
		p.t.Fatalf("info: %q", answer)
	}
	return m
}

func scan(line, format string, args ...any) bool {
	n, err := fmt.Sscanf(line, format, args...)
	return err == nil && n == len(args)
}

func (p *program) params() Params {
	p.t.Helper()
	params, err := p.heap.Params()
	if err != nil {
		p.t.Fatal(err)
	}
	return params
}

func (p *program) arenas() Arenas {
	p.t.Helper()
	arenas, err := p.heap.Arenas(Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	return arenas
}

// header reads the word before a block.
func (p *program) header(addr uint64) Header {
	p.t.Helper()
	s := []span{{Addr: addr - HeaderOffset, Buf: make([]byte, 8)}}
	if p.heap.mem.Read(s); !s[0].OK {
		p.t.Fatalf("header of the block at %#x is not readable", addr)
	}
	return Header(s[0].Word(0))
}
