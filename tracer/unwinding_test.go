package tracer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/testsupport/testprog"
)

const unwindingDir = "testdata/unwinding"

// unwindingPrograms returns programs without frame pointers, as optimizing compilers and
// distributions make them, by name.
func unwindingPrograms(t *testing.T) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	if err := testprog.Build(t.Context(), unwindingDir, dir); err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"C":      {filepath.Join(dir, "frames")},
		"C++":    {filepath.Join(dir, "frames_cpp")},
		"Rust":   {filepath.Join(dir, "frames_rust")},
		"Python": {"/usr/bin/python3", filepath.Join(unwindingDir, "frames.py")},
		"LLVM":   {"/usr/bin/python3", filepath.Join(unwindingDir, "frames.py"), "llvm"},
		// V8 collects garbage and compiles when it likes, but not in every run.
		"node": {"/usr/bin/node", "--single-threaded", "--min-semi-space-size=64", filepath.Join(unwindingDir, "frames.js")},
	}
}

// barePrograms returns those among the programs that have no call frame information.
func barePrograms(t *testing.T) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	if err := testprog.Build(t.Context(), unwindingDir, dir); err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"bare":        {filepath.Join(dir, "frames_bare")},
		"bare, small": {filepath.Join(dir, "frames_small")},
		"musl":        {filepath.Join(dir, "frames_musl")},
		"musl static": {filepath.Join(dir, "frames_static")},
	}
}

// startUnwinding starts one of them. malloc maps blocks from 128 KiB on and keeps next to
// nothing of its heap in stock, so that the debugger can stop inside it without a breakpoint.
func startUnwinding(t *testing.T, argv []string) *testprog.Program {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "MALLOC_MMAP_THRESHOLD_=131072", "MALLOC_TOP_PAD_=0",
		"MALLOC_TRIM_THRESHOLD_=0", "PYTHONMALLOC=malloc")
	return testprog.Command(t, cmd)
}

// stacksOf traces the program while it answers the line and returns the stopped tracer, which
// has all of its stacks.
func stacksOf(t *testing.T, p *testprog.Program, line string) *Tracer {
	t.Helper()
	return traceWhile(t, Config{}, p, func() {
		p.Say(line)
		if answer := p.Line(); answer != "done" {
			t.Fatalf("the program says %q", answer)
		}
	})
}

// Of the stacks of code without frame pointers at least 99.9 % end where the program or the
// thread began.
func TestWholeStacks(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	programs := unwindingPrograms(t)
	maps.Copy(programs, barePrograms(t))
	for _, name := range []string{"C", "C++", "Rust", "Python", "LLVM", "bare", "bare, small", "musl", "musl static"} {
		t.Run(name, func(t *testing.T) {
			p := startUnwinding(t, programs[name])
			tr := stacksOf(t, p, "go")
			cut, deepest := 0, 0
			for _, s := range allStacks(tr) {
				if s.truncated {
					if cut++; cut <= 3 {
						t.Log(named(tr, p.PID(), s.frames))
					}
				}
				deepest = max(deepest, len(s.frames))
			}
			all, counters := len(allStacks(tr)), tr.book.Counters()
			t.Logf("%d of %d stacks are cut, the deepest has %d frames; %+v", cut, all, deepest, counters)
			if all < 50 || cut*1000 > all {
				t.Errorf("%d of %d stacks are cut", cut, all)
			}
			if name == "C" && deepest < 120 {
				t.Errorf("the deepest stack has %d frames, want the recursion of 60 calls whole", deepest)
			}
			if lost := counters.LostStack; lost > 0 {
				t.Errorf("%d stacks lost", lost)
			}
		})
	}
}

// The stacks are those that gdb sees at the same calls.
func TestStacksEqualDebugger(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for name, argv := range unwindingPrograms(t) {
		t.Run(name, func(t *testing.T) {
			p := startUnwinding(t, argv)
			want := debuggerStacks(t, p)
			tr := stacksOf(t, p, "once")
			var all [][]uint64
			for _, s := range allStacks(tr) {
				all = append(all, s.frames)
			}
			for text, frames := range want {
				if !slices.ContainsFunc(all, func(f []uint64) bool { return slices.Equal(f, frames) }) {
					t.Errorf("no stack of memtrace's equals gdb's %s; nearest is %x", text, nearest(all, frames))
				}
			}
			t.Logf("%d stacks of gdb's are among memtrace's %d", len(want), len(all))
			if len(want) < 8 {
				t.Errorf("gdb saw %d stacks: the test shows nothing", len(want))
			}
		})
	}
}

// nearest returns the stack that agrees with want in most of its inner frames.
func nearest(all [][]uint64, want []uint64) (best []uint64) {
	longest := -1
	for _, frames := range all {
		n := 0
		for n < min(len(frames), len(want)) && frames[n] == want[n] {
			n++
		}
		if n > longest {
			best, longest = frames, n
		}
	}
	return best
}

// debuggerStacks lets the program work once under gdb. It returns the stacks of the
// allocations for which malloc asked the kernel for memory: as gdb prints them, and as the
// addresses of the frames behind the allocation function's. It leaves out stacks through
// generated code: gdb has no rules for it and guesses.
func debuggerStacks(t *testing.T, p *testprog.Program) map[string][]uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	gdb := exec.CommandContext(ctx, "gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
		"-p", strconv.Itoa(p.PID()), "-x", filepath.Join(unwindingDir, "stacks.py"))
	out, err := gdb.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	gdb.Stderr = &stderr
	if err := gdb.Start(); err != nil {
		t.Fatal(err)
	}
	stacks := make(map[string][]uint64)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "attached":
			p.Say("once")
		case fields[0] == "stack":
			if frames := debuggerFrames(t, fields[2:]); fields[1] == "1" && frames != nil {
				stacks[strings.Join(fields[2:], " ")] = frames
			}
		}
		if err != nil {
			break
		}
	}
	if err := gdb.Wait(); err != nil {
		t.Fatalf("gdb: %v\n%s", err, stderr.String())
	}
	if answer := p.Line(); answer != "done" {
		t.Fatalf("the program says %q", answer)
	}
	return stacks
}

// debuggerFrames returns the frames behind the allocation function. It returns nil if there is
// none, as in a mapping that the program made itself, or in generated code.
func debuggerFrames(t *testing.T, frames []string) (addresses []uint64) {
	t.Helper()
	functions := []string{"malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"}
	found := false
	for _, f := range frames {
		address, name, _ := strings.Cut(f, ":")
		if !found {
			found = slices.Contains(functions, strings.TrimPrefix(strings.TrimPrefix(name, "__GI_"), "__libc_"))
			continue
		}
		if strings.HasPrefix(name, "Builtins_") {
			return nil
		}
		pc, err := strconv.ParseUint(address, 16, 64)
		if err != nil {
			t.Fatalf("gdb prints %q", f)
		}
		addresses = append(addresses, pc)
	}
	return addresses
}

// stack is what a tracer knows of a call stack.
type stack struct {
	frames    []uint64
	truncated bool
}

// named returns the places of frames in their modules.
func named(tr *Tracer, pid int, frames []uint64) (places []string) {
	for _, address := range frames {
		f := tr.processes.Of(uint32(pid)).Symbols().Resolve(address, true)[0]
		places = append(places, fmt.Sprintf("%s+%#x", filepath.Base(f.Module), f.Offset))
	}
	return places
}

// allStacks returns the stacks that tr knows.
func allStacks(tr *Tracer) (all []stack) {
	tr.book.EachStack(func(_ event.StackID, frames []uint64, truncated bool) {
		all = append(all, stack{frames, truncated})
	})
	return all
}
