//go:build attack

package attack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// target is a program of testdata at work.
type target struct {
	s      *scene
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string // closed when it ends
	stderr bytes.Buffer
	// expendable means that it may end before its time.
	expendable bool
	done       chan struct{}
	operations int64
}

// startTarget runs a program until it is ready, or returns nil and notes why not.
func (s *scene) startTarget(name string, args ...string) *target {
	return s.startCommand(exec.Command(filepath.Join(s.camp.dir, name), args...))
}

func (s *scene) startCommand(cmd *exec.Cmd) *target {
	p := s.tryCommand(cmd)
	if p == nil {
		s.failf("%v does not start", cmd.Args)
	}
	return p
}

// tryCommand is startCommand for a program that need not run.
func (s *scene) tryCommand(cmd *exec.Cmd) *target {
	p := &target{s: s, cmd: cmd, lines: make(chan string, 64), done: make(chan struct{})}
	cmd.Stderr = &p.stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return nil
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
		close(p.lines)
		_ = cmd.Wait() // ProcessState tells
		close(p.done)
	}()
	s.later(p.kill)
	if line, ok := p.line(); !ok || !strings.HasPrefix(line, "ready ") {
		p.expendable = true
		return nil
	}
	return p
}

func (p *target) pid() int { return p.cmd.Process.Pid }

// line reads one line. It returns false if the program ended or says nothing.
func (p *target) line() (string, bool) {
	select {
	case line, ok := <-p.lines:
		return line, ok
	case <-time.After(patience):
		return "", false
	}
}

// say writes a line and returns the answer.
func (p *target) say(line string) (string, bool) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", false
	}
	return p.line()
}

// tell is say for a program that must answer with a line that begins with want.
func (p *target) tell(line, want string) bool {
	answer, ok := p.say(line)
	for ok && strings.HasPrefix(answer, "code ") { // see victim.c
		answer, ok = p.line()
	}
	if !ok || !strings.HasPrefix(answer, want) {
		p.s.failf("target answers %q to %q: %s", answer, line, p.end())
		return false
	}
	return true
}

// end says how the program ended, once it has.
func (p *target) end() string {
	select {
	case <-p.done:
		return fmt.Sprintf("%v %s", p.cmd.ProcessState, strings.TrimSpace(p.stderr.String()))
	case <-time.After(time.Second):
		return "it runs:\n" + p.where()
	}
}

// where tells what the program's threads are doing.
func (p *target) where() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "gdb", "-nx", "-batch", "-p", strconv.Itoa(p.pid()),
		"-ex", "info registers rip rsp", "-ex", "thread apply all bt 20", "-ex", "info proc mappings").CombinedOutput()
	if err != nil {
		return err.Error()
	}
	const most = 6000
	return string(out[:min(len(out), most)])
}

func (p *target) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) } // it may have ended

// kill ends the program, which must be alive unless it is expendable.
func (p *target) kill() {
	select {
	case <-p.done:
		if !p.expendable {
			p.s.failf("target %v ended: %s", p.cmd.Args[1:], p.end())
		}
		return
	default:
	}
	_ = p.in.Close()
	p.signal(syscall.SIGKILL)
	go func() {
		for range p.lines { // the reader must not wait forever
		}
	}()
	<-p.done
}

// work lets a storm do its work and returns its ledger, or nil if it came to harm.
func (p *target) work() *testprog.Ledger {
	line, ok := p.say("go")
	return p.ledger(line, ok)
}

// ledger reads a ledger that begins with a line.
func (p *target) ledger(line string, ok bool) *testprog.Ledger {
	l := &testprog.Ledger{Sites: make(map[string]testprog.Sum)}
	for ; ok; line, ok = p.line() {
		var site string
		var sum testprog.Sum
		if line == "done" {
			return l
		}
		if n, _ := fmt.Sscanf(line, "site %s %d %d", &site, &sum.Bytes, &sum.Blocks); n == 3 {
			l.Sites[site] = sum
		}
		if n, _ := fmt.Sscanf(line, "operations %d", &p.operations); n == 1 {
			p.s.count("checked operations", p.operations)
		}
	}
	p.s.failf("target %v came to harm: %s", p.cmd.Args[1:], p.end())
	p.expendable = true // said once
	return nil
}

// startBusy starts six threads at work.
func (s *scene) startBusy() *target {
	p := s.startTarget("storm", "busy", "0")
	if p == nil || !p.tell("go", "busy ") {
		return nil
	}
	return p
}

// works asks busy threads how far they are: they must make progress. It returns false if they
// do not.
func (p *target) works() bool {
	var before int64 = -1
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		line, ok := p.say("operations")
		var now int64
		if n, _ := fmt.Sscanf(line, "operations %d", &now); !ok || n != 1 {
			p.s.failf("busy target came to harm: %s", p.end())
			p.expendable = true
			return false
		}
		if before >= 0 && now > before {
			p.s.count("checked operations", now-p.operations)
			p.operations = now
			return true
		}
		before = now
	}
	p.s.failf("busy target makes no progress")
	return false
}

// sites sums what a report has outstanding, by the function that a ledger calls the site.
func sites(r *report.Report) map[string]testprog.Sum {
	sums := make(map[string]testprog.Sum)
	for _, stack := range r.Stacks {
		for _, f := range stack.Frames {
			if strings.HasPrefix(f.Function, "site_") {
				sum := sums[f.Function]
				sum.Bytes += int64(stack.Bytes)
				sum.Blocks += int64(stack.Blocks)
				sums[f.Function] = sum
				break
			}
		}
	}
	return sums
}

// compare notes every site at which a report and a ledger differ.
func (s *scene) compare(r *report.Report, l *testprog.Ledger) {
	got := sites(r)
	for site, want := range l.Sites {
		if got[site] != want {
			s.failf("%s: report has %+v, target holds %+v; complete %v, lost %+v, notes %q",
				site, got[site], want, r.Complete, r.Events.Lost, r.Notes)
			return
		}
	}
	s.count("ledgers equal", 1)
}

// checkComplete notes a report that has lost something.
func (s *scene) checkComplete(r *report.Report) {
	// Some kernels leave out system calls now and then, and reports say so.
	leftOut := strings.Contains(strings.Join(r.Notes, " "), "The kernel left out")
	if r.Events.Lost.Any() || r.Events.Evicted != 0 || !r.Complete && !leftOut {
		s.failf("lost %+v, evicted %d, complete %v, notes %q", r.Events.Lost, r.Events.Evicted, r.Complete, r.Notes)
	}
}
