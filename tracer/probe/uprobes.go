package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"memtrace/tracer/process/target"
)

// Links are attached probes.
type Links []io.Closer

// Close takes the probes away. Each waits for a kernel grace period of some 100 ms, so all are
// closed at once.
func (l Links) Close() error {
	errs := make([]error, len(l))
	var wg sync.WaitGroup
	for i, c := range l {
		wg.Go(func() { errs[i] = c.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// AttachKernel attaches what is not tied to one process: system calls, process lifetimes and
// page faults. On an error nothing stays attached.
func (s *Set) AttachKernel() error {
	programs := s.objs.kernel()
	if s.LateFaults {
		programs = s.objs.calls()
	}
	return s.attachTracing(programs)
}

// AttachFaults begins to sample page faults, where the kernel has Features.LateFaults.
func (s *Set) AttachFaults() error { return s.attachTracing(loaded(s.objs.UserFault)) }

// attachTracing attaches programs to what they are for. On an error none stays attached.
func (s *Set) attachTracing(programs []*ebpf.Program) (err error) {
	var attached Links
	defer func() {
		if err != nil {
			_ = s.attached.Close(attached)
		}
	}()
	for _, prog := range programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return fmt.Errorf("attach %s: %w", prog, err)
		}
		if err := s.attached.add(l); err != nil {
			return err
		}
		attached = append(attached, l)
	}
	return nil
}

// Part selects some of an object's probes.
type Part uint8

const (
	// Ends see blocks freed: the probes on free and on the entry of realloc.
	Ends Part = 1 << iota
	// Births see blocks allocated.
	Births
	Whole = Ends | Births
)

// PartOf returns the part that the entry probe of a function belongs to.
func PartOf(role target.Role) Part {
	if role == target.Free || role == target.Realloc {
		return Ends
	}
	return Births
}

// Attach attaches the uprobes of one mapped file for one process. The probes on free come
// first: if the gate is already open, no block may be seen to be born before it can be seen to
// die. On an error nothing stays attached.
func (s *Set) Attach(pid int, o *target.Object, part Part) (attached Links, err error) {
	defer func() {
		if err != nil {
			_ = s.attached.Close(attached)
			attached = nil
		}
	}()
	a, err := s.openUprobes(o.OpenPath(), pid)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	a.all = s.attached
	f := functionsOf(o.Probes)
	if err := s.entries.load(f.entries); err != nil {
		return nil, explainAttach(explainLoad(err, s.options.Logf), pid, o)
	}
	if part&Ends != 0 {
		err = errors.Join(s.attachEntries(&a, f, target.Free), s.attachEntries(&a, f, target.Realloc))
	}
	if part&Births != 0 && err == nil {
		err = errors.Join(s.attachReturns(&a, f.returns), s.attachCalls(&a, f), s.attachEntries(&a, f, target.Alloc))
	}
	if err != nil {
		return a.links, explainAttach(err, pid, o)
	}
	return a.links, nil
}

// AttachIdle attaches a program that does nothing to places in a file, for one process. The
// caller closes these probes. On an error nothing stays attached.
func (s *Set) AttachIdle(pid int, path string, offsets []uint64) (Links, error) {
	u, err := s.openUprobes(path, pid)
	if err != nil {
		return nil, err
	}
	if err := u.attach(s.objs.Anchor, offsets, false); err != nil {
		return nil, errors.Join(err, u.links.Close())
	}
	return u.links, nil
}

// functions are the places of functions in a file, by how they are probed.
type functions struct {
	entries map[entryKey][]uint64
	// returns are return instructions of functions that throw.
	returns []uint64
}

func functionsOf(probes []target.Probe) functions {
	f := functions{entries: make(map[entryKey][]uint64)}
	for _, p := range probes {
		if p.Role == target.Return {
			f.returns = append(f.returns, p.Offset)
			continue
		}
		key := entryKey{p.Role, p.Shape}
		f.entries[key] = append(f.entries[key], p.Offset)
	}
	return f
}

// attachEntries attaches what sees functions of a role begin.
func (s *Set) attachEntries(a *uprobes, f functions, role target.Role) error {
	for key, offsets := range f.entries {
		if key.role != role || !s.entries.wants(key) {
			continue
		}
		if err := a.attach(s.entries.of(key), offsets, false); err != nil {
			return err
		}
	}
	return nil
}

// attachCalls attaches what sees functions return. A session sees those that allocate begin, as
// well.
func (s *Set) attachCalls(a *uprobes, f functions) error {
	var all, shapes []uint64
	for key, offsets := range f.entries {
		if key.shape.Throws() || key.role == target.Free && !key.shape.Wraps() {
			continue
		}
		all = append(all, offsets...)
		shapes = append(shapes, slices.Repeat([]uint64{uint64(key.shape)}, len(offsets))...)
	}
	if s.sessions {
		return a.attachSession(s.objs.CallAlloc, all, shapes)
	}
	return a.attach(s.objs.LeaveAlloc, all, true)
}

// attachReturns attaches to the return instructions of the functions that throw, to see them
// return. A session there has no return part, because nothing returns to such a place.
func (s *Set) attachReturns(a *uprobes, offsets []uint64) error {
	if !s.sessions {
		return a.attach(s.objs.LeaveAlloc, offsets, false)
	}
	return a.attachSession(s.objs.CallAlloc, offsets, slices.Repeat([]uint64{uint64(target.ReturnShape)}, len(offsets)))
}

// uprobes attaches programs to places in one file for one process.
type uprobes struct {
	path  string
	exe   *link.Executable
	pid   int
	multi bool
	links Links
	// all notes every probe, unless it is nil.
	all *Attached
}

func (a *uprobes) keep(l link.Link) error {
	if a.all != nil {
		if err := a.all.add(l); err != nil {
			return err
		}
	}
	a.links = append(a.links, l)
	return nil
}

func (s *Set) openUprobes(path string, pid int) (uprobes, error) {
	exe, err := link.OpenExecutable(path)
	return uprobes{path: path, exe: exe, pid: pid, multi: s.uprobeMulti}, err
}

func (a *uprobes) attach(prog *ebpf.Program, offsets []uint64, ret bool) error {
	if len(offsets) == 0 {
		return nil
	}
	if a.multi {
		one := a.exe.UprobeMulti
		if ret {
			one = a.exe.UretprobeMulti
		}
		l, err := one(nil, prog, &link.UprobeMultiOptions{Addresses: offsets, PID: uint32(a.pid)})
		if err != nil {
			return err
		}
		return a.keep(l)
	}
	one := a.exe.Uprobe
	if ret {
		one = a.exe.Uretprobe
	}
	for _, offset := range offsets {
		l, err := one("", prog, &link.UprobeOptions{Address: offset, PID: a.pid})
		if errors.Is(err, os.ErrPermission) {
			// Since ba677dbe77af, which stable kernels took over in 2025.
			return &RequirementError{
				Needs:  "CAP_SYS_ADMIN (to attach probes one by one, as before Linux 6.6)",
				Remedy: "run memtrace as root (sudo memtrace …), or use Linux 6.6 or later",
				err:    err,
			}
		}
		if err != nil {
			return err
		}
		if err := a.keep(l); err != nil {
			return err
		}
	}
	return nil
}

func explainAttach(err error, pid int, o *target.Object) error {
	if errors.Is(err, os.ErrNotExist) || target.Gone(pid) {
		return fmt.Errorf("process %d exited while it was being attached to: %w", pid, target.ErrNoProcess)
	}
	return fmt.Errorf("probe %s of process %d: %w", o.Path, pid, err)
}
