package proc

import (
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	"memtrace/tracer/region"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

func open(t testing.TB, pid int) *Process {
	t.Helper()
	p, err := Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

var began = time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)

// A second passes after each step of the program, so that rates are exact.
func TestGrowth(t *testing.T) {
	for _, tc := range []struct {
		mode, verdict string
		class         region.Class
	}{
		{"brk", `^The brk heap grows 2\d\d\.\d KiB/s\. Resident memory grows 2\d\d\.\d KiB/s\.$`, region.Brk},
		{"mmap", `^Anonymous mmaps grow 2\.0 MiB/s in segments of 2\.0 MiB\. Resident memory grows 2\.0 MiB/s\.$`, region.Mmap},
		{"malloc", `^Malloc's mmaps grow 2\.0 MiB/s in segments of 2\.0 MiB\. Resident memory grows 2\.0 MiB/s\.$`, region.MallocMmap},
		{"arena", `^Thread arenas grow 2\d\d\.\d KiB/s\. Resident memory grows 2\d\d\.\d KiB/s\.$`, region.Arena},
		{"stacks", `^Thread stacks grow 1\.0 MiB/s in segments of 1\.0 MiB\. Resident memory grows `, region.ThreadStack},
		{"none", `^No steady growth\.$`, 0},
		{"fragment", `^No steady growth\.`, 0},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			program := testprog.Grow(t, tc.mode)
			s := region.NewSampler(open(t, program.PID()), region.Config{Share: -1})
			const steps = 23
			for i := range steps {
				if err := s.Poll(began.Add(time.Duration(i) * time.Second)); err != nil {
					t.Fatal(err)
				}
				program.Say("step")
				program.Line()
			}
			snap, err := s.Snapshot(began.Add(steps * time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if got := snap.Verdict(); !regexp.MustCompile(tc.verdict).MatchString(got) {
				t.Errorf("verdict %q, want %s", got, tc.verdict)
			}
			if tc.class == 0 {
				return
			}
			if list := snap.GrowingClasses(); len(list) != 1 || list[0] != tc.class {
				t.Errorf("%v grow, want %v", list, tc.class)
			}
			var sum float64
			for _, g := range snap.Growing {
				sum += float64(g.Now - g.Then)
			}
			if change := snap.Classes[tc.class].Fit.Change; sum != change {
				t.Errorf("segments grew by %v, their class by %v", sum, change)
			}
			if tc.class == region.MallocMmap && snap.Classes[tc.class].Count != steps+1 {
				t.Errorf("%d chunks, want %d", snap.Classes[tc.class].Count, steps+1)
			}
		})
	}
}

// After the end of a process, what was known of it remains.
func TestProcessEnds(t *testing.T) {
	program := testprog.Grow(t, "none")
	s := region.NewSampler(open(t, program.PID()), region.Config{})
	if err := s.Poll(began); err != nil {
		t.Fatal(err)
	}
	program.End()
	if err := s.Poll(began.Add(time.Second)); !errors.Is(err, region.ErrGone) {
		t.Fatalf("polling an ended process: %v", err)
	}
	snap, err := s.Snapshot(began.Add(2 * time.Second))
	if err != nil || !snap.Gone || snap.Polls != 1 || snap.Virtual == 0 || snap.Resident == 0 {
		t.Errorf("%+v, %v", snap, err)
	}
}

// A poll of 20,000 regions that stay as they are allocates nothing for each. What it takes
// of a processor is measured by BenchmarkPoll20000.
func TestPollAllocates(t *testing.T) {
	program := testprog.Grow(t, "regions", "20011")
	s := region.NewSampler(open(t, program.PID()), region.Config{Share: -1})
	second := 0
	allocs := testing.AllocsPerRun(10, func() {
		second++
		if err := s.Poll(began.Add(time.Duration(second) * time.Second)); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 201 {
		t.Errorf("a poll allocates %.0f times", allocs)
	}
	t.Logf("a poll allocates %.0f times", allocs)
}

func BenchmarkPoll20000(b *testing.B) {
	program := testprog.Grow(b, "regions", "20011")
	s := region.NewSampler(open(b, program.PID()), region.Config{Share: -1})
	if err := s.Poll(began); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	used, i := testprog.ProcessorTime(b, os.Getpid()), 0
	for b.Loop() {
		i++
		if err := s.Poll(began.Add(time.Duration(i) * time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(testprog.ProcessorTime(b, os.Getpid())-used)/float64(b.N), "cpu-ns/op")
}
