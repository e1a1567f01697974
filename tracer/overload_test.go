package tracer

import (
	"context"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

// trace attaches to a program, lets it work, and returns the stopped tracer and the program's
// ledger.
func trace(t *testing.T, cfg Config, p *testprog.Program) (tr *Tracer, ledger testprog.Ledger) {
	t.Helper()
	tr = traceWhile(t, cfg, p, func() { ledger = p.Work() })
	return tr, ledger
}

// traceWhile traces a program while something happens and returns the stopped tracer.
func traceWhile(t testing.TB, cfg Config, p *testprog.Program, happens func()) *Tracer {
	t.Helper()
	return traceDuring(t, cfg, p, func(*Tracer) { happens() })
}

// traceDuring is traceWhile for callers that look at the trace while it runs.
func traceDuring(t testing.TB, cfg Config, p *testprog.Program, happens func(*Tracer)) *Tracer {
	t.Helper()
	cfg.PIDs = []int{p.PID()}
	tr, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	happens(tr)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return tr
}

// sites sums what a snapshot holds by the functions that ledgers call sites.
func sites(tr *Tracer) (map[string]testprog.Sum, bool) {
	r := tr.Snapshot(SnapshotOptions{})[0]
	sums := make(map[string]testprog.Sum)
	for _, s := range r.Stacks {
		for _, f := range s.Frames {
			if strings.HasPrefix(f.Function, "site_") {
				sum := sums[f.Function]
				sum.Bytes += int64(s.Bytes)
				sum.Blocks += int64(s.Blocks)
				sums[f.Function] = sum
				break
			}
		}
	}
	return sums, r.Complete
}

// With a ring of one page and a slow reader, allocations are lost and counted. No block is
// outstanding that the program does not hold.
func TestOverload(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, name := range []string{"ledger", "mappings"} {
		t.Run(name, func(t *testing.T) {
			var args []string
			if name == "ledger" {
				args = []string{"--calls", "200003"}
			}
			p := testprog.Start(t, name, args...)
			tr, ledger := trace(t, Config{RingSize: 4096, slowReader: 200 * time.Microsecond}, p)
			got, complete := sites(tr)
			if complete {
				t.Error("complete although allocations were lost")
			}
			c := tr.book.Counters()
			if c.LostAlloc+c.LostMmap == 0 || name == "ledger" && (c.LostAllocBytes == 0 || c.Spilled == 0) {
				t.Errorf("counters %+v: nothing was lost, the test shows nothing", c)
			}
			for site, sum := range got {
				if held := ledger.Sites[site]; sum.Blocks > held.Blocks || sum.Bytes > held.Bytes {
					t.Errorf("%s: %+v are outstanding, the program holds %+v", site, sum, held)
				}
			}
		})
	}
}

// A reader far behind, with a backlog of many blocks that came and went at one address, still
// shows none that is not held.
func TestOverloadBacklog(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "ledger_cpp", "--calls", "200003")
	tr, ledger := trace(t, Config{RingSize: 1 << 20, slowReader: 50 * time.Microsecond}, p)
	got, _ := sites(tr)
	if c := tr.book.Counters(); c.LostAlloc == 0 || c.Spilled == 0 {
		t.Fatalf("counters %+v: nothing was lost, the test shows nothing", c)
	}
	for site, sum := range got {
		if held := ledger.Sites[site]; sum.Blocks > held.Blocks || sum.Bytes > held.Bytes {
			t.Errorf("%s: %+v are outstanding, the program holds %+v", site, sum, held)
		}
	}
}

// When the spill map overflows as well, the blocks that the lost frees may have freed are left
// out rather than shown.
func TestOverloadOfSpills(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "ledger", "--calls", "200003")
	tr, ledger := trace(t, Config{RingSize: 4096, slowReader: 200 * time.Microsecond, spills: 16}, p)
	got, complete := sites(tr)
	if tr.book.Counters().LostFree == 0 {
		t.Fatal("no free was lost, the test shows nothing")
	}
	if complete {
		t.Error("complete although frees were lost")
	}
	for site, sum := range got {
		if held := ledger.Sites[site]; sum.Blocks > held.Blocks || sum.Bytes > held.Bytes {
			t.Errorf("%s: %+v are outstanding, the program holds %+v", site, sum, held)
		}
	}
}

// With a ring that is full and read only when all is over, the live set still follows the
// spill map.
func TestOverloadUnread(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "lost")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}, RingSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	ledger := p.Work()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if c := tr.book.Counters(); c.LostAlloc == 0 || c.LostMmap == 0 {
		t.Fatalf("counters %+v: nothing was lost, the test shows nothing", c)
	}
	got, _ := sites(tr)
	for _, site := range []string{"site_first", "site_barrier", "site_filler", "site_stays", "site_mapped"} {
		if got[site] != ledger.Sites[site] {
			t.Errorf("%s: %+v are outstanding, the program holds %+v", site, got[site], ledger.Sites[site])
		}
	}
}

// This tests the ways of older kernels: one perf event for each uprobe (before 6.6), and frame
// pointers (before 5.13).
func TestOlderKernelsWays(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "ledger", "--calls", "100003", "--no-indirect")
	tr, ledger := trace(t, Config{older: probe.Older{SingleUprobes: true, FramePointers: true}}, p)
	got, complete := sites(tr)
	if !complete {
		t.Errorf("incomplete: %+v", tr.book.Counters())
	}
	for site, held := range ledger.Sites {
		if got[site] != held {
			t.Errorf("%s: %+v are outstanding, the program holds %+v", site, got[site], held)
		}
	}
}
