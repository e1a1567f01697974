package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// hungTarget is a program next to a file system that stops answering.
type hungTarget struct {
	*testprog.Program // the file system's server
	pid               int
	folder            string
}

// startHung runs mapper next to a file system whose one file has the contents of a library.
// "FILE" in args stands for that file.
func startHung(t *testing.T, contents, program string, args ...string) *hungTarget {
	t.Helper()
	testprog.NeedRoot(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		testprog.Missing(t, err.Error())
	}
	h := &hungTarget{folder: t.TempDir()}
	list := []string{h.folder, contents}
	for _, arg := range append([]string{program}, args...) {
		list = append(list, strings.ReplaceAll(arg, "FILE", h.file()))
	}
	h.Program = testprog.CommandUnder(t, exec.Command(harmProgram(t, "hungfs"), list...))
	h.pid = childOf(t, h.PID())
	return h
}

// hang makes the file system stop answering.
func (h *hungTarget) hang(stop bool) {
	if stop {
		_ = unix.Kill(h.PID(), unix.SIGSTOP) // the process exists
		return
	}
	h.Say("hang")
	time.Sleep(200 * time.Millisecond) // gives it time to do so
}

func (h *hungTarget) file() string { return filepath.Join(h.folder, "file") }

// builtRun is memtrace as a program of its own: a hang in the kernel cannot be ended within
// the test.
type builtRun struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan error
}

func startBuilt(t *testing.T, binary string, args ...string) *builtRun {
	t.Helper()
	r := &builtRun{t: t, ended: make(chan error, 1)}
	r.cmd = exec.Command(binary, args...)
	// Use files, not pipes: a process that keeps one open must not keep the test waiting.
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	errors, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = out, errors
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

// output returns what memtrace has written so far.
func (r *builtRun) output() (stdout, stderr string) {
	read := func(f any) string {
		text, err := os.ReadFile(f.(*os.File).Name())
		if err != nil {
			r.t.Fatal(err)
		}
		return string(text)
	}
	return read(r.cmd.Stdout), read(r.cmd.Stderr)
}

// String is what it has said so far.
func (r *builtRun) String() string {
	_, stderr := r.output()
	return stderr
}

// interrupt sends Ctrl-C, after which memtrace must end.
func (r *builtRun) interrupt(want exitCode) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(unix.SIGINT); err != nil {
		r.t.Fatal(err)
	}
	r.waitEnd(want)
}

// waitEnd waits until memtrace ends.
func (r *builtRun) waitEnd(want exitCode) {
	r.t.Helper()
	select {
	case <-r.ended:
		if code := exitCode(r.cmd.ProcessState.ExitCode()); code != want {
			_, stderr := r.output()
			r.t.Errorf("memtrace ends with %d, want %d: %s", code, want, stderr)
		}
	case <-time.After(time.Minute):
		_, stderr := r.output()
		wchan, _ := exec.Command("sh", "-c", "cat /proc/"+strconv.Itoa(r.cmd.Process.Pid)+"/task/*/wchan").Output()
		r.t.Errorf("memtrace does not end, in %s: %s", wchan, stderr)
	}
}

// report decodes the last report.
func (r *builtRun) report() *report.Report {
	r.t.Helper()
	stdout, stderr := r.output()
	var last *report.Report
	for d := json.NewDecoder(strings.NewReader(stdout)); ; {
		one := new(report.Report)
		if d.Decode(one) != nil {
			break
		}
		last = one
	}
	if last == nil {
		r.t.Fatalf("no report: %s %s", stdout, stderr)
	}
	return last
}

// A file system stops answering, and then a process maps a file from it. memtrace must still
// exit, leave nothing behind, and report what it saw.
func TestHarmHung(t *testing.T) {
	testprog.Long(t)
	libc, binary := testprog.Library(t, "libc.so.6"), testprog.Memtrace(t)
	for _, tc := range []struct {
		name, mode string
		args       []string
		stop       bool // the server is stopped, and does not even take requests
	}{
		{"code", "code", []string{"--exact"}, false},
		{"code, stopped", "code", []string{"--exact"}, true},
		{"code in windows", "code", budget, false},
		{"data", "data", []string{"--exact"}, false},
		{"grow", "code", []string{"grow"}, false},
		{"debug files", "none", []string{"--exact", "--debug-dir", "FOLDER"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := startHung(t, libc, harmProgram(t, "mapper"), tc.mode, "FILE")
			ready := filepath.Join(t.TempDir(), "ready")
			var args []string
			for _, arg := range tc.args {
				args = append(args, strings.ReplaceAll(arg, "FOLDER", h.folder))
			}
			args = append(args, "-p", strconv.Itoa(h.pid), "-f", "json", "--ready-file", ready)
			m := startBuilt(t, binary, args...)
			waitForFile(t, ready, m)
			h.hang(tc.stop)
			if tc.mode != "none" {
				_ = unix.Kill(h.pid, unix.SIGUSR1) // the process exists
			}
			time.Sleep(time.Second)
			m.interrupt(exitOK)
			checkUnprobed(t, h.pid)
			notes := strings.Join(m.report().Notes, " ")
			silent := map[string]string{"code": h.file(), "none": h.folder + "/.build-id/"}[tc.mode]
			if !strings.Contains(notes, silent) || strings.Contains(notes, "did not answer within 2s") != (silent != "") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// A process whose program is on a file system that does not answer is not traced and not
// waited for. Its address space can still be inspected.
func TestHarmHungProgram(t *testing.T) {
	binary := testprog.Memtrace(t)
	for _, tc := range []struct {
		name string
		args []string
		// interrupted: Ctrl-C comes while memtrace attaches.
		interrupted bool
		want        exitCode
		says        string
	}{
		{"trace", nil, false, exitError, "did not answer within 2s"},
		{"grow", []string{"grow"}, false, exitError, "did not answer within 2s"},
		{"interrupted", nil, true, exitError, "stopped while attaching"},
		{"regions", []string{"regions", "-d", "1"}, false, exitOK, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := startHung(t, harmProgram(t, "mapper"), "FILE", "code")
			h.hang(false)
			m := startBuilt(t, binary, append(tc.args, "-p", strconv.Itoa(h.pid))...)
			if tc.interrupted {
				time.Sleep(time.Second)
				m.interrupt(tc.want)
			} else {
				m.waitEnd(tc.want)
			}
			if _, stderr := m.output(); !strings.Contains(stderr, tc.says) {
				t.Errorf("memtrace says %q, want %q", stderr, tc.says)
			}
			checkUnprobed(t, h.pid)
		})
	}
}

// checkUnprobed fails the test if the code of a process's libc differs from the file.
func checkUnprobed(t *testing.T, pid int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	compared := 0
	for _, m := range regexp.MustCompile(`(?m)^(\w+)-(\w+) r-xp (\w+) .* (/\S*/libc\.so\.6)$`).FindAllStringSubmatch(string(maps), -1) {
		var start, end, offset int64
		scanLine(t, m[1]+" "+m[2]+" "+m[3], "%x %x %x", &start, &end, &offset)
		now, file := make([]byte, end-start), make([]byte, end-start)
		if _, err := memory.ReadAt(now, start); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(m[4])
		if err != nil {
			t.Fatal(err)
		}
		compared += copy(file, content[offset:])
		for i := range now {
			if now[i] != file[i] {
				t.Errorf("at %#x of %s is %#x instead of %#x: a probe was left", offset+int64(i), m[4], now[i], file[i])
			}
		}
	}
	if compared == 0 {
		t.Errorf("no code of libc in %s", maps)
	}
}
