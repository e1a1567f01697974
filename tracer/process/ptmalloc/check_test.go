package ptmalloc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

// suites are the Debian suites whose glibc the tests run on: 2.31, 2.36, 2.41, and 2.43 or
// later. "" is the machine's own.
var suites = []string{"", "bullseye", "bookworm", "trixie", "sid"}

// known is a block and what the program says about it.
type known struct {
	Block
	free  bool
	place string
}

// chunks is a running testdata/chunks.c.
type chunks struct {
	*testprog.Program
	t       testing.TB
	heap    *Heap
	checker *Checker
}

// libraries caches the C libraries that were requested, so that each is fetched once.
var libraries = make(map[string]debpkg.CLibrary)

// chunksCommand runs the program on a suite's glibc.
func chunksCommand(t testing.TB, suite string) *exec.Cmd {
	t.Helper()
	dir := filepath.Dir(path(t))
	if suite == "" {
		return exec.Command(filepath.Join(dir, "chunks"))
	}
	if runtime.GOARCH != "amd64" {
		testprog.Missing(t, "is about x86-64 packages")
	}
	program := filepath.Join(dir, "chunks-oldest")
	if _, err := os.Stat(program); err != nil {
		flags := append(debpkg.Sysroot(t, "bullseye"),
			"-std=gnu11", "-O1", "-g", "-fno-builtin", "-pthread", "-o", program, filepath.Join("testdata", "chunks.c"))
		if out, err := exec.Command("gcc", flags...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	library, ok := libraries[suite]
	if !ok {
		library = debpkg.Libc(t, suite)
		libraries[suite] = library
	}
	return library.Command(t.Context(), program)
}

// startChunks runs the program on a suite's glibc, with variables added to its environment.
func startChunks(t testing.TB, suite string, environment ...string) *chunks {
	t.Helper()
	cmd := chunksCommand(t, suite)
	cmd.Env = append(cmd.Environ(), environment...)
	p := &chunks{Program: testprog.Command(t, cmd), t: t}
	p.heap = openHeap(t, p.PID())
	p.checker = NewChecker(p.heap)
	return p
}

// blocks makes the program do something, and returns what it says about its blocks.
func (p *chunks) blocks(line string) []known {
	p.t.Helper()
	p.Say(line)
	return p.read()
}

func (p *chunks) read() (all []known) {
	p.t.Helper()
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

// compare fails the test for each block with a wrong verdict, naming the first few of a kind.
// Some freed blocks that were mappings have been handed out again: their state is that of the
// latest block with the same address and header.
func compare(t testing.TB, all []known, verdicts []Verdict) {
	t.Helper()
	latest := make(map[Block]bool)
	wrong, told := make(map[string]int), make(map[Reason]int)
	for i := len(all) - 1; i >= 0; i-- {
		k, v := all[i], verdicts[i]
		same := Block{k.Address, k.Header &^ PrevInUse}
		if again, seen := latest[same]; seen {
			k.free = again
		}
		latest[same] = k.free
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
	testprog.Long(t)
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

// TestCheckSettings sets up malloc so that chunks go to other places.
func TestCheckSettings(t *testing.T) {
	testprog.Long(t)
	for _, suite := range []string{"", "sid"} {
		for _, set := range []string{
			"GLIBC_TUNABLES=glibc.malloc.tcache_count=0",
			"GLIBC_TUNABLES=glibc.malloc.tcache_count=100",
			"GLIBC_TUNABLES=glibc.malloc.tcache_max=200",
			"GLIBC_TUNABLES=glibc.malloc.tcache_max=4194304:glibc.malloc.mmap_threshold=40000",
			"GLIBC_TUNABLES=glibc.malloc.mxfast=160:glibc.malloc.tcache_count=2",
			"GLIBC_TUNABLES=glibc.malloc.arena_max=1",
			"GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
			"GLIBC_TUNABLES=glibc.malloc.hugetlb=2",
			"MALLOC_PERTURB_=85",
			"MALLOC_MMAP_MAX_=0",
			"MALLOC_TOP_PAD_=100000",
		} {
			t.Run("suite "+suite+" "+set, func(t *testing.T) {
				p := startChunks(t, suite, set)
				var all []known
				if strings.Contains(set, "arena_max=1") {
					all = p.blocks("stay 1") // other allocations would use its memory again
				} else {
					all = append(p.blocks("stay 3"), p.blocks("places")...)
				}
				compare(t, all, p.check(all))
				if err := p.checker.Caches(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestCheckRunning checks blocks around which threads keep allocating and freeing. Those in
// use are never called free, and those that were freed stay free.
func TestCheckRunning(t *testing.T) {
	testprog.Long(t)
	for _, suite := range suites {
		t.Run("suite "+suite, func(t *testing.T) {
			p := startChunks(t, suite)
			var freed []known
			for _, k := range p.blocks("stay 2") {
				// The memory of mappings and of whole heaps is reused by others.
				if k.free && !slices.Contains([]string{"mapped", "remapped", "high"}, k.place) {
					freed = append(freed, k)
				}
			}
			kept := p.blocks("churn 4")
			all := append(kept, freed...)
			told, checks := make(map[Verdict]int), 0
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); checks++ {
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

// TestCheckAllocates checks that a check allocates nothing for a block once it has room.
func TestCheckAllocates(t *testing.T) {
	p := startChunks(t, "")
	p.blocks("stay 2")
	all := p.blocks("many 20000")
	p.check(all)
	blocks, verdicts := make([]Block, len(all)), make([]Verdict, len(all))
	for i := range all {
		blocks[i] = all[i].Block
	}
	n := testing.AllocsPerRun(10, func() {
		if err := p.checker.Check(blocks, verdicts); err != nil {
			t.Fatal(err)
		}
	})
	if n > float64(len(all))/100 {
		t.Errorf("%.0f allocations for %d blocks", n, len(all))
	}
}

// TestCheckEnds makes the process end, first as a zombie.
func TestCheckEnds(t *testing.T) {
	p := startChunks(t, "")
	all := p.blocks("many 100")
	blocks, verdicts := make([]Block, len(all)), make([]Verdict, len(all))
	for i := range all {
		blocks[i] = all[i].Block
	}
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for state := ""; state != "Z"; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		state = strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]
	}
	for range 2 {
		if err := p.checker.Check(blocks, verdicts); err == nil {
			t.Error("no error")
		}
		if i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v != Verdict{} }); i >= 0 {
			t.Errorf("%v of a process that has ended", verdicts[i])
		}
		p.Kill()
	}
}

// BenchmarkCheck checks 10,000 blocks in use: of a heap of some 30 MB, and of
// one of ten times the size.
func BenchmarkCheck(b *testing.B) {
	const count = 10000
	for _, of := range []int{20000, 200000} {
		b.Run(fmt.Sprintf("of %d", of), func(b *testing.B) {
			p := startChunks(b, "")
			p.blocks("stay 8")
			all := slices.DeleteFunc(p.blocks(fmt.Sprintf("many %d", of)), func(k known) bool { return k.free })
			blocks, verdicts := make([]Block, count), make([]Verdict, count)
			for i := range blocks {
				blocks[i] = all[i*len(all)/count].Block
			}
			if err := p.checker.Check(blocks, verdicts); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			before := testprog.ProcessorTime(b, os.Getpid())
			for b.Loop() {
				if err := p.checker.Check(blocks, verdicts); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(testprog.ProcessorTime(b, os.Getpid())-before)/float64(b.N*count), "cpu-ns/block")
			if i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.State != InUse }); i >= 0 {
				b.Errorf("block in use: %v", verdicts[i])
			}
		})
	}
}
