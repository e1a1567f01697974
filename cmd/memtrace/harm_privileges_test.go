package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// leastCapabilities are the ones needed to trace another user's process.
var leastCapabilities = []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE}

const nobody = 65534

// privileged is memtrace run by a user who has only some capabilities.
type privileged struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func startPrivileged(t *testing.T, capabilities []uintptr, binary string, args ...string) *privileged {
	t.Helper()
	p := &privileged{Cmd: exec.Command(binary, args...)}
	p.Stdout, p.Cmd.Stderr = &p.stdout, &p.stderr
	p.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: capabilities,
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// end waits for the program and returns its exit code.
func (p *privileged) end() int {
	_ = p.Wait() // the exit code is in the state
	return p.ProcessState.ExitCode()
}

// openDir returns a directory that every user can use.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "memtrace-open-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// With three capabilities, or five where files were replaced, a trace works as it does for
// root. Each missing capability is named.
func TestHarmPrivileges(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir := openDir(t)
	binary, program := filepath.Join(dir, "memtrace"), filepath.Join(dir, "ways")
	copyFile(t, testprog.Memtrace(t), binary)
	copyFile(t, testprog.Path(t, "ways"), program)

	t.Run("least", func(t *testing.T) {
		stderr := traceAsUser(t, dir, binary, program, leastCapabilities)
		for _, name := range []string{"CAP_CHECKPOINT_RESTORE", "CAP_DAC_READ_SEARCH"} {
			if strings.Count(stderr, name) != 1 {
				t.Errorf("what is amiss without %s is to be said once:\n%s", name, stderr)
			}
		}
	})
	t.Run("replaced", func(t *testing.T) {
		replaced := filepath.Join(dir, "replaced")
		copyFile(t, program, replaced)
		stderr := traceAsUser(t, dir, binary, replaced, append(slices.Clone(leastCapabilities), unix.CAP_CHECKPOINT_RESTORE, unix.CAP_DAC_READ_SEARCH))
		if strings.Contains(stderr, "CAP_") || strings.Contains(stderr, "not permitted") {
			t.Errorf("with all capabilities: %s", stderr)
		}
	})
	t.Run("replaced, not to be read", func(t *testing.T) {
		replaced := filepath.Join(dir, "replaced")
		copyFile(t, program, replaced)
		p := startReplaced(t, replaced)
		m := startPrivileged(t, leastCapabilities, binary, "-d", "0.1", "-p", strconv.Itoa(p.PID()))
		if code := m.end(); code != 0 || strings.Count(m.stderr.String(), replaced+" (deleted) is not permitted") != 1 {
			t.Errorf("%d, said %q", code, m.stderr.String())
		}
	})
	p := testprog.Command(t, exec.Command(program))
	pid := strconv.Itoa(p.PID())
	for i, name := range []string{"CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"} {
		for _, args := range [][]string{{"-p", pid}, {"grow", "-p", pid}} {
			without := slices.Delete(slices.Clone(leastCapabilities), i, i+1)
			m := startPrivileged(t, without, binary, append(args, "-d", "0.1")...)
			if code := m.end(); code != int(exitError) || m.stdout.Len() > 0 ||
				!strings.HasPrefix(m.stderr.String(), "memtrace: needs "+name+" (") || strings.Count(m.stderr.String(), "\n") != 1 {
				t.Errorf("memtrace %v without %s: %d, said %q", args, name, code, m.stderr.String())
			}
		}
	}
	for _, tc := range []struct {
		args         []string
		capabilities []uintptr
		fails        bool
	}{
		{[]string{"grow", "-d", "0.1", "-p", pid}, leastCapabilities, false},
		{[]string{"regions", "-d", "0.1", "-p", pid}, []uintptr{unix.CAP_SYS_PTRACE}, false},
		{[]string{"regions", "-d", "0.1", "-p", pid}, nil, true},
		{[]string{"system"}, nil, false},
	} {
		m := startPrivileged(t, tc.capabilities, binary, tc.args...)
		code := m.end()
		if tc.fails && (code != int(exitError) || !strings.Contains(m.stderr.String(), "CAP_SYS_PTRACE")) {
			t.Errorf("memtrace %v: %d, said %q", tc.args, code, m.stderr.String())
		}
		if !tc.fails && (code != 0 || m.stdout.Len() == 0) {
			t.Errorf("memtrace %v: %d, said %q", tc.args, code, m.stderr.String())
		}
	}
}

// startReplaced starts a program and, if its name is "replaced", then replaces its file.
func startReplaced(t *testing.T, program string) *testprog.Program {
	t.Helper()
	p := testprog.Command(t, exec.Command(program))
	if filepath.Base(program) == "replaced" {
		if err := os.Remove(program); err != nil {
			t.Fatal(err)
		}
		copyFile(t, "/bin/true", program)
	}
	return p
}

// traceAsUser traces a program as a user with only these capabilities, compares the report
// with the program's own ledger, and returns memtrace's messages.
func traceAsUser(t *testing.T, dir, binary, program string, capabilities []uintptr) string {
	t.Helper()
	p := startReplaced(t, program)
	ready := filepath.Join(dir, "ready")
	_ = os.Remove(ready)
	m := startPrivileged(t, capabilities, binary,
		"--exact", "-f", "json", "-T", "0", "--older", "0", "--ready-file", ready, "-p", strconv.Itoa(p.PID()))
	waitForFile(t, ready, &m.stderr)
	ledger := p.Work()
	_ = m.Process.Signal(os.Interrupt)
	if code := m.end(); code != 0 {
		t.Fatalf("memtrace ended with %d: %s", code, m.stderr.String())
	}
	compare(t, decodeReport(t, m.stdout.Bytes()), ledger)
	return m.stderr.String()
}

// decodeReport decodes a report in JSON.
func decodeReport(t *testing.T, text []byte) *report.Report {
	t.Helper()
	r := new(report.Report)
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatalf("%v in %.2000s", err, text)
	}
	return r
}
