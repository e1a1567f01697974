//go:build attack

package attack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"memtrace/tracer/report"
)

const (
	// patience bounds every wait: what takes longer hangs. It is long because several attacks
	// and other work share the processors.
	patience = 45 * time.Second
	// maxResident is the most that memtrace may have in memory, in bytes, on targets as small
	// as these: its ring, its unwind tables and a margin.
	maxResident = 1 << 30
)

// tool is a memtrace at work.
type tool struct {
	s              *scene
	cmd            *exec.Cmd
	ready          string
	stdout, stderr bytes.Buffer
	done           chan struct{}
	err            error
	held           kernelObjects // as last seen
	killed         bool          // a signal was sent that leaves no report
	early          bool          // SIGTERM was sent before all probes were live
}

// startTool runs memtrace. It is ended with the round at the latest.
func (s *scene) startTool(args ...string) *tool {
	return s.startToolAs(func(cmd *exec.Cmd) {}, args...)
}

// startToolAs is startTool with a command that change may alter.
func (s *scene) startToolAs(change func(*exec.Cmd), args ...string) *tool {
	m := &tool{s: s, done: make(chan struct{}), held: make(kernelObjects)}
	m.ready = filepath.Join(s.dir, fmt.Sprintf("ready-%d", s.rng.Uint64()))
	// Only tracing commands have this flag.
	m.cmd = exec.Command(s.memtrace, append(args, "--ready-file", m.ready)...)
	m.cmd.Stdout, m.cmd.Stderr = &m.stdout, &m.stderr
	change(m.cmd)
	if err := m.cmd.Start(); err != nil {
		m.err = err
		s.failf("start memtrace: %v", err)
		close(m.done)
		return m
	}
	go func() {
		m.err = m.cmd.Wait()
		close(m.done)
	}()
	s.count("traces", 1)
	s.later(m.kill)
	return m
}

func (m *tool) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// isReady reports whether every probe is live, or was.
func (m *tool) isReady() bool {
	_, err := os.Stat(m.ready)
	return err == nil
}

// waitReady waits until every probe is live. It returns false if memtrace ended before.
func (m *tool) waitReady() bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if m.isReady() {
			m.note()
			return true
		}
		if m.ended() {
			return false
		}
	}
	m.s.failf("memtrace is not ready after %v", patience)
	return false
}

// note remembers what memtrace holds in the kernel at this moment.
func (m *tool) note() {
	if m.cmd.Process != nil {
		m.held.add(m.cmd.Process.Pid)
	}
}

func (m *tool) signal(sig syscall.Signal) {
	if m.cmd.Process != nil {
		_ = m.cmd.Process.Signal(sig) // it may have ended
	}
}

func (m *tool) kill() {
	if !m.ended() {
		m.killed = true
		m.signal(syscall.SIGKILL)
		<-m.done
	}
}

// stop ends the trace as Ctrl-C does.
func (m *tool) stop() {
	m.note()
	m.signal(syscall.SIGINT)
	m.wait()
}

// wait waits for the end. It checks that memtrace ended properly and that nothing of it is
// left in the kernel.
func (m *tool) wait() {
	select {
	case <-m.done:
	case <-time.After(patience):
		m.s.failf("memtrace does not end within %v: %s\n%s", patience, m.args(), m.stack())
		m.kill()
	}
	m.checkEnd()
	m.s.checkGone(m.held)
}

func (m *tool) args() string { return strings.Join(m.cmd.Args[1:], " ") }

// stack asks the Go runtime where memtrace is.
func (m *tool) stack() string {
	m.signal(syscall.SIGQUIT)
	select {
	case <-m.done:
		return lastBytes(m.stderr.String(), 4000)
	case <-time.After(5 * time.Second):
		return "(not even SIGQUIT ends it)"
	}
}

func lastBytes(s string, n int) string { return s[max(0, len(s)-n):] }

// code is the exit status, -1 if a signal ended memtrace.
func (m *tool) code() int {
	var exit *exec.ExitError
	switch {
	case m.err == nil:
		return 0
	case errors.As(m.err, &exit):
		return exit.ExitCode()
	}
	return -1
}

var crash = regexp.MustCompile(`(?m)^(panic: |fatal error: |goroutine \d+ \[|SIG[A-Z]+: )`)

func (m *tool) checkEnd() {
	if m.cmd.ProcessState == nil || m.killed {
		return
	}
	said := m.stderr.String()
	switch status := m.cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case m.early && said == "" && status.Signaled() && status.Signal() == syscall.SIGTERM:
		return // it did not listen to signals yet
	case crash.MatchString(said):
		m.s.failf("memtrace crashed: %s\n%s", m.args(), said[:min(len(said), 3000)])
	case m.code() < 0 || m.code() > 1:
		m.s.failf("memtrace ended with %v: %s\n%s", m.cmd.ProcessState, m.args(), lastBytes(said, 1000))
	case m.code() == 1 && strings.TrimSpace(said) == "":
		m.s.failf("memtrace ended with 1 and says nothing: %s", m.args())
	}
	if usage, ok := m.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		resident := usage.Maxrss << 10
		m.s.result.largest("MB resident at most", resident/1e6)
		if resident > maxResident {
			m.s.failf("memtrace took %d MB: %s", resident/1e6, m.args())
		}
	}
}

// refusal is the last line of a memtrace that ended with 1.
func (m *tool) refusal() string {
	lines := strings.Split(strings.TrimSpace(m.stderr.String()), "\n")
	return lines[len(lines)-1]
}

// report decodes the last report of a trace in JSON, or notes that there is none.
func (m *tool) report() *report.Report { return m.reportOf(0) }

// reportOf is report of one process among several; 0 stands for any.
func (m *tool) reportOf(pid int) *report.Report {
	if m.code() != 0 {
		m.s.failf("no report: %s: %s", m.args(), m.refusal())
		return nil
	}
	var last *report.Report
	for d := json.NewDecoder(bytes.NewReader(m.stdout.Bytes())); ; {
		one := new(report.Report)
		if err := d.Decode(one); err != nil {
			if last == nil {
				m.s.failf("the report is no JSON: %v: %s\n%s", err, m.args(), lastBytes(m.stdout.String(), 500))
			}
			return last
		}
		if pid == 0 || one.Target.PID == pid {
			last = one
		}
	}
}

// exact returns the arguments of a trace whose every figure can be compared.
func exact(pid int, more ...string) []string {
	return append([]string{"--exact", "-f", "json", "-T", "0", "--older", "0", "-p", strconv.Itoa(pid)}, more...)
}
