package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// trap is a scenario of a test program, with what is known of it besides the program's ledger.
type trap struct {
	program, scenario string
	// closed: only the program's sites allocate, and it frees only its own blocks. The totals
	// must then equal the ledger's.
	closed bool
	// alloc, free and realloc are the numbers of calls that did something, where they are
	// counted.
	alloc, free, realloc uint64
	// race: it needs two processors, and takes forever under emulation.
	race bool
	// tables: it needs stacks that are walked by unwind tables.
	tables bool
	// ledger: libc decides its outcome, and the ledger program makes such calls many times. So
	// TestCoreLedger is enough on other kernels.
	ledger bool
	// emulated is the scenario's argument under emulation, if any.
	emulated string
}

var traps = []trap{
	{program: "traps", scenario: "nesting", closed: true, alloc: 72, free: 1, realloc: 18},
	{program: "traps", scenario: "failed-realloc", closed: true, alloc: 24, free: 6, ledger: true},
	{program: "traps", scenario: "posix-memalign-einval", closed: true, alloc: 5, ledger: true},
	{program: "traps", scenario: "calloc-overflow", closed: true, alloc: 3, ledger: true},
	{program: "traps", scenario: "thread-dies"},
	{program: "traps", scenario: "thread-killed"},
	{program: "traps", scenario: "thread-exit-tcache", ledger: true},
	{program: "traps", scenario: "address-reuse", race: true},
	{program: "traps", scenario: "fork-child", closed: true, alloc: 45, free: 8},
	{program: "traps", scenario: "free-null", closed: true, alloc: 2, free: 1, ledger: true},
	{program: "traps", scenario: "zero-size", closed: true, alloc: 63, free: 9, ledger: true},
	{program: "traps", scenario: "aliases", closed: true, ledger: true},
	{program: "traps", scenario: "vfork-exec", closed: true},
	{program: "traps", scenario: "dlopen"},
	{program: "traps", scenario: "dlclose"},
	// The alarms are apart by time, so that fewer calls see as many under emulation.
	{program: "traps", scenario: "signal", closed: true, emulated: "20000"},
	{program: "traps", scenario: "deep", closed: true, alloc: 8},
	{program: "traps", scenario: "usr1", closed: true, alloc: 14},
	{program: "reuse", scenario: "munmap"},
	{program: "reuse", scenario: "mremap"},
	{program: "reuse", scenario: "free"},
	{program: "reuse", scenario: "realloc", ledger: true},
	{program: "walks", scenario: "noreturn", closed: true, alloc: 34},
	{program: "walks", scenario: "alike", closed: true, alloc: 1000},
	{program: "walks", scenario: "fault", closed: true, alloc: 34, tables: true},
}

// TestCoreTraps covers the traps that a tracer of allocations can fall into, one at a time.
func TestCoreTraps(t *testing.T) {
	testprog.NeedRoot(t)
	for _, trap := range traps {
		emulated := os.Getenv(testprog.DirVariable) != ""
		if emulated && (trap.race || trap.ledger) || trap.tables && !wholeStacks(t) {
			continue
		}
		t.Run(trap.scenario, func(t *testing.T) {
			args := []string{trap.scenario}
			if emulated && trap.emulated != "" {
				args = append(args, trap.emulated)
			}
			r, ledger := spring(t, trap.program, args...)
			compare(t, r, ledger)
			if trap.closed {
				checkTotals(t, r, ledger)
			}
			got := [...]uint64{r.Events.Alloc, r.Events.Free, r.Events.Realloc}
			want := [...]uint64{trap.alloc, trap.free, trap.realloc}
			if trap.alloc != 0 && got != want {
				t.Errorf("%d allocations, frees and reallocs, want %d", got, want)
			}
		})
	}
}

// spring traces a scenario, with its argument if any, and returns the report and the program's ledger.
func spring(t *testing.T, program string, scenario ...string) (*report.Report, testprog.Ledger) {
	t.Helper()
	p := testprog.Start(t, program, scenario...)
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	ledger := p.Work()
	return m.stop(), ledger
}

// checkTotals fails the test if anything is outstanding at no site, or if a free was of an
// unknown block.
func checkTotals(t *testing.T, r *report.Report, ledger testprog.Ledger) {
	t.Helper()
	var held report.Sum
	for _, sum := range ledger.Sites {
		held.Bytes += uint64(sum.Bytes)
		held.Blocks += uint64(sum.Blocks)
	}
	if r.Outstanding != held {
		t.Errorf("%+v are outstanding, the program holds %+v", r.Outstanding, held)
	}
	if n := r.Events.UnknownFree; n != 0 {
		t.Errorf("%d frees of unknown blocks", n)
	}
}

// A block whose free nobody saw is evicted by the next block at its address. The report says
// so.
func TestCoreEvicted(t *testing.T) {
	testprog.NeedRoot(t)
	r, ledger := spring(t, "traps", "evicted")
	compareSites(t, r, ledger)
	if r.Events.Evicted != 7 || r.Complete {
		t.Errorf("evicted %d, want 7; complete %v", r.Events.Evicted, r.Complete)
	}
}

// A call that a thread has jumped out of does not hide the calls after it. It is counted as
// lost, since nobody knows what it did.
func TestCoreAbandoned(t *testing.T) {
	testprog.NeedRoot(t)
	r, ledger := spring(t, "traps", "thread-jumps")
	compareSites(t, r, ledger)
	if r.Events.Lost.Alloc != 12 || r.Complete {
		t.Errorf("lost %+v, want 12 allocations; complete %v", r.Events.Lost, r.Complete)
	}
}

// In these programs libc does not serve the blocks: the allocator serves C++ through its own
// operators, and libc's malloc is there as well.
func TestAllocators(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for library, family := range map[string]string{
		"libjemalloc.so.2": "jemalloc", "libtcmalloc_minimal.so.4": "tcmalloc", "libmimalloc.so.2": "mimalloc",
	} {
		t.Run(library, func(t *testing.T) {
			// An operator that throws allocates the exception, whose free is then that of an
			// unknown block. TestHarmExceptions covers those.
			cmd := exec.Command(testprog.Path(t, "ledger_cpp"), "--seed", "3", "--calls", "50021", "--no-throw")
			if family == "tcmalloc" {
				// A child inherits the lock of tcmalloc's new-handler. Another thread may be
				// holding it, and then the child waits forever.
				cmd.Args = append(cmd.Args, "--no-fork")
			}
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+testprog.Library(t, library))
			p := testprog.Command(t, cmd)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			r := m.stop()
			compare(t, r, ledger)
			// libc is there as well, but its rules do not apply to these blocks.
			if r.Target.Allocator != family || r.MallocSplit != nil || r.Stacks[0].Served != nil {
				t.Errorf("allocator %s, split %+v", r.Target.Allocator, r.MallocSplit)
			}
			// An operator that jumps to free is not a second free.
			if n := r.Events.UnknownFree; n != 0 {
				t.Errorf("%d frees of unknown blocks", n)
			}
		})
	}
}
