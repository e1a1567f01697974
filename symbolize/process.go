package symbolize

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/patience"
	"memtrace/symbolize/procmaps"
)

var (
	// ErrProcessGone is returned where the process has ended, or has no
	// address space (it is a zombie or a kernel thread).
	ErrProcessGone = errors.New("process has ended or has no address space")
	// ErrNotPermitted is returned where the process may not be looked into.
	ErrNotPermitted = errors.New("needs root or CAP_SYS_PTRACE")
	// ErrUnsupported is listed for modules that are not 64-bit little-endian
	// ELF files. Their frames have no function.
	ErrUnsupported = elffile.ErrForeign
)

// DefaultDebugDir is where distributions install separate debug files.
const DefaultDebugDir = "/usr/lib/debug"

const (
	// maxOpenFiles bounds the files kept open at a time, modules and debug
	// files alike. Modules above it are opened by path when they are needed.
	maxOpenFiles = 512
	// maxVanished bounds the mappings that are remembered after they went.
	maxVanished = 4096
	// maxProblems bounds what Problems lists.
	maxProblems = 64
)

// Options says where to look. The zero value is ready to use.
type Options struct {
	// DebugDirs are searched for separate debug files, in the tool's own file
	// system and in the target's. Default: DefaultDebugDir.
	DebugDirs []string
	// Root is the target's root directory. Default: /proc/PID/root.
	Root string
}

// Mapping is an executable mapping of a file.
type Mapping struct {
	// Start and End are addresses, End the first one behind it.
	Start, End uint64
	// Offset is where in the file it starts, in bytes.
	Offset uint64
	// Path is the file's, in the target's mount namespace.
	Path string
	// BuildID is the file's GNU build ID in hexadecimal, or empty.
	BuildID string
	// Vanished is set once it is not mapped any more.
	Vanished bool
}

// Process resolves the addresses of one process. It is safe for concurrent
// use.
type Process struct {
	pid int
	opt Options

	mu     sync.Mutex
	proc   *os.File // /proc/PID, of this very process even if its number is reused
	root   *os.File // the target's root directory, O_PATH; nil if it cannot be opened
	status procStatus
	budget *elffile.Budget

	live     []*region // sorted by start
	vanished []*region // newest last
	modules  map[moduleKey]*module
	vdso     *module
	perf     perfMap
	open     int // files held
	problems []string
	// unanswered are the files that were waited for in vain.
	unanswered []string
}

// NewProcess reads the mappings of a process and opens its modules. It returns
// an error that wraps ErrProcessGone or ErrNotPermitted in these cases.
// Problems with single modules are no errors; see Problems.
//
// A Process holds descriptors of the target's root directory and files, which
// keep their file systems busy until Close.
func NewProcess(pid int, opt Options) (*Process, error) {
	if len(opt.DebugDirs) == 0 {
		opt.DebugDirs = []string{DefaultDebugDir}
	}
	proc, err := os.Open("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, typedError(err))
	}
	p := &Process{pid: pid, opt: opt, proc: proc}
	p.forget()
	if err := p.refresh(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// typedError wraps what the kernel says about a process in the errors of this
// package.
func typedError(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ESRCH):
		return ErrProcessGone
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	return err
}

// Refresh reads the mappings again and opens modules that are new. Mappings
// that are gone stay resolvable as long as nothing else is mapped at an
// address, the latest 4,096 of them. Where the process has ended it returns an
// error that wraps ErrProcessGone and forgets nothing.
func (p *Process) Refresh() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refresh()
}

// RefreshFrom is Refresh by a list of the executable mappings, in the order of their
// addresses, which are not read again.
func (p *Process) RefreshFrom(list []procmaps.Mapping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := make([]mapsEntry, 0, min(len(list), maxExecutable))
	for i := range list[:min(len(list), maxExecutable)] {
		entries = append(entries, entryOf(&list[i]))
	}
	p.take(entries)
}

// Exec is for a process that has executed another program. The old mappings are
// forgotten: their addresses mean other things now. The new ones are read as
// by Refresh, and an error leaves none.
func (p *Process) Exec() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	return p.refresh()
}

