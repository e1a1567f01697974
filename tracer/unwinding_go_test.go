package tracer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"memtrace/symbolize"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// Of the stacks of a Go program at least 99.9 % end where the goroutine or the thread began,
// also where Go calls C that calls Go, and whether or not symbols are there.
func TestWholeGoStacks(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for name, flags := range map[string][]string{
		"plain":    nil,
		"stripped": {"-buildmode=pie", "-ldflags=-s -w"},
	} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(buildGo(t, "goframes.go", "CGO_ENABLED=1", flags...)))
			tr := stacksOf(t, p, "go")
			names, err := symbolize.NewProcess(p.PID(), symbolize.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer names.Close()
			cut, nested := 0, 0
			for _, s := range allStacks(tr) {
				if s.truncated {
					cut++
				} else if checkDescent(t, names, s.frames) {
					nested++
				}
			}
			all, counters := len(allStacks(tr)), tr.book.Counters()
			t.Logf("%d of %d stacks are cut, %d go through C twice; %+v", cut, all, nested, counters)
			if nested < 1000 {
				t.Errorf("%d stacks go through C twice", nested)
			}
			if all < 10000 || cut*1000 > all {
				t.Errorf("%d of %d stacks are cut", cut, all)
			}
			if lost := counters.LostStack; lost > 0 {
				t.Errorf("%d stacks lost", lost)
			}
		})
	}
}

// checkDescent checks that a stack of goframes.go has every level of its recursion, and the end
// of its goroutine. It reports whether Go called C that called Go that called C.
func checkDescent(t *testing.T, names *symbolize.Process, frames []uint64) (nested bool) {
	t.Helper()
	count, last := make(map[string]int), ""
	for _, address := range frames {
		for _, f := range names.Resolve(address, true) {
			count[f.Function]++
			last = f.Function
		}
	}
	calls := count["runtime.asmcgocall"]
	if count["main._Cfunc_c_leaf"] == 0 {
		return false // the runtime's own
	}
	// Each of these is there once for each time that Go calls C, or C calls Go.
	levels, back := count["main.descend"], count["main.goInner"]
	if levels != 16 || back != calls-1 || count["crosscall2"] != back || last != "runtime.goexit" {
		t.Errorf("%d levels of 16, %d calls of C, %d of Go (crosscall2: %d), ends in %s", levels, calls, back, count["crosscall2"], last)
	}
	return back > 0
}

// Go asks the system for memory on a stack of the runtime's. The stacks lead on to whoever needed
// it, also in programs without libc and without symbols.
func TestGoHeapGrowth(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for name, flags := range map[string][]string{"static": nil, "pie": {"-buildmode=pie"}} {
		t.Run(name, func(t *testing.T) {
			program := buildGo(t, "goheap.go", "CGO_ENABLED=0", append(flags, "-ldflags=-s -w")...)
			p := testprog.Command(t, exec.Command(program))
			const steps = 20
			r := watchGrowth(t, Config{}, p, steps, func(*Tracer) {})
			var all, kept uint64
			for i := range r.Stacks {
				s := &r.Stacks[i]
				all += s.Bytes
				if s.Truncated {
					t.Errorf("a stack is cut: %+v", s.Frames)
				}
				if slices.ContainsFunc(s.Frames, func(f report.Frame) bool { return f.Function == "main.keep" }) {
					kept += s.Bytes
				}
			}
			if all < steps<<24 || kept < all/10*9 {
				t.Errorf("%d of %d bytes are known to be of main.keep", kept, all)
			}
		})
	}
}

// buildGo compiles a Go program of unwindingDir.
func buildGo(t *testing.T, source, env string, flags ...string) string {
	t.Helper()
	testprog.NeedTool(t, "go")
	out := filepath.Join(t.TempDir(), "program")
	args := append([]string{"build", "-o", out}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, filepath.Join(unwindingDir, source))...)
	cmd.Env = append(os.Environ(), env)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return out
}
