package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

// servedBySite sums blocks by site and by the way they were served.
func servedBySite(r *report.Report) map[string]report.Served {
	sites := make(map[string]report.Served)
	for _, s := range r.Stacks {
		for _, f := range s.Frames {
			if !strings.HasPrefix(f.Function, "site_") {
				continue
			}
			sum := sites[f.Function]
			if s.Served != nil {
				plus(&sum.Brk, s.Served.Brk)
				plus(&sum.Arena, s.Served.Arena)
				plus(&sum.Mmap, s.Served.Mmap)
			}
			sites[f.Function] = sum
			break
		}
	}
	return sites
}

func plus(s *report.Share, o report.Share) {
	s.Bytes += o.Bytes
	s.Blocks += o.Blocks
}

// A leak of 1,000,003 bytes is attributed, to the byte, to the way glibc served it.
func TestServed(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "ways")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "-a")
	ledger := p.Work()
	r := m.stop()
	compare(t, r, ledger)
	const leak = 1000003
	sites := servedBySite(r)
	for site, got := range map[string]report.Share{
		"site_brk": sites["site_brk"].Brk, "site_arena": sites["site_arena"].Arena,
		"site_mmapped": sites["site_mmapped"].Mmap, "site_realloc": sites["site_realloc"].Mmap,
	} {
		if got.Bytes != leak {
			t.Errorf("%s: %d bytes went the right way, want %d of %+v", site, got.Bytes, leak, sites[site])
		}
	}
	split := r.MallocSplit
	if split == nil {
		t.Fatal("no malloc_split")
	}
	if all := split.Brk.Bytes + split.Arena.Bytes + split.Mmap.Bytes; all < 4*leak || split.Mmap.Bytes != 2*leak {
		t.Errorf("split %+v", split)
	}
	// The program has no other mapped blocks, so malloc's own sum has to agree.
	if split.MmappedBytes != split.Mmap.ChunkBytes || uint64(split.MmappedBlocks) != split.Mmap.Blocks {
		t.Errorf("malloc has %d bytes in %d mapped blocks, outstanding are %+v", split.MmappedBytes, split.MmappedBlocks, split.Mmap)
	}
}

// Whatever heap a thread's blocks come from, and whatever heaps were there before, each block
// is classified as its header says.
func TestServedEverywhere(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "arenas")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--ring-size", "256M")
	ledger := p.Work()
	r := m.stop()
	compare(t, r, ledger)
	sites := servedBySite(r)
	for site, got := range map[string]report.Share{
		"site_brk": sites["site_brk"].Brk, "site_arena": sites["site_arena"].Arena, "site_mmapped": sites["site_mmapped"].Mmap,
	} {
		held := ledger.Sites[site]
		if got.Blocks < 100 || got.Blocks != uint64(held.Blocks) || got.Bytes != uint64(held.Bytes) {
			t.Errorf("%s: %+v of %+v are where their headers say", site, got, held)
		}
	}
}

