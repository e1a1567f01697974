package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// The tests named TestCore also run on every supported kernel (package kerneltest), with less
// work because of the emulation there.

// ledgerCalls is the number of calls that a ledger program makes, a prime.
func ledgerCalls() int {
	if os.Getenv(testprog.DirVariable) != "" || testing.Short() {
		return 20011
	}
	return 2000003
}

// wholeStacks reports whether stacks go through code without frame pointers here;
// the ledger programs leave such sites out where not.
func wholeStacks(t *testing.T) bool {
	t.Helper()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	scanLine(t, unix.ByteSliceToString(uts.Release[:]), "%d.%d", &major, &minor)
	return runtime.GOARCH == "amd64" && (major > 5 || major == 5 && minor >= 13)
}

// What memtrace shows as outstanding must equal, to the byte, what the program says it holds
// after millions of calls of every allocation function from eight threads.
func TestCoreLedger(t *testing.T) {
	testprog.NeedRoot(t)
	for _, name := range []string{"ledger", "ledger_cpp"} {
		for n := range setting(t, "LEDGER_RUNS", 1) {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				args := []string{"--seed", strconv.Itoa(n + 1), "--calls", strconv.Itoa(ledgerCalls())}
				if !wholeStacks(t) {
					args = append(args, "--no-indirect")
				}
				p := testprog.Start(t, name, args...)
				// With two processors, eight threads leave the reader little time.
				m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--ring-size", "256M")
				ledger := p.Work()
				r := m.stop()
				compare(t, r, ledger)
				if calls := int64(r.Events.Alloc + r.Events.Free + r.Events.Realloc); calls < ledger.Calls/2 {
					t.Errorf("%d events of at least %d calls", calls, ledger.Calls)
				}
				if status := p.End(); status != 0 {
					t.Errorf("the program ended with %d", status)
				}
			})
		}
	}
}

// TestCoreMappings covers mappings that the program itself makes, cuts, overlays and moves.
func TestCoreMappings(t *testing.T) {
	testprog.NeedRoot(t)
	for _, name := range []string{"mappings", "ways"} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Start(t, name)
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			ledger := p.Work()
			// Mappings of files are not outstanding memory.
			for _, site := range []string{"site_file", "site_overlay_file"} {
				if _, ok := ledger.Sites[site]; ok {
					ledger.Sites[site] = testprog.Sum{}
				}
			}
			r := m.stop()
			compare(t, r, ledger)
			if want := uint64(29); name == "mappings" && r.Events.Mmap != want {
				t.Errorf("%d mappings were made, want %d: those that fail are none", r.Events.Mmap, want)
			}
		})
	}
}

// An exec ends what the old program held. The new program is traced at once.
func TestCoreExec(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "execs")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	if before := p.Work(); before.Sites["site_before"].Blocks == 0 {
		t.Fatal("the program held nothing before its exec")
	}
	p.Say("next")
	if line := p.Line(); line != "ready "+strconv.Itoa(p.PID()) {
		t.Fatalf("after its exec the program says %q", line)
	}
	after := p.Work()
	r := m.stop()
	compare(t, r, after)
	if got := bySite(r)["site_before"]; got.Blocks != 0 {
		t.Errorf("%d blocks of the old program are outstanding", got.Blocks)
	}
}

// A thread that execs takes over its process, and the probes have to follow it.
func TestCoreExecByThread(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "execs", "thread")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	p.Work()
	p.Say("next")
	p.Line()
	// Until then nothing of the new program is seen.
	waitFor(t, m, "is traced again")
	after := p.Work()
	compareSites(t, m.stop(), after)
}

// Launch mode sees the first allocation, before main, and the last, after main. It passes on
// the exit status.
func TestCoreLaunch(t *testing.T) {
	testprog.NeedRoot(t)
	m := startMemtrace(t, "--", testprog.Path(t, "short"))
	if code := m.wait(); code != 7 {
		t.Fatalf("memtrace ended with %d, want the command's 7: %s", code, m.stderr.String())
	}
	compare(t, m.reports()[0], testprog.Ledger{Sites: map[string]testprog.Sum{
		"site_constructor": {Bytes: 2515, Blocks: 5},
		"site_short":       {Bytes: 13117, Blocks: 13},
		"site_destructor":  {Bytes: 211, Blocks: 1},
	}})
}

// Libraries that are mapped at the same addresses one after another keep their own names, also
// if they are gone before anyone could look.
func TestCoreLibraries(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "loads", "plain", testprog.Libraries(t, 3), "3", "50", "10")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()), "--exact")
	ledger := p.Work()
	compare(t, m.stop(), ledger)
}

// memtrace can attach to a busy process again and again. The process keeps working and nothing
// stays behind.
func TestCoreAttachDetach(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	rounds := 100
	if os.Getenv(testprog.DirVariable) != "" {
		// What a round leaves behind is still there after the second.
		rounds = 2
	}
	p := testprog.Start(t, "busy", "--threads", "2")
	p.Say("go")
	leftBehind := watchForLeftovers(t, p)
	for range rounds {
		m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
		waitForPairs(t, p)
		r := m.stop()
		if r.Events.Alloc == 0 || r.Events.Free == 0 {
			t.Errorf("%d allocations and %d frees of a process that made some", r.Events.Alloc, r.Events.Free)
		}
		// Each thread holds at most one block.
		if r.Outstanding.Blocks > 2 {
			t.Errorf("%d blocks are outstanding of a process that holds 2", r.Outstanding.Blocks)
		}
	}
	leftBehind()
	checkUnprobed(t, p.PID())
	waitForPairs(t, p) // it is still at work
	p.Say("end")
	var wrong int64
	p.Line()
	scanLine(t, p.Line(), "wrong %d", &wrong)
	if wrong != 0 {
		t.Errorf("the process got %d wrong answers", wrong)
	}
}