// Mappings returns the executable file mappings, sorted by address, those that
// have vanished after the others. It reads the headers of files that have not
// been used yet.
func (p *Process) Mappings() []Mapping {
	p.mu.Lock()
	defer p.mu.Unlock()
	mappings := make([]Mapping, 0, len(p.live))
	add := func(r *region, vanished bool) {
		if r.module == nil || r.module == p.vdso {
			return
		}
		mappings = append(mappings, Mapping{
			Start: r.start, End: r.end, Offset: r.offset, Path: limitName(r.name()),
			BuildID: r.module.buildID(p), Vanished: vanished,
		})
	}
	for _, r := range p.live {
		add(r, false)
	}
	for _, r := range p.vanished {
		add(r, true)
	}
	return mappings
}

// Problems lists what could not be used so far, so that frames may lack names:
// one line for a module or debug file and its error, the first 64. They contain
// names that the target controls.
func (p *Process) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Close releases the files. Resolve returns frames without names afterwards.
func (p *Process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	return p.proc.Close()
}

// forget closes all that depends on the address space.
func (p *Process) forget() {
	for _, m := range p.modules {
		m.close(p)
	}
	p.perf.close()
	if p.root != nil {
		p.root.Close()
	}
	p.root, p.vdso, p.live, p.vanished = nil, nil, nil, nil
	p.perf = perfMap{}
	p.modules = make(map[moduleKey]*module)
	p.budget = elffile.NewBudget()
}

func (p *Process) refresh() error {
	entries, err := p.readMaps()
	if err != nil {
		return fmt.Errorf("read mappings of process %d: %w", p.pid, err)
	}
	p.take(entries)
	return nil
}

// take takes entries for what is mapped now.
func (p *Process) take(entries []mapsEntry) {
	p.openRoot()
	p.status.read(p.proc)

	known := make(map[mapsEntry]*region, len(p.live))
	for _, r := range p.live {
		known[r.mapsEntry] = r
	}
	live := make([]*region, 0, len(entries))
	for i := range entries {
		r := known[entries[i]]
		if r == nil {
			r = &region{mapsEntry: entries[i], module: p.moduleFor(&entries[i])}
		}
		delete(known, entries[i])
		live = append(live, r)
	}
	p.live = live
	p.remember(known)
	p.dropUnused()
}

func (p *Process) readMaps() ([]mapsEntry, error) {
	fd, err := unix.Openat(int(p.proc.Fd()), "maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, typedError(err)
	}
	f := os.NewFile(uintptr(fd), "maps")
	defer f.Close()
	entries, total, err := parseMaps(f)
	if errors.Is(err, procmaps.ErrLine) {
		p.problem("/proc maps", err)
		err = nil
	}
	if err != nil {
		return nil, typedError(err)
	}
	if total == 0 {
		return nil, ErrProcessGone
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].start < entries[j].start })
	return entries, nil
}

// openRoot follows the target when it changes its root. A root that was opened
// before is kept when the process has just ended.
func (p *Process) openRoot() {
	var fd int
	var err error
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if p.opt.Root != "" {
		fd, err = unix.Open(p.opt.Root, flags, 0)
	} else {
		fd, err = unix.Openat(int(p.proc.Fd()), "root", flags, 0)
	}
	if err != nil {
		p.problem("root directory", err)
		return
	}
	if p.root != nil {
		p.root.Close()
	}
	p.root = os.NewFile(uintptr(fd), "root")
}

// Unanswered lists the files that were waited for in vain, each once, by names that the
// target controls. They are not among the Problems.
func (p *Process) Unanswered() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.unanswered)
}

// problem notes what kept a file from being used, once.
func (p *Process) problem(what string, err error) {
	var silent *patience.NoAnswerError
	if errors.As(err, &silent) {
		name := limitName(silent.What)
		if len(p.unanswered) < maxProblems && !slices.Contains(p.unanswered, name) {
			p.unanswered = append(p.unanswered, name)
		}
		return
	}
	s := fmt.Sprintf("%s: %v", limitName(what), err)
	if len(p.problems) < maxProblems && !slices.Contains(p.problems, s) {
		p.problems = append(p.problems, s)
	}
}
