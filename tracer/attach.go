package tracer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"memtrace/tracer/target"
)

// links are attached probes. Closing one waits for the kernel (a grace period
// of some 100 ms), so they are closed all at once.
type links []io.Closer

func (l links) Close() error {
	errs := make([]error, len(l))
	var wg sync.WaitGroup
	for i, c := range l {
		wg.Go(func() { errs[i] = c.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// attachKernel attaches what is not tied to one process: system calls, the
// life of processes and page faults. On an error nothing stays attached.
func attachKernel(p *programs) (err error) {
	var attached links
	defer func() {
		if err != nil {
			_ = p.attached.close(attached)
		}
	}()
	for _, prog := range p.objs.kernel() {
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return fmt.Errorf("attach %s: %w", prog, err)
		}
		if err := p.attached.add(l); err != nil {
			return err
		}
		attached = append(attached, l)
	}
	return nil
}

// probeSet says which of an object's probes to attach.
type probeSet uint8

const (
	// endProbes see that blocks leave: those on free and on the entry of realloc.
	endProbes probeSet = 1 << iota
	// birthProbes see that blocks are born.
	birthProbes
	allProbes = endProbes | birthProbes
)

// attachObject attaches the uprobes for one process in one of its mapped
// files. The probes on free come first: should the gate be open already, a
// block must not be seen to be born before it can be seen to die. On an error
// nothing stays attached.
func attachObject(p *programs, k kernelFeatures, pid int, o *target.Object, set probeSet) (attached links, err error) {
	defer func() {
		if err != nil {
			_ = p.attached.close(attached)
			attached = nil
		}
	}()
	a, err := openUprobes(o.OpenPath(), pid, k)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	a.all = p.attached
	offsets := make([][]uint64, target.Roles)
	for _, probe := range o.Probes {
		offsets[probe.Role] = append(offsets[probe.Role], probe.Offset)
	}
	entry := func(role target.Role) error { return a.attach(p.enter[role], offsets[role], false) }
	if set&endProbes != 0 {
		err = errors.Join(entry(target.Free), entry(target.Realloc))
	}
	if set&birthProbes != 0 && err == nil {
		err = errors.Join(
			a.attachNewReturns(p, offsets[target.NewReturn], k.sessions),
			a.attachCalls(p, offsets, k.sessions), entry(target.New))
	}
	if err != nil {
		return a.links, explainAttach(err, pid, o)
	}
	return a.links, nil
}

// attachCalls attaches what sees allocation functions called and returning, but for the
// entry of realloc and what throws.
func (a *uprobes) attachCalls(p *programs, offsets [][]uint64, sessions bool) error {
	var all, roles []uint64
	for role := target.Alloc; role <= target.PosixMemalign; role++ {
		for _, offset := range offsets[role] {
			all, roles = append(all, offset), append(roles, uint64(role))
		}
	}
	if sessions {
		return a.attachSession(p.objs.CallAlloc, all, roles)
	}
	err := a.attach(p.objs.LeaveAlloc, all, true)
	for role := target.Alloc; role <= target.PosixMemalign && err == nil; role++ {
		if role != target.Realloc {
			err = a.attach(p.enter[role], offsets[role], false)
		}
	}
	return err
}

// attachNewReturns attaches what sees the operators return that throw, by their return
// instructions. A session is no session there: nothing returns to such a place.
func (a *uprobes) attachNewReturns(p *programs, offsets []uint64, sessions bool) error {
	if !sessions {
		return a.attach(p.objs.LeaveAlloc, offsets, false)
	}
	return a.attachSession(p.objs.CallAlloc, offsets, slices.Repeat([]uint64{uint64(target.NewReturn)}, len(offsets)))
}

// uprobes attaches programs to places in one file for one process.
type uprobes struct {
	path  string
	exe   *link.Executable
	pid   int
	multi bool
	links links
	// all is told of every probe, unless it is nil.
	all *attached
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

func openUprobes(path string, pid int, k kernelFeatures) (uprobes, error) {
	exe, err := link.OpenExecutable(path)
	return uprobes{path: path, exe: exe, pid: pid, multi: k.uprobeMulti}, err
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
	if errors.Is(err, os.ErrNotExist) || processGone(pid) {
		return fmt.Errorf("process %d exited while it was being attached to: %w", pid, target.ErrNoProcess)
	}
	return fmt.Errorf("probe %s of process %d: %w", o.Path, pid, err)
}

func processGone(pid int) bool {
	// The file behind the link is left alone: its server may not answer.
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err != nil
}
