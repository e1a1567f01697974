package ptmalloc

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
			all := append(p.blocks("stay 3"), p.blocks("places")...)
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
			var freed []known
			for _, k := range p.blocks("stay 2") {
				// The memory of mappings and of whole heaps goes to others.
				if k.free && !slices.Contains([]string{"mapped", "remapped", "high"}, k.place) {
					freed = append(freed, k)
				}
			}
			kept := p.blocks("churn 4")
			all := append(kept, freed...)
			told, checks := make(map[Verdict]int), 0
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); checks++ {
				for i, v := range p.check(all) {
					k := all[i]
					if k.free != (v.State == Free) && (k.free || v.State != Unknown) {
						t.Fatalf("%s %#x, header %#x, freed %v: %v", k.place, k.Address, k.Header, k.free, v)
					}
					told[v]++
				}
			}
			t.Logf("%d checks of %d blocks: %v", checks, len(all), told)
		})
	}
}

// BenchmarkCheck checks 10,000 blocks in use, among others.
func BenchmarkCheck(b *testing.B) {
	const count = 10000
	for _, suite := range suites {
		b.Run("suite "+suite, func(b *testing.B) {
			p := startChunks(b, suite)
			p.blocks("stay 8")
			all := slices.DeleteFunc(p.blocks("many 200000"), func(k known) bool { return k.free })
			blocks, verdicts := make([]Block, count), make([]Verdict, count)
			for i := range blocks {
				blocks[i] = all[i*len(all)/count].Block
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.checker.Check(blocks, verdicts); err != nil {
					b.Fatal(err)
				}
			}
			free := 0
			for _, v := range verdicts {
				if v.State != InUse {
					free++
				}
			}
			if free > 0 {
				b.Errorf("%d blocks in use are said not to be", free)
			}
		})
	}
}
