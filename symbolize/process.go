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
	// ErrProcessGone means that the process has ended, or that it has no address space (a
	// zombie or a kernel thread).
	ErrProcessGone = errors.New("process has ended or has no address space")
	// ErrNotPermitted means that the process may not be inspected.
	ErrNotPermitted = errors.New("needs root or CAP_SYS_PTRACE")
	// ErrUnsupported is listed for modules that are not 64-bit little-endian ELF files. Their
	// frames have no function.
	ErrUnsupported = elffile.ErrForeign
)

// DefaultDebugDir is where distributions install separate debug files.
const DefaultDebugDir = elffile.DebugDir

const (
	// maxOpenFiles bounds the files kept open at a time, modules and debug files alike.
	// Further modules are opened by path when they are needed.
	maxOpenFiles = 512
	// maxVanished bounds the mappings that are remembered after they are gone.
	maxVanished = 4096
	// maxProblems bounds the list of Problems.
	maxProblems = 64
)

// Options says where to look for files. The zero value is ready to use.
type Options struct {
	// DebugDirs are the directories to search for separate debug files, in the tool's own file
	// system and in the target's. Default: DefaultDebugDir.
	DebugDirs []string
	// Root is the target's root directory. Default: /proc/PID/root.
	Root string
	// Names, if not nil, are shared with other processes.
	Names *Names
	// Bare leaves out the names of code in files: frames have their module and offset, which Builds
	// names later.
	Bare bool
}

// Mapping is an executable mapping of a file.
type Mapping struct {
	// Start and End are addresses; End is exclusive.
	Start, End uint64
	// Offset is where the mapping starts in the file, in bytes.
	Offset uint64
	// Path is the path of the file in the target's mount namespace.
	Path string
	// BuildID is the file's GNU build ID in hexadecimal, or empty.
	BuildID string
	// Vanished is set once the file is no longer mapped there.
	Vanished bool
}

// Process resolves the addresses of one process. It is safe for concurrent use.
type Process struct {
	pid int
	opt Options

	mu     sync.Mutex
	proc   *os.File // /proc/PID of this very process, even if its PID is reused
	root   *os.File // the target's root directory, O_PATH; nil if it cannot be opened
	status procStatus
	budget *elffile.Budget

	live     []*region // sorted by start
	vanished []*region // newest last
	modules  map[moduleKey]*module
	listed   uint64 // regions that were ever listed
	// codes are what AddCode told, by ID, and codeAtPlace the newest of each place. codeOrder
	// are the IDs, oldest first.
	codes       map[uint64]*region
	codeAtPlace map[place]*region
	codeOrder   []uint64
	vdso        *module
	perf        perfMap
	open        int // files held
	failures    int // calls of problem
	problems    []string
	// unanswered are the files whose file systems did not answer in time.
	unanswered []string
}

// NewProcess reads the mappings of a process and opens its modules. The error wraps
// ErrProcessGone or ErrNotPermitted where they apply. Problems with single modules are not
// errors; see Problems.
//
// A Process holds descriptors of the target's root directory and files, which keep their file
// systems busy until Close.
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

// typedError converts the kernel's errors about a process to the errors of this package.
func typedError(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ESRCH):
		return ErrProcessGone
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	return err
}

// Parent returns the PID of the process's parent when its mappings were last read, 0 if that is
// not known.
func (p *Process) Parent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.parent
}

// Refresh reads the mappings again and opens new modules. The latest 4,096 mappings that are
// gone stay resolvable until something else is mapped at their addresses. If the process has
// ended, Refresh returns an error that wraps ErrProcessGone and forgets nothing.
func (p *Process) Refresh() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refresh()
}

// RefreshFrom is Refresh with a given list of the executable mappings, in order of address,
// instead of reading them again.
func (p *Process) RefreshFrom(list []procmaps.Mapping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := make([]mapsEntry, 0, min(len(list), maxExecutable))
	for i := range list[:min(len(list), maxExecutable)] {
		entries = append(entries, entryOf(&list[i]))
	}
	p.take(entries)
}

// Exec tells that the process has executed another program. It forgets the old mappings, whose
// addresses now mean other things, and reads the new ones as Refresh does. After an error
// there are no mappings.
func (p *Process) Exec() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	return p.refresh()
}

// Mappings returns the executable file mappings, sorted by address, with vanished ones last.
// It reads the headers of files that have not been used yet.
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
	for _, r := range p.unlisted() {
		add(r, true)
	}
	return mappings
}

// Problems lists what could not be used so far, which may leave frames without names: one line
// for each module or debug file with its error, at most 64. The lines contain names that the
// target controls.
func (p *Process) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Close closes the files. Resolve then returns frames without names.
func (p *Process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	return p.proc.Close()
}

// forget closes everything that depends on the address space.
func (p *Process) forget() {
	for _, m := range p.modules {
		m.close(p)
	}
	p.perf.close()
	if p.root != nil {
		p.root.Close()
	}
	p.root, p.vdso, p.live, p.vanished = nil, nil, nil, nil
	p.codes, p.codeOrder, p.codeAtPlace = make(map[uint64]*region), nil, make(map[place]*region)
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

// take makes entries the current mappings.
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
			p.listed++
			r = &region{mapsEntry: entries[i], module: p.moduleFor(&entries[i]), order: p.listed}
			p.adopt(r)
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

// openRoot follows the target when it changes its root directory. When the process has just
// ended, the root that was opened before is kept.
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

// Unanswered lists, once each, the files whose file systems did not answer in time. The names
// are controlled by the target. These files are not among the Problems.
func (p *Process) Unanswered() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.unanswered)
}

// problem notes, once, what kept a file from being used.
func (p *Process) problem(what string, err error) {
	p.failures++
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
