package kinds

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// memory reads a process that waits.
type memory struct{ *os.File }

func (m memory) Read(addr uint64, buf []byte) int {
	n, _ := m.ReadAt(buf, int64(addr))
	return n
}

func open(t testing.TB, pid int) (*Namer, memory) {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	symbols, err := datasym.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	return New(symbols, memory{file}), memory{file}
}

// at returns the kind of the block at an address.
func at(n *Namer, m memory, addr uint64) string {
	var buf [8 * Words]byte
	got := m.Read(addr, buf[:])
	var words [Words]uint64
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(buf[8*i:])
	}
	return n.Name(n.Of(words[:got/8]))
}

// Classes are named by type information, without it by symbols, and nothing else is taken for an
// object.
func TestClasses(t *testing.T) {
	for _, tc := range []struct {
		program         string
		strip, nameless bool
	}{
		{"classes", false, false},
		{"classes", true, false},
		{"classes_nortti", false, false},
		{"classes_nortti", true, true},
		{"classes_nopie", false, false},
		{"classes_nopie", true, false},
	} {
		t.Run(fmt.Sprintf("%s stripped %v", tc.program, tc.strip), func(t *testing.T) {
			path := testprog.PathIn(t, "testdata", tc.program)
			if tc.strip {
				testprog.NeedTool(t, "strip")
				to := filepath.Join(t.TempDir(), "stripped")
				if out, err := exec.Command("strip", "-o", to, path).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				path = to
			}
			p := testprog.Command(t, exec.Command(path))
			p.Say("go")
			want := make(map[uint64]string)
			for line := p.Line(); line != "done"; line = p.Line() {
				hex, name, _ := strings.Cut(line, " ")
				addr, err := strconv.ParseUint(hex, 16, 64)
				if err != nil {
					t.Fatal(err)
				}
				want[addr] = strings.TrimPrefix(name, "-")
			}
			n, mem := open(t, p.PID())
			for addr, name := range want {
				if tc.nameless && strings.HasPrefix(name, "shop::") {
					name = ""
				}
				// A second look takes what is remembered.
				if first, second := at(n, mem, addr), at(n, mem, addr); first != name || second != name {
					t.Errorf("%#x: %q, then %q; want %q", addr, first, second, name)
				}
			}
			if len(want) < 14 {
				t.Errorf("%d objects", len(want))
			}
			n.Refresh()
			for addr, name := range want {
				if got := at(n, mem, addr); got != name && !tc.nameless {
					t.Errorf("%#x after a refresh: %q; want %q", addr, got, name)
				}
			}
		})
	}
}

// Python's objects are named by their types, with and without the words of its garbage collector.
func TestPython(t *testing.T) {
	testprog.NeedTool(t, "python3")
	const script = `
import abc, sys
class Session: pass
class Base(abc.ABC): pass
class Derived(Base): pass
keep = [Session(), Derived(), {"a": 1}, [1], "a text", 12345678901, 1.5, b"bytes", lambda: 0, (1, 2), {1, 2}]
print("ready python", flush=True)
for line in sys.stdin:
    for o in keep: print("%x %s" % (id(o), type(o).__name__))
    print("done", flush=True)
`
	p := testprog.Command(t, exec.Command("python3", "-c", script))
	p.Say("go")
	want := make(map[uint64]string)
	for line := p.Line(); line != "done"; line = p.Line() {
		hex, name, _ := strings.Cut(line, " ")
		addr, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		want[addr] = name
	}
	n, mem := open(t, p.PID())
	if n.typeType == 0 {
		testprog.Missing(t, "the symbols of python3")
	}
	for addr, name := range want {
		if got := at(n, mem, addr); got != name {
			t.Errorf("%#x: %q, want %q", addr, got, name)
		}
	}
	// Objects that the collector knows have two words before them, and those of classes two more.
	collected := map[string]uint64{"list": 16, "set": 16, "tuple": 16, "Derived": 32, "Session": 32}
	for addr, name := range want {
		if before := collected[name]; before != 0 {
			if got := at(n, mem, addr-before); got != name {
				t.Errorf("%d bytes before %#x: %q, want %q", before, addr, got, name)
			}
		}
	}
	if len(want) < 11 {
		t.Errorf("%d objects", len(want))
	}
	for addr, name := range want {
		if name == "int" {
			checkPointerToType(t, n, mem, addr)
		}
	}
}

// checkPointerToType checks that a block that begins with a pointer to a type is none of its instances, and
// that they are named whichever comes first.
func checkPointerToType(t *testing.T, n *Namer, mem memory, instance uint64) {
	t.Helper()
	var object [2]uint64
	if !n.words(instance, object[:]) {
		t.Fatal("no object")
	}
	for _, first := range []uint64{object[1], object[1] + 1} {
		for _, before := range []bool{true, false} {
			n.Refresh()
			got := ""
			if before {
				got = at(n, mem, instance)
			}
			table := n.Name(n.Of([]uint64{first, 0, 0, 0}))
			if !before {
				got = at(n, mem, instance)
			}
			if got != "int" || table != "" {
				t.Errorf("instance first %v: %q and %q", before, got, table)
			}
		}
	}
}
