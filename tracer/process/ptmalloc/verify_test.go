package ptmalloc

import (
	"fmt"
	"os"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// verify runs Verify on blocks as if Check had found all of them in use.
func (p *chunks) verify(blocks []Block, verdicts []Verdict) {
	p.t.Helper()
	for i := range verdicts {
		verdicts[i] = Verdict{InUse, None}
	}
	if err := p.checker.Verify(blocks, verdicts); err != nil {
		p.t.Fatal(err)
	}
}

func blocksOf(all []known) ([]Block, []Verdict) {
	blocks := make([]Block, len(all))
	for i := range all {
		blocks[i] = all[i].Block
	}
	return blocks, make([]Verdict, len(all))
}

// TestVerify has blocks that became part of larger ones, in the main arena of a process of one
// thread and in several heaps of threads.
func TestVerify(t *testing.T) {
	testprog.Long(t)
	for _, suite := range suites {
		for _, threads := range []int{0, 2} {
			t.Run(fmt.Sprintf("suite %s, %d threads", suite, threads), func(t *testing.T) {
				p := startChunks(t, suite)
				all := p.blocks(fmt.Sprintf("inside %d", threads))
				blocks, _ := blocksOf(all)
				verdicts := p.check(all)
				stale := 0
				for i, v := range verdicts {
					if all[i].free && v.State != Free {
						stale++
					}
				}
				// Of a thread's chunks, the free ones have another flag.
				want := 380
				if threads > 0 {
					want = 190 * threads
				}
				if stale < want {
					t.Errorf("Check calls %d freed blocks in use or unknown, want %d", stale, want)
				}
				if err := p.checker.Verify(blocks, verdicts); err != nil {
					t.Fatal(err)
				}
				compare(t, all, verdicts)
				t.Logf("%+v", p.checker.Walks())
			})
		}
	}
}

// TestVerifyRunning keeps verifying blocks in use while threads allocate and free around them.
func TestVerifyRunning(t *testing.T) {
	testprog.Long(t)
	for _, suite := range suites {
		t.Run("suite "+suite, func(t *testing.T) {
			p := startChunks(t, suite)
			all := append(p.blocks("inside 2"), p.blocks("churn 4")...)
			p.checker.between = func() bool { return true } // more walks in the same time
			live := all[:0]
			for _, k := range all {
				if !k.free {
					live = append(live, k)
				}
			}
			blocks, verdicts := blocksOf(live)
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
				p.verify(blocks, verdicts)
				for i, v := range verdicts {
					if v.State == Free {
						t.Fatalf("%s %#x, header %#x: %v; %+v", live[i].place, live[i].Address, live[i].Header, v, p.checker.Walks())
					}
				}
			}
			t.Logf("%d blocks: %+v", len(live), p.checker.Walks())
		})
	}
}

// BenchmarkVerify walks once over heaps of about 30 and 140 MB, in chunks of 1.4 KB on
// average.
func BenchmarkVerify(b *testing.B) {
	for _, of := range []int{20000, 100000} {
		b.Run(fmt.Sprintf("of %d", of), func(b *testing.B) {
			p := startChunks(b, "")
			all := p.blocks(fmt.Sprintf("many %d", of))
			blocks, verdicts := blocksOf(all[:min(len(all), 10000)])
			p.verify(blocks, verdicts)
			first := p.checker.Walks()
			b.ReportAllocs()
			before := testprog.ProcessorTime(b, os.Getpid())
			for b.Loop() {
				p.verify(blocks, verdicts)
			}
			took := testprog.ProcessorTime(b, os.Getpid()) - before
			mb := float64(p.checker.Walks().Bytes-first.Bytes) / 1e6
			b.ReportMetric(float64(took.Microseconds())/mb, "cpu-µs/MB")
			b.ReportMetric(mb/float64(b.N), "MB/op")
			b.Logf("%+v", p.checker.Walks())
		})
	}
}