// waitForPairs waits until busy has begun and ended a pair of malloc and free.
func waitForPairs(t *testing.T, p *testprog.Program) {
	t.Helper()
	// One more was begun before.
	const threads = 2
	before := pairs(t, p)
	for deadline := time.Now().Add(patience); pairs(t, p) <= before+threads; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process does nothing any more")
		}
	}
}

// pairs is how many pairs of malloc and free busy has made.
func pairs(t *testing.T, p *testprog.Program) (n int64) {
	t.Helper()
	p.Say("count")
	scanLine(t, p.Line(), "pairs %d", &n)
	return n
}

func scanLine(t *testing.T, line, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(line, format, args...); err != nil {
		t.Fatalf("%q is not %q: %v", line, format, err)
	}
}

// watchForLeftovers returns a function that fails the test for files, BPF programs
// and maps that were not there before.
func watchForLeftovers(t *testing.T, p *testprog.Program) (check func()) {
	t.Helper()
	// The first trace starts the child that reads files, which stays.
	startMemtrace(t, "-p", strconv.Itoa(p.PID())).stop()
	files, programs, maps := openFiles(t), loadedPrograms(t), loadedMaps(t)
	return func() {
		t.Helper()
		if got := openFiles(t); got > files {
			t.Errorf("%d files are open, %d were before", got, files)
		}
		if got := goneDownTo(t, programs, loadedPrograms); got > programs {
			t.Errorf("%d BPF programs are loaded, %d were before", got, programs)
		}
		if got := goneDownTo(t, maps, loadedMaps); got > maps {
			t.Errorf("%d BPF maps are loaded, %d were before", got, maps)
		}
	}
}

// goneDownTo waits until at most least are loaded, and returns how many there are. A busy
// machine's kernel takes seconds to free what nobody holds any more.
func goneDownTo(t *testing.T, least int, loaded func(*testing.T) int) (n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if n = loaded(t); n <= least || time.Now().After(deadline) {
			return n
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// loadedPrograms counts the BPF programs in the kernel. The kernel frees a program a moment
// after its last reference is gone.
func loadedPrograms(t *testing.T) int {
	t.Helper()
	return settled(func(n int) (int, error) {
		next, err := ebpf.ProgramGetNextID(ebpf.ProgramID(n))
		return int(next), err
	})
}

// loadedMaps counts the BPF maps in the kernel, which are freed like programs.
func loadedMaps(t *testing.T) int {
	t.Helper()
	runtime.GC() // releases the mapped variables of closed traces
	return settled(func(n int) (int, error) {
		next, err := ebpf.MapGetNextID(ebpf.MapID(n))
		return int(next), err
	})
}

// settled counts the IDs that next goes through, once the count is stable for half a second.
func settled(next func(id int) (int, error)) int {
	count := func() (n int) {
		for id := 0; ; n++ {
			var err error
			if id, err = next(id); err != nil {
				return n
			}
		}
	}
	last := count()
	for stable := 0; stable < 5; {
		time.Sleep(100 * time.Millisecond)
		if n := count(); n != last {
			last, stable = n, 0
		} else {
			stable++
		}
	}
	return last
}

// A target that cannot be traced is refused in one line that names it.
func TestCoreRefusals(t *testing.T) {
	testprog.NeedRoot(t)
	programs := loadedPrograms(t)
	for _, tc := range []struct {
		name string
		args []string
		code exitCode
		want string
	}{
		{"no such pid", []string{"-p", "4194303"}, exitError, "no such process"},
		{"kernel thread", []string{"-p", "2"}, exitError, "kernel thread"},
		{"itself", []string{"-p", strconv.Itoa(os.Getpid())}, exitError, "memtrace itself"},
		{"no such command", []string{"--", "/no/such/command"}, exitError, "/no/such/command"},
		{"unwritable output", []string{"-p", "1", "-o", "/no/such/folder/file"}, exitError, "/no/such/folder/file"},
		{"nothing to trace", nil, exitUsage, "nothing to trace"},
		{"pid and command", []string{"-p", "1", "--", "true"}, exitUsage, "exclude"},
		{"unknown flag", []string{"--frobnicate"}, exitUsage, "frobnicate"},
		{"slowed", []string{"-p", "1", "--max-slowed", "0"}, exitUsage, "--max-slowed 0: give 0.1 to 100 percent"},
		{"slowed, exact", []string{"-p", "1", "--exact", "--max-slowed", "1"}, exitUsage, "leave out --max-overhead, --max-stall and --max-slowed"},
		{"sizes", []string{"-p", "1", "-z", "2k", "-Z", "1k"}, exitUsage, "--min-size"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := launchMemtrace(t, tc.args...)
			if code := m.wait(); code != tc.code {
				t.Errorf("ended with %d, want %d", code, tc.code)
			}
			text := m.stderr.String()
			if !strings.Contains(text, tc.want) {
				t.Errorf("said %q, want %q in it", text, tc.want)
			}
			if lines := strings.Count(text, "\n"); tc.code == exitError && lines != 1 {
				t.Errorf("said %d lines, want one: %s", lines, text)
			}
			if m.stdout.String() != "" {
				t.Errorf("wrote a report: %s", m.stdout.String())
			}
		})
	}
	if n := goneDownTo(t, programs, loadedPrograms); n > programs {
		t.Errorf("%d BPF programs are loaded, %d were before", n, programs)
	}
}
