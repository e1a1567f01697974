package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// An exception passes through a traced operator new: its return is seen without a return
// probe.
func TestHarmExceptions(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, library := range []string{"libjemalloc.so.2", "libtcmalloc_minimal.so.4"} {
		t.Run(library, func(t *testing.T) {
			cmd := exec.Command(harmProgram(t, "throws"))
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+testprog.Library(t, library))
			p := testprog.Command(t, cmd)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			if ledger.Calls != 4200 {
				t.Errorf("%d exceptions were caught, want 4,200", ledger.Calls)
			}
			r := m.stop()
			compare(t, r, ledger)
			for _, s := range r.Stacks {
				if last := s.Frames[len(s.Frames)-1].Function; s.Truncated || last != "_start" {
					t.Errorf("a stack of %d frames ends at %s", len(s.Frames), last)
				}
			}
			if code := p.End(); code != 0 {
				t.Errorf("the program ended with %d", code)
			}

			// A child would inherit tcmalloc's locks, which another thread may be holding.
			cmd = exec.Command(testprog.Path(t, "ledger_cpp"), "--seed", "5", "--calls", "20011", "--no-fork")
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+testprog.Library(t, library))
			p = testprog.Command(t, cmd)
			m = startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger = p.Work()
			compare(t, m.stop(), ledger)
		})
	}
}

// A signal handler may allocate on a stack above that of the malloc it interrupts. The kernel
// would then take that malloc's return probe for dead and kill the thread.
func TestHarmSignalStack(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, way := range []string{"plain", "autodisarm"} {
		t.Run(way, func(t *testing.T) {
			cmd := exec.Command(harmProgram(t, "altstack"), way)
			// Use a libc of our own: if another tool has a return probe in the same file, the
			// kernel puts return probes on the calls of every process.
			cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+copyOfLibc(t))
			p := testprog.Command(t, cmd)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			r := m.stop()
			compareSites(t, r, ledger)
			if lost := r.Events.Lost.Alloc; lost == 0 || r.Complete {
				t.Errorf("%d of the handler's allocations are said to be lost; complete %v", lost, r.Complete)
			}
			if code := p.End(); code != 0 {
				t.Errorf("the program ended with %d", code)
			}
		})
	}
}

// copyOfLibc returns a directory with a copy of libc in it.
func copyOfLibc(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copyFile(t, testprog.Library(t, "libc.so.6"), filepath.Join(dir, "libc.so.6"))
	return dir
}

// A thread that leaves malloc by siglongjmp is seen again at its next call, or soon after
// where nothing shows that it has left. The report says what was missed.
func TestHarmJumpOut(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	const soon = 32 // calls
	for way, most := range map[string]int64{"over": 0, "below": soon, "above": 0} {
		t.Run(way, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(harmProgram(t, "jumpout"), way))
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			r := m.stop()
			want, got := ledger.Sites["site_after"], bySite(r)["site_after"]
			if missed := want.Blocks - got.Blocks; missed < 0 || missed > most {
				t.Errorf("%d blocks of %d are outstanding", got.Blocks, want.Blocks)
			}
			// These are the call that was left, and calls taken for nested calls of it.
			if lost := int64(r.Events.Lost.Alloc); lost < 1 || lost > 1+2*most || r.Complete {
				t.Errorf("lost %+v, complete %v", r.Events.Lost, r.Complete)
			}
		})
	}
}
