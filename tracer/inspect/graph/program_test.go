package graph

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/inspect/freeze"
	"memtrace/tracer/inspect/kinds"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// program is a running program of testdata.
type program struct {
	*testprog.Program
	t   testing.TB
	cfg Config
}

func start(t testing.TB, name string, args ...string) *program {
	t.Helper()
	return watch(t, testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", name), args...)))
}

func watch(t testing.TB, running *testprog.Program) *program {
	t.Helper()
	p := &program{Program: running, t: t}
	walker, err := census.Open(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = walker.Close() })
	symbols, err := datasym.Open(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	p.cfg = Config{PID: p.PID(), Walker: walker, Symbols: symbols, Kinds: kinds.New(symbols, walker)}
	return p
}

func (p *program) build() *Graph {
	p.t.Helper()
	c, err := p.cfg.Walker.(*census.Walker).Look()
	if err != nil {
		p.t.Fatal(err)
	}
	g, err := Build(context.Background(), p.cfg, c)
	if err != nil {
		p.t.Fatal(err)
	}
	return g
}

// lost makes passes over the program.
func (p *program) lost(passes int, pause time.Duration) (all *Passes, last *Graph) {
	p.t.Helper()
	all = &Passes{}
	for range passes {
		last = p.build()
		all.Add(last)
		time.Sleep(pause)
	}
	return all, last
}

// truth is what a program says of a block.
type truth struct {
	kind string
	lost bool
}

// truths asks the program for its blocks.
func (p *program) truths() map[uint64]truth {
	p.t.Helper()
	p.Say("tell")
	blocks := make(map[uint64]truth)
	for {
		line := p.Line()
		if line == "done" {
			return blocks
		}
		fields := strings.SplitN(line, " ", 3)
		inverted, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil || len(fields) != 3 {
			p.t.Fatalf("%q: %v", line, err)
		}
		blocks[^inverted] = truth{fields[2], fields[1] == "lost"}
	}
}

// Nearly all blocks that were lost are found, whatever held them before, and none that is held.
func TestPlanted(t *testing.T) {
	for _, strip := range []bool{false, true} {
		t.Run(fmt.Sprintf("stripped %v", strip), func(t *testing.T) {
			path := testprog.PathIn(t, "testdata", "planted")
			if strip {
				path = stripped(t, path)
			}
			p := watch(t, testprog.Command(t, exec.Command(path)))
			passes, last := p.lost(MinPasses, 10*time.Millisecond)
			checkPlanted(t, passes, last, p.truths())
		})
	}
}

func checkPlanted(t *testing.T, passes *Passes, g *Graph, blocks map[uint64]truth) {
	t.Helper()
	found := make(map[uint64]bool)
	for _, place := range passes.left {
		c := passes.last.found[place]
		found[c.addr] = true
		if b := blocks[c.addr]; !b.lost {
			t.Errorf("%#x (%q, %d bytes) is called lost", c.addr, b.kind, c.size)
		}
	}
	missed, all, kindsSeen := make(map[string]int), 0, make(map[string]bool)
	for addr, b := range blocks {
		i := g.Census.Blocks.Find(addr)
		if i < 0 || g.Census.Blocks.At(i).Addr != addr || !b.lost {
			continue // freed since
		}
		all++
		kindsSeen[b.kind] = true
		if !found[addr] {
			missed[b.kind]++
			if steps, err := g.Why(addr); err == nil {
				t.Logf("%#x (%s) is held by %s, %d steps", addr, b.kind, steps[0].Root.Name, len(steps))
			}
		}
	}
	misses := 0
	for _, n := range missed {
		misses += n
	}
	t.Logf("%d of %d blocks of %d kinds found, missed %v", all-misses, all, len(kindsSeen), missed)
	if all < 2000 || len(kindsSeen) < 25 || misses*100 > all {
		t.Error("too few")
	}
	var blocksLost uint64
	for _, l := range passes.Lost() {
		blocksLost += l.Blocks
		if !l.Certain {
			t.Errorf("%+v", l)
		}
	}
	if int(blocksLost) != len(passes.left) {
		t.Errorf("%d blocks hang on roots, %d are lost", blocksLost, len(passes.left))
	}
}

// stripped copies a program and its plugin without symbols.
func stripped(t *testing.T, path string) string {
	t.Helper()
	testprog.NeedTool(t, "strip")
	dir := t.TempDir()
	for _, name := range []string{"planted", "plugin.so"} {
		from := testprog.PathIn(t, "testdata", name)
		if out, err := exec.Command("strip", "-o", dir+"/"+name, from).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return dir + "/planted"
}

// What holds a block is named: by variable where there are symbols, by thread, by mapping.
func TestPlantedHolders(t *testing.T) {
	p := start(t, "planted")
	g := p.build()
	checkHolders(t, g, p.truths())
}

// The holders in a picture are those of its moment, whatever the process has closed and unloaded since.
func TestFrozenHolders(t *testing.T) {
	p := start(t, "planted")
	blocks := p.truths()
	picture, err := freeze.Take(context.Background(), freeze.Config{PID: p.PID(), MaxStall: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer picture.Close()
	if p.Say("unload"); p.Line() != "unloaded" {
		t.Fatal("not unloaded")
	}
	p.cfg.Walker.(*census.Walker).Use(picture.Copy)
	p.cfg.Symbols.Use(picture.Copy.Maps)
	p.cfg.Picture = picture
	checkHolders(t, p.build(), blocks)
}

func checkHolders(t *testing.T, g *Graph, blocks map[uint64]truth) {
	t.Helper()
	want := map[string]string{
		"array of pointers": "global global_pointer", "static local": "global static_local()::slots", "global pointer": "global one_global",
		"interior pointer": "global interior", "one past the end": "global past_the_end", "tagged in low bits": "global tagged",
		"TLS": "TLS thread_local_pointer", "TLS of a thread": "TLS thread_local_pointer",
		"library's TLS": "TLS plugin_thread", "library's TLS of a thread": "TLS plugin_thread",
		"mapped memory": "mapping anonymous mapping", "below a stack": "mapping anonymous mapping", "read-only page": "mapping anonymous mapping", "generated code": "mapping anonymous mapping",
		"library's data": "global plugin_data", "library's static data": "global hidden", "list": "global list_head", "ring": "global ring_head",
		"block in a block": "global list_head", "map": "global containers", "deque": "global containers", "large block": "global big_block",
		"epoll": "epoll epoll of descriptor", "timer": "epoll timers", "stack": "stack stack of thread", "thread-specific data": "TLS TLS of thread",
	}
	seen := make(map[string]bool)
	for addr, b := range blocks {
		i := g.Census.Blocks.Find(addr)
		if i < 0 || b.lost || want[b.kind] == "" {
			continue
		}
		seen[b.kind] = true
		if g.HolderOf(i) < 0 {
			t.Errorf("%s: nobody", b.kind)
			continue
		}
		r := g.Roots[g.HolderOf(i)]
		if name := r.Class.String() + " " + r.Name; !strings.HasPrefix(name, want[b.kind]) {
			t.Errorf("%s: %s %+v", b.kind, name, r)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d kinds of %d", len(seen), len(want))
	}
}
