//go:build scenarios

package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// row is a program, how it is traced, and the truth about it.
type row struct {
	name string
	expected
	// run is the command, as one string of words; see stage.expand. preload is a library that
	// the linker finds.
	run, preload string
	env          []string
	needs        string // a program that may be missing
	// launch: memtrace starts the program and traces it to its end. Otherwise it attaches when
	// the program has worked for a time (after, usualAfter if 0) and traces for another (trace,
	// usualTrace if 0). flags are for memtrace.
	launch       bool
	after, trace time.Duration
	flags        []string
	// grow: it is watched by memtrace grow.
	grow bool
	// worker is a part of the command line of the process to be traced, a descendant of the one
	// that is started.
	worker string
	// resident: what leaks is measured from outside, as the growth of memory that is the
	// process's own. All of it must be due to the leak.
	resident bool
	// children: it is the process's descendants that leak.
	children bool
	// prepare is called before the program is started, beside when it is to be traced.
	prepare, beside func(*scene)
}

const (
	usualAfter = 300 * time.Millisecond
	usualTrace = 8 * time.Second
	// patience is how long to wait for what must come.
	patience = 2 * time.Minute
)

// scene is a row under way.
type scene struct {
	*stage
	*row
	t   *testing.T
	dir string
	pid int // of the process to be traced
	// seen is what watchResident has noted. stopWatch ends that.
	seen      []sample
	stopWatch func()
}

