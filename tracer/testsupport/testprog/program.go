package testprog

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BuildText writes sources, by file name, compiles them as Build does and returns the folder
// of the programs.
func BuildText(t testing.TB, sources map[string]string) string {
	t.Helper()
	src, out := t.TempDir(), t.TempDir()
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Build(context.Background(), src, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// BuildProgram compiles one C program, or a library if the command says -shared, and returns
// its path. compile is the compiler and its flags.
func BuildProgram(t testing.TB, compile, text string) string {
	t.Helper()
	dir := BuildText(t, map[string]string{"program.c": buildMark + compile + "\n" + text})
	_, name := buildCommand([]byte(buildMark+compile), "program.c")
	return filepath.Join(dir, name)
}

// Sum is blocks and their bytes.
type Sum struct{ Bytes, Blocks int64 }

// Ledger is what a program says it holds, by site.
type Ledger struct {
	Sites map[string]Sum
	// Calls is how many calls of allocation functions the program made.
	Calls int64
}

// Program is a running program that waits for its turn.
type Program struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// Start runs a program until it is ready: it has allocated nothing yet. The program is ended
// with the test.
func Start(t testing.TB, name string, args ...string) *Program {
	t.Helper()
	return Command(t, exec.Command(Path(t, name), args...))
}

// Grow is Start for the program of region/proc/testdata, whose memory grows by a step for each
// line that it is sent.
func Grow(t testing.TB, args ...string) *Program {
	t.Helper()
	sources := filepath.Join(Sources(), "..", "region", "proc", "testdata")
	return Command(t, exec.Command(PathIn(t, sources, "grow"), args...))
}

// Command is Start for a prepared command.
func Command(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	p := launch(t, cmd)
	if line := p.Line(); !strings.HasPrefix(line, "ready ") {
		t.Fatalf("%v says %q, want ready", p.cmd.Args, line)
	}
	return p
}

// CommandUnder is Command for a program that another program starts, which may print something
// first. PID and what depends on it are that other program's.
func CommandUnder(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	p := launch(t, cmd)
	for !strings.HasPrefix(p.Line(), "ready ") {
	}
	return p
}

func launch(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	p := &Program{t: t, cmd: cmd}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// PID is the program's process id.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Line reads one line of the program's output.
func (p *Program) Line() string {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("%v ended: %v", p.cmd.Args, p.out.Err())
	}
	return p.out.Text()
}

// Say writes a line to the program.
func (p *Program) Say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("%v: %v", p.cmd.Args, err)
	}
}

// Work lets the program do its work and returns its ledger. The program then waits, and holds
// what the ledger says.
func (p *Program) Work() Ledger {
	p.t.Helper()
	p.Say("go")
	return p.Ledger()
}

// Ledger reads a ledger.
func (p *Program) Ledger() Ledger {
	p.t.Helper()
	l := Ledger{Sites: make(map[string]Sum)}
	for {
		line := p.Line()
		var site string
		var sum Sum
		switch {
		case line == "done":
			return l
		case scan(line, "site %s %d %d", &site, &sum.Bytes, &sum.Blocks):
			l.Sites[site] = sum
		case scan(line, "calls %d", &l.Calls):
		default:
			p.t.Fatalf("%v says %q", p.cmd.Args, line)
		}
	}
}

func scan(line, format string, args ...any) bool {
	n, err := fmt.Sscanf(line, format, args...)
	return err == nil && n == len(args)
}

// End dismisses the program and returns its exit status.
func (p *Program) End() int {
	_ = p.in.Close()
	_ = p.cmd.Wait() // ProcessState has the status
	return p.cmd.ProcessState.ExitCode()
}

// ProcessorTime returns the processor time that the program has used so far, on all
// processors.
func (p *Program) ProcessorTime() time.Duration {
	if p.cmd.ProcessState == nil {
		return ProcessorTime(p.t, p.PID())
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// ProcessorTime returns the processor time that a process has used so far, on all processors.
// On a machine with other work this tells more than wall-clock time.
func ProcessorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	// A process's clock has its inverted pid in the upper bits, and below them 2 for the
	// scheduler's nanoseconds (CPUCLOCK_SCHED).
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		t.Fatalf("read the processor time of process %d: %v", pid, err)
	}
	return time.Duration(ts.Nano())
}

// Kill ends the program.
func (p *Program) Kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}
