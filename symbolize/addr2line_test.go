package symbolize

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// wantFrame is a frame as addr2line prints it.
type wantFrame struct {
	function, file string
	line           int
}

// addr2line returns the frames at each of addrs. Names are mangled.
func addr2line(t *testing.T, binary string, addrs []uint64) map[uint64][]wantFrame {
	t.Helper()
	testprog.NeedTool(t, "addr2line")
	var in bytes.Buffer
	for _, a := range addrs {
		fmt.Fprintf(&in, "%#x\n", a)
	}
	cmd := exec.Command("addr2line", "-a", "-i", "-f", "-e", binary)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[uint64][]wantFrame)
	var addr uint64
	var function string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		text := lines.Text()
		switch {
		case strings.HasPrefix(text, "0x"):
			addr, _ = strconv.ParseUint(text[2:], 16, 64)
		case function == "":
			function = text
		default:
			want[addr] = append(want[addr], parseWant(function, text))
			function = ""
		}
	}
	return want
}

func parseWant(function, place string) wantFrame {
	place, _, _ = strings.Cut(place, " (discriminator")
	i := strings.LastIndexByte(place, ':')
	w := wantFrame{function: DisplayName(function), file: path.Clean(place[:i])}
	w.line, _ = strconv.Atoi(place[i+1:])
	if w.function == "??" {
		w.function = ""
	}
	if w.file == "??" {
		w.file = ""
	}
	return w
}

// maxCompared bounds the addresses of one program; Rust's programs contain the runtime.
const maxCompared = 5000

// textAddresses returns every seventh address of the code, or fewer in a large program.
func textAddresses(t *testing.T, binary string) []uint64 {
	t.Helper()
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := f.Section(".text")
	step := 7 * (1 + text.Size/7/maxCompared)
	var addrs []uint64
	for a := text.Addr; a < text.Addr+text.Size; a += step {
		addrs = append(addrs, a)
	}
	return addrs
}

func TestInlinedFramesEqualAddr2line(t *testing.T) {
	testprog.Long(t)
	cxx, rust := readSource(t, "inline.cc"), readSource(t, "inline.rs")
	tests := []struct {
		name, compiler, source string
		flags                  []string
	}{
		{"dwarf5", "g++", cxx, []string{"-O2", "-g"}},
		{"dwarf4", "g++", cxx, []string{"-O2", "-g", "-gdwarf-4"}},
		{"O3", "g++", cxx, []string{"-O3", "-g", "-ffunction-sections", "-Wl,--gc-sections"}},
		{"no-pie", "g++", cxx, []string{"-O2", "-g", "-no-pie"}},
		{"compressed", "g++", cxx, []string{"-O2", "-g", "-gz=zlib"}},
		{"lto", "g++", cxx, []string{"-O2", "-g", "-flto"}},
		{"rust", "rustc", rust, []string{"-O", "-g"}},
		{"rust-v0", "rustc", rust, []string{"-O", "-g", "-C", "symbol-mangling-version=v0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			testprog.NeedTool(t, test.compiler)
			binary := compile(t, test.compiler, test.source, "prog", test.flags...)
			compareWithAddr2line(t, binary)
		})
	}
}

func compareWithAddr2line(t *testing.T, binary string) {
	t.Helper()
	addrs := textAddresses(t, binary)
	want := addr2line(t, binary, addrs)
	p, m := openModule(t, binary)
	wrong, inlined := 0, 0
	for _, a := range addrs {
		levels := m.lookup(p, a)
		for i, l := range levels {
			if l.inline != (i < len(levels)-1) {
				t.Errorf("%#x: frame %d of %d has inline %v", a, i, len(levels), l.inline)
			}
		}
		if len(levels) > 1 {
			inlined++
		}
		if !sameFrames(levels, want[a]) {
			if wrong++; wrong <= 10 {
				t.Errorf("%#x:\n got %+v\nwant %+v", a, levels, want[a])
			}
		}
	}
	t.Logf("%d addresses, %d with inlined frames, %d differ", len(addrs), inlined, wrong)
	if inlined < len(addrs)/4 {
		t.Errorf("only %d of %d addresses have inlined frames", inlined, len(addrs))
	}
	for _, problem := range p.problems {
		t.Error(problem)
	}
}

// The same code is compiled to formats that addr2line of binutils 2.40 can read and to formats
// that it cannot. The frames must be the same.
func TestFormatsAgree(t *testing.T) {
	testprog.Long(t)
	testprog.NeedTool(t, "g++")
	cxx := readSource(t, "inline.cc")
	// Give the source file a fixed name, so that lines do not depend on the directory.
	build := func(flags ...string) (*Process, *module, []uint64) {
		binary := compile(t, "g++", cxx, "prog", append(flags, "-O2", "-ffile-prefix-map=/tmp=.")...)
		p, m := openModule(t, binary)
		return p, m, textAddresses(t, binary)
	}
	wantProcess, wantModule, addrs := build("-g")
	for _, flags := range [][]string{{"-g", "-gdwarf64"}, {"-g", "-fdebug-types-section"}, {"-g", "-gdwarf-3"}} {
		p, m, _ := build(flags...)
		for _, a := range addrs {
			want, got := wantModule.lookup(wantProcess, a), m.lookup(p, a)
			same := slices.EqualFunc(want, got, func(a, b level) bool {
				return a.function == b.function && a.line == b.line && a.inline == b.inline && path.Base(a.file) == path.Base(b.file)
			})
			if !same {
				t.Fatalf("%v: %#x:\n got %+v\nwant %+v", flags, a, got, want)
			}
		}
	}
}

// sameFrames allows for what addr2line does differently on purpose. It gives the padding after
// a function the name of that function, code without debugging information the name of the
// assembler's file, and an inlined C function the name of the symbol it is inlined into. In
// version 5 line tables it takes the first rows to be of file 0 instead of 1 (binutils 2.40),
// which shows where file 0 is LTO's "<artificial>".
func sameFrames(got []level, want []wantFrame) bool {
	if len(got) != len(want) {
		return false
	}
	outer := got[len(got)-1].function
	for i, g := range got {
		w := want[i]
		if len(want) == 1 && w.line == 0 && g.file == "" {
			return g.function == "" || g.function == w.function
		}
		sameName := g.function == w.function || strings.HasSuffix(g.function, "::"+w.function) ||
			i == 0 && (w.function == outer || w.function == outer+".cold") || len(got) == 1 && g.function == ""
		sameFile := g.file == w.file || path.Base(w.file) == "<artificial>"
		if !sameName || !sameFile || g.line != w.line {
			return false
		}
	}
	return true
}
