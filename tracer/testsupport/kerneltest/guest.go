package kerneltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Guest is what to run in a virtual machine and what it finds there. The guest has two
// processors, no network, no disk and no shell. /proc, /sys, /dev and /tmp are mounted,
// tracefs and cgroups are not.
type Guest struct {
	// Files are host paths by the guest path that each goes to. A directory goes in with all
	// that is below it, links followed. The loader and the libraries that ELF files among them
	// need are added automatically.
	Files map[string]string
	// Command is run as root. Its first element is a guest path.
	Command []string
	// Env are the command's variables, "NAME=value". It has no others.
	Env []string
	// Dir is the command's working directory, "/" if empty.
	Dir string
	// MemoryMiB is the machine's memory, 1024 if zero. The files may take up to half of it.
	MemoryMiB int
	// Console, if set, receives the console's output as it comes, for those who want to watch.
	Console io.Writer
	// Timeout ends a run that takes longer, boot included; five minutes if zero. A download of
	// the kernel does not count.
	Timeout time.Duration
}

// Result is what a run left behind.
type Result struct {
	// Version is the guest kernel's release and build, as uname has them.
	Version string
	// ExitCode is the command's, or 128 plus the signal's number if a signal ended it.
	ExitCode int
	// Output is what the command wrote to stdout and stderr.
	Output []byte
	// Elapsed is the time from the start of the machine to its end.
	Elapsed time.Duration
}

// Run boots the kernel with a guest and waits for its command. A command that exits with a
// status other than zero is no error. A command that makes the kernel log a warning is an
// error, as is a machine that stops before the command has ended. The result then holds what
// is known.
func (k Kernel) Run(ctx context.Context, g Guest) (Result, error) {
	image, err := k.image(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("get kernel: %w", err)
	}
	dir, err := os.MkdirTemp("", "kerneltest-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "initramfs")
	if err := pack(ctx, g, dir, archive); err != nil {
		return Result{}, fmt.Errorf("pack guest: %w", err)
	}
	return boot(ctx, image, archive, g)
}

// pack builds init and writes the guest's file system to archive.
func pack(ctx context.Context, g Guest, dir, archive string) (err error) {
	initPath := filepath.Join(dir, "init")
	build := exec.CommandContext(ctx, "go", "build", "-o", initPath, "memtrace/tracer/testsupport/kerneltest/init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build init: %w: %s", err, bytes.TrimSpace(out))
	}
	fsys, err := layout(g, initPath)
	if err != nil {
		return err
	}
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	return errors.Join(fsys.write(f), f.Close())
}

// kernelParameters limit the console to the command's output and to panics. The watchdogs are
// off because an emulated machine on a busy host stalls through no fault of its own.
const kernelParameters = "console=ttyS0 quiet loglevel=1 panic=-1 oops=panic log_buf_len=4M " +
	"nowatchdog rcupdate.rcu_cpu_stall_suppress=1"

func boot(ctx context.Context, image, archive string, g Guest) (Result, error) {
	memory, timeout := g.MemoryMiB, g.Timeout
	if memory == 0 {
		memory = 1024
	}
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// One thread runs both processors. With a thread each, a processor may go on forever
	// running a breakpoint that the other has just taken out of the kernel's text (seen on
	// 5.10 as its tracepoints were switched on).
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max",
		"-smp", "2", "-m", strconv.Itoa(memory),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-kernel", image, "-initrd", archive, "-append", kernelParameters)
	var console, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &stderr
	if g.Console != nil {
		cmd.Stdout = io.MultiWriter(&console, g.Console)
	}
	cmd.WaitDelay = 5 * time.Second
	// The machine must not outlive a test that is killed. By parent the kernel means the
	// thread that started it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return Result{}, fmt.Errorf("start virtual machine (package qemu-system-x86): %w", err)
	}
	result, warnings, ended := parseConsole(console.Bytes())
	result.Elapsed = time.Since(start)
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("guest ended after %v: %w", result.Elapsed.Round(time.Second), context.Cause(ctx))
	case err != nil:
		err = fmt.Errorf("run virtual machine: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	case !ended:
		err = errors.New("guest stopped before its command ended")
	}
	if len(warnings) > 0 {
		err = errors.Join(err, fmt.Errorf("kernel logged warnings:\n%s", strings.Join(warnings, "\n")))
	}
	return result, err
}
