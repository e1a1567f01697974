package testprog

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// DirVariable names the environment variable that holds a folder of programs
// built beforehand, where no compiler is at hand.
const DirVariable = "MEMTRACE_TEST_BIN"

// Sources is the folder of the programs' sources.
func Sources() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "testdata")
}

var buildAll = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv(DirVariable); dir != "" {
		return dir, nil
	}
	// It outlives the test that asks first; a few small files in the temporary
	// folder are the price of building once.
	dir, err := os.MkdirTemp("", "memtrace-programs-")
	if err != nil {
		return "", err
	}
	return dir, Build(context.Background(), Sources(), dir)
})

// Path returns the path of a program, built if need be.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := buildAll()
	if err != nil {
		t.Fatalf("build the test programs: %v", err)
	}
	return filepath.Join(dir, name)
}

// BuildText writes sources, by file name, compiles them as Build does and
// returns the folder of the programs.
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

// Sum is blocks and their bytes.
type Sum struct{ Bytes, Blocks int64 }

// Ledger is what a program says that it holds, by site.
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

// Start runs a program until it is ready: it has allocated nothing yet. It is
// ended with the test.
func Start(t testing.TB, name string, args ...string) *Program {
	t.Helper()
	return Command(t, exec.Command(Path(t, name), args...))
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

// CommandUnder is Command where another program starts it, which may say something
// before. PID and what goes by it is that other program's.
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

// Work lets the program do its work and returns its ledger. The program then
// waits, holding what the ledger says.
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
	_ = p.cmd.Wait() // the status tells
	return p.cmd.ProcessState.ExitCode()
}

// ProcessorTime is what the program took of all processors until now.
func (p *Program) ProcessorTime() time.Duration {
	if p.cmd.ProcessState == nil {
		// A process's clock has its inverted pid in the upper bits, and below
		// them 2 for the scheduler's nanoseconds (CPUCLOCK_SCHED).
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^p.PID()<<3|2), &ts); err != nil {
			p.t.Fatalf("%v: read the processor time: %v", p.cmd.Args, err)
		}
		return time.Duration(ts.Nano())
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Kill ends the program.
func (p *Program) Kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}
