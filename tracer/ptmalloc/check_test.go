package ptmalloc

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"memtrace/tracer/debpkg"
	"memtrace/tracer/testprog"
)

// suites are those of Debian whose glibc the tests run on, 2.31, 2.36, 2.41 and
// 2.43 or later; "" is the machine's own.
var suites = []string{"", "bullseye", "bookworm", "trixie", "sid"}

// known is a block and what the program says of it.
type known struct {
	Block
	free  bool
	place string
}

// chunks is testdata/chunks.c, running.
type chunks struct {
	*testprog.Program
	t       testing.TB
	heap    *Heap
	checker *Checker
}

// startChunks runs the program on a suite's glibc.
func startChunks(t testing.TB, suite string, environment ...string) *chunks {
	t.Helper()
	cmd := exec.Command(filepath.Join(filepath.Dir(path(t)), "chunks"))
	if suite != "" {
		if runtime.GOARCH != "amd64" {
			t.Skip("is about x86-64 packages")
		}
		program := filepath.Join(t.TempDir(), "chunks")
		flags := append(debpkg.Sysroot(t, "bullseye"),
			"-std=gnu11", "-O1", "-g", "-fno-builtin", "-pthread", "-o", program, filepath.Join("testdata", "chunks.c"))
		if out, err := exec.Command("gcc", flags...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		cmd = debpkg.Libc(t, suite).Command(t.Context(), program)
	}
	cmd.Env = append(cmd.Environ(), environment...)
	p := &chunks{Program: testprog.Command(t, cmd), t: t}
	p.heap = openHeap(t, p.PID())
	p.checker = NewChecker(p.heap)
	return p
}

// blocks has the program do something and returns what it says of its blocks.
func (p *chunks) blocks(line string) (all []known) {
	p.t.Helper()
	p.Say(line)
	for {
		line := p.Line()
		if line == "done 0" {
			return all
		}
		var k known
		var free int
		if n, err := fmt.Sscanf(line, "block %d %d %d %s", &k.Address, &k.Header, &free, &k.place); err != nil || n != 4 {
			p.t.Fatalf("%q: %v", line, err)
		}
		k.free = free != 0
		all = append(all, k)
	}
}

// check checks blocks.
func (p *chunks) check(all []known) []Verdict {
	p.t.Helper()
	blocks, verdicts := make([]Block, len(all)), make([]Verdict, len(all))
	for i := range all {
		blocks[i] = all[i].Block
	}
	if err := p.checker.Check(blocks, verdicts); err != nil {
		p.t.Fatal(err)
	}
	return verdicts
}

// compare fails for each block of which the verdict is wrong, the first few of a
// kind.
func compare(t testing.TB, all []known, verdicts []Verdict) {
	t.Helper()
	wrong, told := make(map[string]int), make(map[Reason]int)
	for i, k := range all {
		v := verdicts[i]
		told[v.Reason]++
		want := InUse
		if k.free {
			want = Free
		}
		if v.State == want {
			continue
		}
		kind := fmt.Sprintf("%s, want %v, got %v by %v", k.place, want, v.State, v.Reason)
		if wrong[kind]++; wrong[kind] <= 2 {
			t.Errorf("%s: %#x, header %#x", kind, k.Address, k.Header)
		}
	}
	t.Logf("%d blocks; reasons: %v", len(all), told)
	for kind, n := range wrong {
		t.Errorf("%d times: %s", n, kind)
	}
}

// TestCheckPlaces has chunks in all places where malloc puts them.
func TestCheckPlaces(t *testing.T) {
	for _, suite := range suites {
		t.Run("suite "+suite, func(t *testing.T) {
			p := startChunks(t, suite)
			all := p.blocks("places 3")
			for range 3 {
				compare(t, all, p.check(all))
				if err := p.checker.Caches(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestCheckRunning checks blocks around which threads allocate and free without
// end: those in use are never free, and those that were freed stay so.
func TestCheckRunning(t *testing.T) {
	for _, suite := range suites {
		t.Run("suite "+suite, func(t *testing.T) {
			p := startChunks(t, suite)
			all := p.blocks("places 1")
			freed := all[:0]
			for _, k := range all {
				if k.free && k.place == "full" {
					freed = append(freed, k)
				}
			}
			kept := p.blocks("churn 4")
			told, checks := make(map[Verdict]int), 0
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); checks++ {
				for i, v := range p.check(kept) {
					if v.State == Free {
						t.Fatalf("%#x, header %#x is in use: %v", kept[i].Address, kept[i].Header, v)
					}
					told[v]++
				}
			}
			t.Logf("%d checks of %d blocks: %v", checks, len(kept), told)
			_ = freed
		})
	}
}
