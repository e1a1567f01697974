// Package target finds what to probe in a process: the mapped files that serve allocations,
// the functions in them, and the place of each in the file. It reads /proc and ELF files and
// knows nothing of BPF.
//
// The process may be in another mount namespace, its libc may have been replaced on disk since
// it started, and it controls everything in its files. So files are opened by the mapped
// inode, never by name alone, and nothing in them is believed without a bound.
package target

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"memtrace/symbolize/patience"
	"memtrace/tracer/process/refusal"
)

// These are errors that a caller can act on. They are wrapped with the particulars.
var (
	ErrNoProcess     = errors.New("no such process")
	ErrKernelThread  = errors.New("is a kernel thread, which has no memory of its own to trace")
	ErrThread        = errors.New("is a thread")
	ErrExiting       = errors.New("is exiting")
	ErrForeign       = errors.New("is not a program of this machine's architecture")
	ErrNoAllocator   = errors.New("no allocator found")
	ErrPatched       = errors.New("has code in memory that is not its file's: another tool hooks it, and probes would crash the process")
	ErrNotPermitted  = errors.New("not permitted")
	errChangedOnDisk = errors.New("the file at its path is another one by now")
)

// Target is a process and where its allocator is.
type Target struct {
	PID int
	// Command is the process's name (comm), Exe the path of its program as the process sees
	// it.
	Command, Exe string
	// Seccomp says that a system call filter is in force in at least one thread.
	Seccomp bool
	Objects []*Object
	// Unread says what could not be read of the process's files, and why.
	Unread []string

	named   *Named
	looked  map[FileID]bool
	denied  []string
	program *Object // with its entry point as the only probe
}

// Clone returns a copy for who reads it while others find more objects. What may not be read stays
// with t: see Denied.
func (t *Target) Clone() *Target {
	return &Target{
		PID: t.PID, Command: t.Command, Exe: t.Exe, Seccomp: t.Seccomp, Objects: slices.Clone(t.Objects), Unread: t.Unread,
		named: t.named, looked: t.looked, program: t.program,
	}
}

// Object is a mapped file that defines allocation functions.
type Object struct {
	// Path is the file's name as the process sees it.
	Path string
	// Families are the allocators that the file holds. Family is the first one: another than
	// libc's, if there is one.
	Family   Family
	Families []Family
	// ID tells files apart, whatever they are called.
	ID     FileID
	Probes []Probe
	// Unseen are allocation functions that cannot be probed without harm. What they allocate
	// is not seen.
	Unseen []string
	named  []string // functions that the user names
	file   *patience.File
}

// FileID identifies a mapped file.
type FileID struct {
	Dev, Inode uint64
}

// Probe is a place in an object to probe.
type Probe struct {
	Function
	// Offset is the instruction to probe, in bytes from the start of the file. It is Inside
	// bytes behind the function's entry (see place).
	Offset, Inside uint64

	code string // the file's, from the entry to the end of the instruction
}

// OpenPath returns a path that opens the very file that the process has mapped. It is valid
// until Close.
func (o *Object) OpenPath() string { return o.file.OpenPath() }

// Close releases the files of all objects.
func (t *Target) Close() {
	for _, o := range t.Objects {
		o.file.Close()
	}
	if t.program != nil {
		t.program.file.Close()
	}
}

// Entry returns where the process's program begins: a path to open its file, valid until
// Close, and the offset in it. The error wraps ErrPatched if other code is there by now.
func (t *Target) Entry() (path string, offset uint64, err error) {
	if len(t.program.Probes) == 0 {
		return "", 0, fmt.Errorf("process %d (%s): %s does not tell where it begins", t.PID, t.Command, t.Exe)
	}
	maps, err := readMaps(t.PID)
	if err != nil {
		return "", 0, err
	}
	return t.program.OpenPath(), t.program.Probes[0].Offset, t.checkPatched(t.program, maps)
}

// Runs reports whether the process still runs the program that it ran when it was found. It
// assumes so if its first thread has ended, because /proc then no longer says.
func (t *Target) Runs() bool {
	var st unix.Statx_t
	// Ask what the kernel already knows: the file's server, if there is one, may not answer.
	err := unix.Statx(unix.AT_FDCWD, fmt.Sprintf("/proc/%d/exe", t.PID), unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st)
	return err != nil || t.program.ID == FileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}
}

// Find looks at a process. The error wraps one of the package's errors if the process cannot
// be traced.
func Find(pid int) (*Target, error) { return FindNamed(pid, nil) }

// FindNamed is Find with functions that the user names. The error may be a *NotFoundError.
func FindNamed(pid int, named *Named) (*Target, error) {
	t, err := inspect(pid)
	if err != nil {
		return nil, err
	}
	t.named = named
	if _, err := t.Update(); err != nil {
		t.Close()
		return nil, err
	}
	if err := t.checkNamed(); err != nil {
		defer t.Close()
		return nil, err
	}
	if len(t.Objects) == 0 {
		defer t.Close()
		return nil, t.noAllocator()
	}
	return t, nil
}

// Look is Find for callers that put no probes into the process. They can do without an
// allocator, and accept one that another tool hooks.
func Look(pid int) (*Target, error) { return LookNamed(pid, nil) }

// Update looks at what was mapped since the last look and returns the new objects. They are in
// t.Objects as well.
func (t *Target) Update() ([]*Object, error) {
	found, err := t.Discover()
	t.Add(found)
	return found, err
}

// Add adds what Discover has found.
func (t *Target) Add(found []*Object) { t.Objects = append(t.Objects, found...) }

// Discover and Add are the two steps of Update. Discover takes long; others may use t
// meanwhile.
func (t *Target) Discover() (found []*Object, err error) {
	maps, err := readMaps(t.PID)
	if err != nil {
		return nil, err
	}
	return t.discover(maps)
}

