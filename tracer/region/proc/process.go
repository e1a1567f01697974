package proc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/refusal"
	"memtrace/tracer/region"

	"memtrace/tracer/process/procstatus"
)

var (
	// ErrNoProcess means that no process has this number.
	ErrNoProcess = errors.New("no such process")
	// ErrKernelThread, ErrThread and ErrExiting mean that there is no address space of its own
	// to look at.
	ErrKernelThread = errors.New("is a kernel thread, which has no address space")
	ErrThread       = errors.New("is a thread")
	ErrExiting      = errors.New("is exiting, and has no address space any more")
)

// Process reads one process. It is a region.Source.
type Process struct {
	// PID is the process's number, Command its name in the kernel, and Exe the path of its
	// executable.
	PID     int
	Command string
	Exe     string

	dir     int
	pidText string
	scanner procmaps.Scanner
	buf     []byte
	memory  *procmem.Memory // nil if not open
	threads map[int]thread
	seen    uint64
	facts   region.Facts
}

var _ region.Source = (*Process)(nil)

// Open opens a process. It fails with region.ErrNotPermitted where the process's memory may
// not be read, and with ErrNoProcess, ErrKernelThread, ErrThread or ErrExiting.
func Open(pid int) (_ *Process, err error) {
	p := &Process{PID: pid, pidText: strconv.Itoa(pid), threads: make(map[int]thread)}
	p.dir, err = unix.Open("/proc/"+p.pidText, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case err != nil && refusal.Hidden(pid):
		return nil, fmt.Errorf("look at process %d: %w: %s", pid, region.ErrNotPermitted, refusal.HiddenRemedy)
	case errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	case err != nil:
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	if err := p.inspect(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the open files.
func (p *Process) Close() error {
	p.closeMemory()
	return unix.Close(p.dir)
}

// inspect returns an error for a process that cannot be looked at.
func (p *Process) inspect() error {
	gone := fmt.Errorf("process %d: %w", p.PID, ErrNoProcess)
	text, err := p.file("status")
	if err != nil {
		return gone
	}
	status := procstatus.Status(text)
	tgid, ended, user := status.Word("Tgid"), status.Ended(), status.Word("Uid")
	if tgid != p.pidText {
		return fmt.Errorf("%d %w of process %s: give -p %s", p.PID, ErrThread, tgid, tgid)
	}
	stat, err := p.file("stat")
	if err != nil {
		return gone
	}
	fields := statFields(stat)
	p.Command = commandOf(stat)
	const flags, kernelThread = 9, 0x00200000 // PF_KTHREAD, include/linux/sched.h
	if fields.number(flags)&kernelThread != 0 {
		return fmt.Errorf("process %d (%s) %w", p.PID, p.Command, ErrKernelThread)
	}
	if ended {
		return fmt.Errorf("process %d (%s) %w", p.PID, p.Command, refusal.Described(refusal.Ended(p.PID), ErrExiting))
	}
	if p.Exe, err = p.exe(); err == nil {
		err = p.hasMaps()
	}
	switch {
	case errors.Is(err, region.ErrNotPermitted):
		return fmt.Errorf("look at process %d (%s), of user %s: %w: %s", p.PID, p.Command, user, region.ErrNotPermitted, refusal.Remedy(p.PID))
	case err != nil:
		return fmt.Errorf("process %d (%s) %w", p.PID, p.Command, ErrExiting)
	}
	p.facts.Tmpfs = p.tmpfs()
	return nil
}

// hasMaps returns an error if there are no mappings or they may not be read.
func (p *Process) hasMaps() error {
	fd, err := p.open("maps")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var b [1]byte
	_, err = reader(fd).Read(b[:])
	return typed(err)
}

// stat is the fields of a stat file from the third on. The second, the command, may contain
// anything but ends with the last parenthesis.
type stat [][]byte

func statFields(text []byte) stat { return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) }

// number returns field n, counted as in proc_pid_stat(5), or 0 if it is missing.
func (s stat) number(n int) uint64 {
	if n-3 >= len(s) {
		return 0
	}
	v, _ := strconv.ParseUint(string(s[n-3]), 10, 64)
	return v
}

func commandOf(text []byte) string {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return ""
	}
	return string(text[open+1 : end])
}

// exe returns the path of the executable as maps shows it.
func (p *Process) exe() (string, error) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlinkat(p.dir, "exe", buf[:])
	if err != nil {
		return "", typed(err)
	}
	return string(buf[:n]), nil
}

// Facts implements region.Source.
func (p *Process) Facts() (region.Facts, error) {
	exe, err := p.exe()
	if err != nil {
		return region.Facts{}, err
	}
	text, err := p.file("stat")
	if err != nil {
		return region.Facts{}, err
	}
	const startStack = 28 // where the kernel put the stack at the last exec
	program := statFields(text).number(startStack)
	if program == 0 {
		// It is ending and has no address space any more, which is not to pass for an exec.
		return region.Facts{}, region.ErrGone
	}
	if exe != p.facts.Exe || program != p.facts.Program {
		p.Exe, p.Command = exe, commandOf(text)
		p.facts.Exe, p.facts.Program = exe, program
		p.facts.Dev, p.facts.Inode = 0, 0
		var st unix.Statx_t
		// Ask only the kernel's copy: the file's server, if there is one, may not answer.
		if unix.Statx(p.dir, "exe", unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st) == nil {
			p.facts.Dev, p.facts.Inode = unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino
		}
		clear(p.threads)
		p.facts.Tmpfs = p.tmpfs()
	}
	return p.facts, nil
}

// tmpfs returns the devices of the process's mounts that keep their files in memory.
func (p *Process) tmpfs() map[uint64]bool {
	devs := make(map[uint64]bool)
	text, _ := p.file("mountinfo") // without it their files count as mapped files
	for line := range strings.Lines(string(text)) {
		mount, kind, ok := strings.Cut(line, " - ")
		words := strings.Fields(mount)
		if !ok || len(words) < 3 {
			continue
		}
		switch fs, _, _ := strings.Cut(kind, " "); fs {
		case "tmpfs", "ramfs", "devtmpfs", "hugetlbfs":
		default:
			continue
		}
		major, minor, _ := strings.Cut(words[2], ":")
		a, _ := strconv.ParseUint(major, 10, 32)
		b, _ := strconv.ParseUint(minor, 10, 32)
		devs[unix.Mkdev(uint32(a), uint32(b))] = true
	}
	return devs
}