// play runs a row and judges what memtrace says.
func (s *stage) play(t *testing.T, r *row) *outcome {
	if r.needs != "" {
		testprog.NeedTool(t, r.needs)
	}
	sc := &scene{stage: s, row: r, t: t, dir: t.TempDir()}
	// Programs that run as another user write there.
	for dir := sc.dir; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(sc.truthFile(), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(sc.truthFile(), 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if r.prepare != nil {
		r.prepare(sc)
	}
	var rep *report.Report
	var said string
	if r.launch {
		rep, said = sc.memtraceOf(append([]string{"--"}, s.expand(sc.dir, strings.Fields(r.run)...)...)...)
	} else {
		sc.start()
		trace := r.trace
		if trace == 0 {
			trace = usualTrace
		}
		rep, said = sc.memtraceOf("-p", strconv.Itoa(sc.pid), "-d", trace.String())
	}
	if rep == nil {
		return judgeRefusal(r.name, &r.expected, said)
	}
	leaked := sc.leaked(rep)
	t.Logf("leaked %.0f B (%.0f B with overhead) in %.1f s", leaked.asked, leaked.taken, rep.DurationSeconds)
	t.Log(digest(rep))
	var text bytes.Buffer
	if err := report.Text(&text, rep, report.TextOptions{Top: 10}); err != nil {
		t.Fatal(err)
	}
	return judge(r.name, &r.expected, rep, text.String(), leaked)
}

func (sc *scene) truthFile() string { return filepath.Join(sc.dir, "truth") }

// tracedFile is there when memtrace traces.
func (sc *scene) tracedFile() string { return filepath.Join(sc.dir, "traced") }

// environ is the environment of the program.
func (sc *scene) environ() []string {
	env := append(os.Environ(), "TRUTH="+sc.truthFile(), "TRACED="+sc.tracedFile())
	env = append(env, sc.expand(sc.dir, sc.env...)...)
	if sc.preload != "" {
		env = append(env, "LD_PRELOAD="+testprog.Library(sc.t, sc.expand(sc.dir, sc.preload)[0]))
	}
	return env
}

// start starts the program, and returns when it is to be traced.
func (sc *scene) start() {
	cmd := sc.command(sc.run)
	cmd.Env = sc.environ()
	sc.background(cmd)
	sc.pid = cmd.Process.Pid
	if sc.worker != "" && sc.beside != nil {
		sc.beside(sc)
	}
	sc.wait("the program to work", func() bool {
		if sc.worker != "" {
			i := slices.IndexFunc(descendants(cmd.Process.Pid), func(pid int) bool { return strings.Contains(commandLine(pid), sc.worker) })
			if i < 0 {
				return false
			}
			sc.pid = descendants(cmd.Process.Pid)[i]
		}
		info, err := os.Stat(sc.truthFile())
		return sc.resident || err == nil && info.Size() > 0
	})
	if sc.worker == "" && sc.beside != nil {
		sc.beside(sc)
	}
	time.Sleep(max(sc.after, usualAfter))
	if sc.resident {
		sc.watchResident()
	}
}

// wait waits until something is so.
func (sc *scene) wait(what string, is func() bool) {
	sc.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			sc.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// command returns a command, given as words.
func (sc *scene) command(line string, more ...string) *exec.Cmd {
	words := sc.expand(sc.dir, append(strings.Fields(line), more...)...)
	return exec.Command(words[0], words[1:]...)
}

// must runs a command to its end.
func (sc *scene) must(cmd *exec.Cmd) {
	sc.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		sc.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// background starts a command that is ended with the scene, along with its descendants.
func (sc *scene) background(cmd *exec.Cmd) {
	sc.t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		sc.t.Fatal(err)
	}
	sc.t.Cleanup(func() {
		// One that is stopped starts no others meanwhile.
		_ = cmd.Process.Signal(syscall.SIGSTOP)
		for _, pid := range append(descendants(cmd.Process.Pid), cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
		if sc.t.Failed() && said.Len() > 0 {
			sc.t.Logf("%v says: %s", cmd.Args, bytes.TrimSpace(said.Bytes()))
		}
	})
}

// memtraceOf runs memtrace and returns its report, or what it says if it fails.
func (sc *scene) memtraceOf(args ...string) (r *report.Report, said string) {
	sc.t.Helper()
	path := filepath.Join(sc.dir, "report.json")
	ctx, cancel := context.WithTimeout(sc.t.Context(), patience)
	defer cancel()
	args = slices.Concat([]string{"-f", "json", "-o", path, "--ready-file", sc.tracedFile()}, sc.flags, args)
	if sc.grow {
		args = append([]string{"grow"}, args...)
	}
	cmd := exec.CommandContext(ctx, sc.memtrace, args...)
	if sc.launch {
		cmd.Env = sc.environ()
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		sc.t.Logf("memtrace %v: %v\n%s", args, err, out)
		return nil, string(out)
	}
	doc, err := os.ReadFile(path)
	if err != nil {
		sc.t.Fatal(err)
	}
	r = new(report.Report)
	if err := json.Unmarshal(doc, r); err != nil {
		sc.t.Fatalf("decode the report: %v\n%s", err, doc)
	}
	if keep := os.Getenv("MEMTRACE_SCENARIO_REPORTS"); keep != "" { // to look at them
		_ = os.WriteFile(filepath.Join(keep, sc.name+".json"), doc, 0o644)
	}
	return r, string(out)
}

// leaked is what has leaked during the trace.
func (sc *scene) leaked(r *report.Report) amount {
	if sc.resident {
		sc.stopWatch()
		return series{0: sc.seen}.between(r.Start, r.End)
	}
	s, err := readTruth(sc.truthFile())
	if err != nil {
		sc.t.Fatal(err)
	}
	if sc.children {
		delete(s, r.Target.PID)
		return s.between(r.Start, r.End)
	}
	return s.of(r.Target.PID).between(r.Start, r.End)
}

// watchResident notes every 100 ms how much memory the process has for itself.
func (sc *scene) watchResident() {
	ctx, cancel := context.WithCancel(sc.t.Context())
	done := make(chan struct{})
	sc.seen = []sample{}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if n, err := anonymous(sc.pid); err == nil {
				sc.seen = append(sc.seen, sample{time.Now(), amount{n, n}})
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	sc.stopWatch = func() { cancel(); <-done }
}

// digest is what is worth knowing of a report that has no diagnosis.
func digest(r *report.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "mode %s, complete %v, allocator %s, %d B in %d blocks outstanding, %d stacks; young %d B in %d\n",
		r.Mode, r.Complete, r.Target.Allocator, r.Outstanding.Bytes, r.Outstanding.Blocks, r.StacksTotal, r.Young.Bytes, r.Young.Blocks)
	for i := range min(4, len(r.Stacks)) {
		s := &r.Stacks[i]
		fmt.Fprintf(&b, "  %s %d B in %d, %.0f B/s:", s.Kind, s.Bytes, s.Blocks, s.GrowthBytesPerSecond)
		if e := s.Estimate; e != nil {
			fmt.Fprintf(&b, " %s %.0f [%.0f - %.0f] B/s:", e.Class, e.LeakBytesPerSecond.Value, e.LeakBytesPerSecond.Low, e.LeakBytesPerSecond.High)
		}
		for _, f := range s.Frames[:min(6, len(s.Frames))] {
			name := f.Function
			if name == "" {
				name = filepath.Base(f.Module)
			}
			fmt.Fprintf(&b, " %s", name)
		}
		b.WriteString("\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	return b.String()
}