func (t *Target) discover(maps []*procfs.ProcMap) (found []*Object, err error) {
	for _, m := range maps {
		id := FileID{m.Dev, m.Inode}
		if !m.Perms.Execute || m.Inode == 0 || t.looked[id] {
			continue
		}
		t.looked[id] = true
		if object := t.look(m, id); object != nil {
			found = append(found, object)
		}
	}
	return t.dropPatched(found, maps)
}

// look opens a mapped file and returns it if it defines malloc.
func (t *Target) look(m *procfs.ProcMap, id FileID) *Object {
	file, err := openMapped(t.PID, m)
	if errors.Is(err, os.ErrPermission) {
		t.denied = append(t.denied, m.Pathname)
		return nil
	}
	if err != nil {
		// A file that cannot be opened cannot be probed either. If it held the only allocator,
		// the caller of Find learns of that.
		return nil
	}
	object, err := objectIn(file, t.namedIn(m.Pathname))
	if err != nil || object == nil {
		file.Close()
		return nil
	}
	object.ID, object.Path = id, strings.TrimSuffix(m.Pathname, " (deleted)")
	return object
}

// Denied returns the mapped files that memtrace may not read, each once. Allocators in them
// were not found.
func (t *Target) Denied() []string {
	denied := t.denied
	t.denied = nil
	return denied
}

// noAllocator says what was looked for and where.
func (t *Target) noAllocator() error {
	maps, err := readMaps(t.PID)
	if err != nil {
		return err
	}
	var paths []string
	seen := make(map[FileID]bool)
	for _, m := range maps {
		if id := (FileID{m.Dev, m.Inode}); m.Perms.Execute && m.Inode != 0 && !seen[id] {
			seen[id] = true
			paths = append(paths, m.Pathname)
		}
	}
	const shown = 5
	more := ""
	if len(paths) > shown {
		paths, more = paths[:shown], fmt.Sprintf(" and %d more", len(paths)-shown)
	}
	if len(t.denied) > 0 {
		return fmt.Errorf("process %d (%s): %w: to read %s is %w: run memtrace as root, or with CAP_DAC_READ_SEARCH and CAP_CHECKPOINT_RESTORE",
			t.PID, t.Command, ErrNoAllocator, strings.Join(t.denied, ", "), ErrNotPermitted)
	}
	return fmt.Errorf("process %d (%s): %w: no mapped program or library defines malloc (looked in %s%s)",
		t.PID, t.Command, ErrNoAllocator, strings.Join(paths, ", "), more)
}

// inspect reads what is known of a process before its memory is looked at. It returns an error
// for processes that cannot be traced.
func inspect(pid int) (*Target, error) {
	var status procfs.ProcStatus
	proc, err := procfs.NewProc(pid)
	if err == nil {
		status, err = proc.NewStatus()
	}
	switch {
	case err == nil:
	case refusal.Hidden(pid):
		return nil, fmt.Errorf("look at process %d: %w: %s", pid, ErrNotPermitted, refusal.HiddenRemedy)
	default:
		return nil, fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	}
	if status.TGID != pid {
		return nil, fmt.Errorf("%d %w of process %d: trace it by -p %d", pid, ErrThread, status.TGID, status.TGID)
	}
	stat, err := proc.Stat()
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	}
	const kernelThread = 0x00200000 // PF_KTHREAD, include/linux/sched.h
	if stat.Flags&kernelThread != 0 {
		return nil, fmt.Errorf("process %d (%s) %w", pid, stat.Comm, ErrKernelThread)
	}
	if stat.State == "Z" || stat.State == "X" {
		return nil, fmt.Errorf("process %d (%s) %w", pid, stat.Comm, refusal.Described(refusal.Ended(pid), ErrExiting))
	}
	t := &Target{PID: pid, Command: stat.Comm, Seccomp: filtered(pid), looked: make(map[FileID]bool)}
	t.Exe, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("look at process %d (%s): %w: %s", pid, stat.Comm, ErrNotPermitted, refusal.Remedy(pid))
	case err != nil:
		return nil, fmt.Errorf("process %d (%s) %w", pid, stat.Comm, ErrExiting)
	}
	if err := t.openProgram(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// filtered reports whether any thread runs under a seccomp filter.
func filtered(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	for _, thread := range threads {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread.Name()))
		if err == nil && strings.Contains(string(status), "\nSeccomp:\t2\n") {
			return true
		}
	}
	return false
}

func readMaps(pid int) ([]*procfs.ProcMap, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	}
	maps, err := proc.ProcMaps()
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("read the mappings of process %d: %w: %s", pid, ErrNotPermitted, refusal.Remedy(pid))
	case err != nil:
		return nil, fmt.Errorf("read the mappings of process %d: %w", pid, err)
	case len(maps) == 0:
		return nil, fmt.Errorf("process %d %w", pid, ErrExiting)
	}
	return maps, nil
}

// openMapped opens the inode behind a mapping, even if the file was replaced on disk or is in
// another mount namespace.
func openMapped(pid int, m *procfs.ProcMap) (*patience.File, error) {
	file, err := openRegular(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, m.StartAddr, m.EndAddr), m.Pathname)
	if err == nil || errors.As(err, new(*patience.NoAnswerError)) {
		return file, err
	}
	// map_files needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE in the initial user namespace.
	// The file found by its name will do, if it is the same one.
	byName, nameErr := patience.OpenHost(fmt.Sprintf("/proc/%d/root%s", pid, m.Pathname))
	if nameErr != nil {
		return nil, err
	}
	if !sameFile(byName, m) {
		byName.Close()
		return nil, fmt.Errorf("%s: %w", m.Pathname, errChangedOnDisk)
	}
	return byName, nil
}
