package callsites

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// wanted are the functions whose calls the tests look for.
func wanted(name string) bool {
	return slices.Contains([]string{"malloc", "calloc", "realloc", "strdup", "_Znwm", "__libc_malloc"}, name)
}

func findIn(t testing.TB, path string) *Found {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := findBytes(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return found
}

func findBytes(data []byte) (*Found, error) {
	file, err := elffile.Open(bytes.NewReader(data), int64(len(data)), elffile.NewFileBudget())
	if err != nil {
		return nil, err
	}
	return Find(file, wanted)
}

// line is one of objdump's: an address, and what it says of the instruction there.
type line struct {
	addr uint64
	text string
}

func disassembled(t *testing.T, path string) (list []line) {
	t.Helper()
	out, err := exec.Command("objdump", "-d", "-w", "--no-show-raw-insn", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(out)) {
		address, text, ok := strings.Cut(strings.TrimSpace(l), ":\t")
		if addr, err := strconv.ParseUint(address, 16, 64); ok && err == nil {
			list = append(list, line{addr, strings.TrimSpace(text)})
		}
	}
	return list
}

// calls is how objdump shows a call of a wanted function, through a stub, a slot or directly.
var calls = regexp.MustCompile(`call.*<(__libc_)?(malloc|calloc|realloc|strdup|_Znwm)(@@?GLIBC[A-Z]*_[0-9.]+|@plt)?(@GLIBC[A-Z]*_[0-9.]+)?>`)

// checkSites checks that each site is behind a call, where an instruction begins, as objdump sees it. It
// returns the addresses that objdump shows and that were not found.
func checkSites(t *testing.T, path string, found *Found) (missed []uint64) {
	t.Helper()
	at := make(map[uint64]bool)
	for _, s := range found.Sites {
		at[s.Return] = true
	}
	after := make(map[uint64]string)
	list := disassembled(t, path)
	for i, l := range list[:len(list)-1] {
		next := list[i+1].addr
		after[next] = l.text
		if calls.MatchString(l.text) && !at[next] {
			missed = append(missed, next)
		}
	}
	for _, s := range found.Sites {
		if text, ok := after[s.Return]; !ok || !strings.Contains(text, "call") {
			t.Errorf("%s: %#x (%s) is behind %q", path, s.Return, s.Name, text)
		}
	}
	return missed
}

const program = `#include <stdlib.h>
#include <string.h>
void *volatile kept;
__attribute__((noinline)) void *grab(size_t n) { return malloc(n); }
__attribute__((noinline)) void *zeroed(size_t n) { return calloc(1, n); }
__attribute__((noinline)) void *cached(size_t n) { if (kept) return kept; return malloc(n); }
int main(int argc, char **argv)
{
	kept = malloc(88);
	kept = calloc(3, 40);
	kept = realloc(kept, argc * 8);
	kept = strdup(argv[0]);
	kept = grab(100);
	kept = zeroed(64);
	kept = cached(24);
	for (int i = 0; i < argc; i++)
		kept = malloc(i > 2 ? 300 : 200);
	return 0;
}`

// Calls are found however a program is compiled and linked, without its symbols, too.
func TestFind(t *testing.T) {
	testprog.NeedTool(t, "objdump")
	for _, flags := range []string{
		"-O0", "-O2", "-O2 -no-pie", "-O2 -fno-plt", "-O2 -no-pie -fno-plt -Wl,-z,now", "-O2 -fcf-protection -Wl,-z,ibtplt", "-O2 -static", "-O2 -shared -fPIC", "-O0 -fno-asynchronous-unwind-tables",
	} {
		t.Run(flags, func(t *testing.T) {
			path := testprog.BuildProgram(t, "gcc "+flags, program)
			found := findIn(t, path)
			if missed := checkSites(t, path, found); len(missed) > 0 {
				t.Errorf("missed %#x", missed)
			}
			names := make(map[string]int)
			for _, s := range found.Sites {
				names[s.Name]++
			}
			t.Logf("%v of %d functions, %d doubtful", names, found.Functions, found.Doubtful)
			mallocs := 3 // and what grab is called for, unless another file may have a grab of its own
			if strings.Contains(flags, "shared") {
				mallocs = 2
			}
			if names["malloc"]+names["__libc_malloc"] < mallocs || names["calloc"] < 1 || names["realloc"] < 1 || names["strdup"] < 1 {
				t.Errorf("%v", names)
			}
			if strings.Contains(flags, "static") {
				return // it needs its symbols
			}
			stripped := path + ".stripped"
			if out, err := exec.Command("strip", "-o", stripped, path).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := len(found.Sites)
			if strings.Contains(flags, "unwind-tables") {
				want = 0 // nothing says where its functions are
			}
			if got := findIn(t, stripped); len(got.Sites) != want {
				t.Errorf("stripped it has %d calls, not %d", len(got.Sites), want)
			}
		})
	}
}

// Where the arguments are constants they are known, and only there. A function that does nothing but
// jump to another one is called for it, and one that may return something else is not.
func TestArguments(t *testing.T) {
	found := findIn(t, testprog.BuildProgram(t, "gcc -O2", program))
	var got []string
	for _, s := range found.Sites {
		text := s.Name
		for _, a := range s.Args[:2] {
			if a.Known {
				text += " " + strconv.FormatUint(a.Value, 10)
			}
		}
		got = append(got, text)
	}
	// grab jumps to malloc and zeroed to calloc. In a loop the size is not known.
	want := []string{"malloc 88", "calloc 3 40", "realloc", "strdup", "malloc", "calloc", "malloc"}
	for _, w := range want {
		i := slices.Index(got, w)
		if i < 0 {
			t.Fatalf("%q, without %q", got, w)
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		t.Errorf("%q as well", got)
	}
}

// In the libraries of the system, too, a probe would never be in the middle of an instruction, and few
// calls are missed.
func TestFindInLibraries(t *testing.T) {
	testprog.NeedTool(t, "objdump")
	for _, name := range []string{"libc.so.6", "libstdc++.so.6"} {
		path := testprog.Library(t, name)
		found := findIn(t, path)
		missed := checkSites(t, path, found)
		t.Logf("%s: %d calls, %d missed, %d functions, %d doubtful", name, len(found.Sites), len(missed), found.Functions, found.Doubtful)
		if len(found.Sites) < 50 || len(missed)*20 > len(found.Sites) || found.Doubtful*50 > found.Functions {
			t.Errorf("%s: missed %#x", name, missed)
		}
	}
}

// Data between instructions make the rest uncertain: such a function is left out.
func TestDataInCode(t *testing.T) {
	path := testprog.BuildProgram(t, "gcc -O1", `#include <stdlib.h>
void *volatile kept;
void *odd(void);
__asm__(".text\n.globl odd\n.type odd,@function\nodd:\n.cfi_startproc\nsub $8,%rsp\n.cfi_def_cfa_offset 16\nmov $40,%edi\njmp 1f\n.byte 0x48,0xb8\n1: call malloc@plt\nadd $8,%rsp\nret\nnop\nnop\nnop\nnop\nnop\n.cfi_endproc\n.size odd,.-odd");
int main(void) { kept = odd(); kept = malloc(88); return 0; }`)
	found := findIn(t, path)
	if len(found.Sites) != 1 || found.Sites[0].Args[0].Value != 88 || found.Doubtful != 1 {
		t.Errorf("%+v", found)
	}
}

func TestFindOtherMachine(t *testing.T) {
	data, err := os.ReadFile(testprog.BuildProgram(t, "gcc -O1", program))
	if err != nil {
		t.Fatal(err)
	}
	data[18] = 183 // EM_AARCH64
	if _, err := findBytes(data); !errors.Is(err, ErrMachine) {
		t.Errorf("%v", err)
	}
}

// FuzzFind feeds arbitrary bytes as a whole file. The calls stay in order and in proportion to it.
func FuzzFind(f *testing.F) {
	for _, flags := range []string{"gcc -O2 -nostartfiles -Wl,-emain", "gcc -O2 -no-pie -fno-plt -nostartfiles -Wl,-emain -fno-asynchronous-unwind-tables"} {
		data, err := os.ReadFile(testprog.BuildProgram(f, flags, program))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := findBytes(data)
		if err != nil {
			return
		}
		if len(found.Sites) > maxSites {
			t.Errorf("%d calls", len(found.Sites))
		}
		for i, s := range found.Sites {
			if i > 0 && s.Return <= found.Sites[i-1].Return || s.Offset+uint64(len(s.Code)) > uint64(len(data)) || len(s.Code) == 0 {
				t.Errorf("%+v", s)
			} else if string(data[s.Offset:][:len(s.Code)]) != s.Code {
				t.Errorf("%+v is not what the file has", s)
			}
		}
	})
}