// The threshold in force is malloc's own, blocks on either side of it are served accordingly,
// and the report says what moved or froze it.
func TestThreshold(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	const initial, raised = 131072, 1<<20 + 4096
	for _, tc := range []struct {
		name      string
		args      []string
		env       string
		threshold uint64
		dynamic   bool
		frozenBy  string
	}{
		{name: "default", threshold: initial, dynamic: true},
		{name: "raised", args: []string{"raise"}, threshold: raised, dynamic: true},
		{name: "mallopt", args: []string{"mallopt", "raise"}, threshold: initial, frozenBy: "mallopt"},
		{name: "environment", args: []string{"raise"}, env: "MALLOC_MMAP_THRESHOLD_=131072", threshold: initial, frozenBy: "MALLOC_MMAP_THRESHOLD_"},
		{name: "top pad", args: []string{"raise"}, env: "MALLOC_TOP_PAD_=4096", threshold: initial, frozenBy: "MALLOC_TOP_PAD_"},
		{name: "tunable", args: []string{"raise"}, env: "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=131072", threshold: initial, frozenBy: "glibc.malloc.mmap_threshold"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.Command(testprog.Path(t, "threshold"), tc.args...)
			cmd.Env = append(os.Environ(), tc.env)
			p := testprog.Command(t, cmd)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			time.Sleep(600 * time.Millisecond) // the parameters are read every quarter of a second
			r := m.stop()
			compare(t, r, ledger)
			split := r.MallocSplit
			if split.MmapThreshold != tc.threshold || split.Dynamic != tc.dynamic || !strings.HasPrefix(split.ThresholdSource, "mp_ ") {
				t.Errorf("split %+v, want threshold %d, dynamic %v", split, tc.threshold, tc.dynamic)
			}
			if got := strings.Join(split.FrozenBy, " "); !strings.Contains(got, tc.frozenBy) || tc.dynamic && got != "" {
				t.Errorf("frozen by %q, want %q", got, tc.frozenBy)
			}
			sites := servedBySite(r)
			if got := sites["site_below"]; got.Brk.Blocks != 3 || got.Mmap.Blocks != 0 {
				t.Errorf("131,048 bytes: %+v, want the brk heap", got)
			}
			wantMapped, wantException := uint64(4), report.Sum{}
			if tc.threshold == raised {
				// Only the first block was mapped, and it is now below the threshold.
				wantMapped, wantException = 1, report.Sum{Bytes: 131049, Blocks: 1}
				if len(split.Changes) != 1 || split.Changes[0].From != initial || split.Changes[0].To != raised {
					t.Errorf("changes %+v", split.Changes)
				}
			} else if len(split.Changes) != 0 && tc.frozenBy != "mallopt" {
				t.Errorf("changes %+v, want none", split.Changes)
			}
			if got := sites["site_above"]; got.Mmap.Blocks != wantMapped || got.Brk.Blocks != 4-wantMapped {
				t.Errorf("131,049 bytes: %+v, want %d mapped", got, wantMapped)
			}
			if split.Exceptions.BelowThresholdMmapped != wantException || split.Exceptions.AboveThresholdInHeap.Blocks != 0 {
				t.Errorf("exceptions %+v, want %+v below", split.Exceptions, wantException)
			}
		})
	}
}

// TestThresholdOnOtherLibraries repeats this on the C libraries of Debian's other suites,
// through their own loaders. glibc 2.43 counts a mapping's chunk 16 bytes smaller.
func TestThresholdOnOtherLibraries(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	program := filepath.Join(t.TempDir(), "threshold")
	args := append(debpkg.Sysroot(t, "bullseye"), "-std=gnu11", "-O1", "-g", "-fno-omit-frame-pointer",
		"-fno-optimize-sibling-calls", "-fno-builtin", "-o", program, filepath.Join(testprog.Sources(), "threshold.c"))
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, suite := range []string{"bullseye", "trixie", "sid"} {
		t.Run(suite, func(t *testing.T) {
			c := debpkg.Libc(t, suite)
			p := testprog.Command(t, c.Command(t.Context(), program, "raise"))
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			time.Sleep(600 * time.Millisecond)
			r := m.stop()
			compare(t, r, ledger)
			split, sites := r.MallocSplit, servedBySite(r)
			if got := split.MmapThreshold; got != 1<<20+4096 && got != 1<<20+4096-16 {
				t.Errorf("glibc %s: threshold %d (%s)", c.Version, got, split.ThresholdSource)
			}
			if !split.Dynamic || len(split.Changes) != 1 {
				t.Errorf("glibc %s: split %+v", c.Version, split)
			}
			if got := sites["site_above"]; got.Mmap.Blocks != 1 {
				t.Errorf("glibc %s: 131,049 bytes: %+v, want one mapped", c.Version, got)
			}
			if got := sites["site_below"]; got.Mmap.Blocks != 0 || got.Brk.Blocks != 3 {
				t.Errorf("glibc %s: 131,048 bytes: %+v, want the brk heap", c.Version, got)
			}
		})
	}
}

// When no more mappings are allowed, large blocks go to the heap. The report warns of that.
func TestMmapMax(t *testing.T) {
	testprog.NeedRoot(t)
	cmd := exec.Command(testprog.Path(t, "threshold"))
	cmd.Env = append(os.Environ(), "MALLOC_MMAP_MAX_=2")
	p := testprog.Command(t, cmd)
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	ledger := p.Work()
	r := m.stop()
	compare(t, r, ledger)
	split := r.MallocSplit
	if split.MmapMax != 2 || split.MmappedBlocks != 2 || split.Exceptions.AboveThresholdInHeap.Blocks != 2 {
		t.Errorf("split %+v, want 2 of 2 mappings and 2 blocks in the heap instead", split)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "M_MMAP_MAX") {
		t.Errorf("notes %q, want a warning", notes)
	}
}
