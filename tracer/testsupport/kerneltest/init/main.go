//go:build linux

// Command init is the first and only program of a kerneltest guest. It mounts the kernel's
// file systems, runs one command, reports how the command and the kernel fared, and ends the
// machine.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// commandFile and mark must match package kerneltest's.
const (
	commandFile = "/etc/kerneltest.json"
	mark        = "KERNELTEST "
)

// drainTime is how long init waits for output of processes that outlive the command.
const drainTime = time.Second

func main() {
	code, err := run()
	if err != nil {
		fmt.Printf("\n%sinit: %v", mark, err)
		code = 125
	}
	fmt.Printf("\n%sexit %d\n", mark, code)
	for _, line := range kernelWarnings() {
		fmt.Printf("%sdmesg-warn %s\n", mark, line)
	}
	// The console is a serial line: output still in transit would be lost.
	_ = unix.IoctlSetInt(1, unix.TCSBRK, 1)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // the host runs no machine twice
	select {}
}

func run() (code int, err error) {
	if err := mountAll(); err != nil {
		return 0, err
	}
	if err := rawConsole(); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(commandFile)
	if err != nil {
		return 0, err
	}
	var command struct {
		Args, Env []string
		Dir       string
	}
	if err := json.Unmarshal(text, &command); err != nil {
		return 0, fmt.Errorf("parse %s: %w", commandFile, err)
	}
	if len(command.Args) == 0 {
		return 0, fmt.Errorf("parse %s: no command", commandFile)
	}
	if command.Dir == "" {
		command.Dir = "/"
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return 0, err
	}
	fmt.Printf("\n%sversion %s %s\n", mark,
		unix.ByteSliceToString(uts.Release[:]), unix.ByteSliceToString(uts.Version[:]))
	return runCommand(command.Args, command.Env, command.Dir)
}

// mountAll mounts what a program may expect of any Linux system. It leaves out tracefs, which
// is mounted on few.
func mountAll() error {
	for _, m := range []struct{ fstype, target string }{
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"tmpfs", "/dev/shm"},
		{"devpts", "/dev/pts"},
		{"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fstype, m.target, m.fstype, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2",
	} {
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

// rawConsole makes the console pass on the output unchanged.
func rawConsole() error {
	t, err := unix.IoctlGetTermios(1, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("get console settings: %w", err)
	}
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(1, unix.TCSETS, t); err != nil {
		return fmt.Errorf("set console settings: %w", err)
	}
	return nil
}

// runCommand runs the command with its output through a pipe, so that no program takes the
// console for a user's terminal. It also reaps all processes that are left to the first one.
func runCommand(args, env []string, dir string) (code int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(os.Stdout, r)
	}()
	process, err := os.StartProcess(args[0], args, &os.ProcAttr{
		Dir: dir, Env: append([]string{}, env...), Files: []*os.File{null, w, w},
	})
	w.Close()
	if err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for command: %w", err)
		}
		if pid != process.Pid {
			continue
		}
		select {
		case <-drained:
		case <-time.After(drainTime):
		}
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}

// trouble is how the kernel's own faults begin in its log. "WARNING:" alone is not one: boot
// messages on mitigations have it too.
var trouble = regexp.MustCompile(`------------\[ cut here \]|WARNING: (CPU: |\S+:\d+ at )|\bBUG: |\bOops: |` +
	`general protection fault|kernel BUG at|possible (recursive|circular) locking|invoked oom-killer`)

// kernelWarnings returns the faults in the kernel's log.
func kernelWarnings() []string {
	const (
		readAll    = 3  // SYSLOG_ACTION_READ_ALL
		sizeBuffer = 10 // SYSLOG_ACTION_SIZE_BUFFER
	)
	size, err := unix.Klogctl(sizeBuffer, nil)
	if err != nil {
		return []string{"read size of kernel log: " + err.Error()}
	}
	log := make([]byte, size)
	n, err := unix.Klogctl(readAll, log)
	if err != nil {
		return []string{"read kernel log: " + err.Error()}
	}
	return findTrouble(log[:n])
}

// findTrouble returns each fault in a log with the lines that follow it.
func findTrouble(log []byte) []string {
	const (
		following = 40 // the registers and the call trace
		most      = 400
	)
	var found []string
	left := 0
	for line := range bytes.Lines(log) {
		if trouble.Match(line) {
			left = following
		}
		if left > 0 && len(found) < most {
			left--
			found = append(found, strings.TrimRight(string(line), "\n"))
		}
	}
	return found
}
