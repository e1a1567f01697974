package probe

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"

	"memtrace/bpf"
)

// objects are the programs, maps and variables of the BPF object. Of programs that come in two
// forms it holds the one for this kernel. Programs that are not asked for are nil.
type objects struct {
	allocPrograms
	separatePrograms
	sessionProgram
	kernelPrograms
	growthPrograms
	bpf.MemtraceMaps
	bpf.MemtraceVariables
}

// allocPrograms attach to functions, beside those of entries.
type allocPrograms struct {
	Anchor *ebpf.Program `ebpf:"anchor"`
}

// separatePrograms attach to the return of allocation functions. Where the kernel has sessions,
// sessionProgram replaces them.
type separatePrograms struct {
	LeaveAlloc *ebpf.Program `ebpf:"leave_alloc"`
}

// sessionProgram runs at both entry and return (call_alloc of bpf/session.h).
type sessionProgram struct {
	CallAlloc *ebpf.Program `ebpf:"call_alloc"`
}

// kernelPrograms follow the lives of processes, in every mode.
type kernelPrograms struct {
	OnFork *ebpf.Program `ebpf:"on_fork"`
	OnExec *ebpf.Program `ebpf:"on_exec"`
	OnExit *ebpf.Program `ebpf:"on_exit"`
}

// entryProgram sees all system calls begin, exitProgram sees them end. Where the kernel
// allows, lockProgram replaces the first, or resumeProgram or callPrograms replace both: see
// bpf/calls.h.
type entryProgram struct {
	EnterSyscall *ebpf.Program `ebpf:"enter_syscall"`
}

type exitProgram struct {
	ExitSyscall *ebpf.Program `ebpf:"exit_syscall"`
}

// callPrograms attach to the kernel's functions behind single system calls.
type callPrograms struct {
	EnterMunmap   *ebpf.Program `ebpf:"enter_munmap"`
	EnterMremap   *ebpf.Program `ebpf:"enter_mremap"`
	LeaveBrk      *ebpf.Program `ebpf:"leave_brk"`
	LeaveMmap     *ebpf.Program `ebpf:"leave_mmap"`
	LeaveMunmap   *ebpf.Program `ebpf:"leave_munmap"`
	LeaveMremap   *ebpf.Program `ebpf:"leave_mremap"`
	LeaveMprotect *ebpf.Program `ebpf:"leave_mprotect"`
	EnterShmdt    *ebpf.Program `ebpf:"enter_shmdt"`
	LeaveShmat    *ebpf.Program `ebpf:"leave_shmat"`
}

type lockProgram struct {
	LockTaken *ebpf.Program `ebpf:"lock_taken"`
}

// resumeProgram replaces lockProgram and exitProgram. It is the variant in the object that
// fits this kernel.
type resumeProgram struct {
	LockTakenResume *ebpf.Program `ebpf:"lock_taken_resume"`
}

// userFaultProgram sees page faults of programs, kernelFaultProgram those in system calls.
type userFaultProgram struct {
	UserFault *ebpf.Program `ebpf:"user_fault"`
}

type kernelFaultProgram struct {
	KernelFault *ebpf.Program `ebpf:"kernel_fault"`
}

// growthPrograms are those that depend on the mode and on the kernel.
type growthPrograms struct {
	entryProgram
	exitProgram
	callPrograms
	lockProgram
	resumeProgram
	userFaultProgram
	kernelFaultProgram
}

// load loads what is going to be attached. e is nil if no allocation functions are.
func (o *objects) load(spec *ebpf.CollectionSpec, e *entries, k Features) error {
	groups := []any{&o.kernelPrograms}
	if e != nil {
		groups = append(groups, &o.allocPrograms)
		if k.sessions {
			groups = append(groups, &o.sessionProgram)
		} else {
			groups = append(groups, &o.separatePrograms)
		}
	}
	switch {
	case k.Functions:
		groups = append(groups, &o.callPrograms)
	case k.resume != "":
		spec.Programs["lock_taken_resume"] = spec.Programs[k.resume]
		groups = append(groups, &o.resumeProgram)
	case k.lockTracepoint:
		groups = append(groups, &o.lockProgram, &o.exitProgram)
	default:
		groups = append(groups, &o.entryProgram, &o.exitProgram)
	}
	if k.PageFaults || k.LateFaults {
		groups = append(groups, &o.userFaultProgram)
	}
	if k.PageFaults {
		groups = append(groups, &o.kernelFaultProgram)
	}
	wanted := make(map[string]bool)
	for _, group := range groups {
		fields := reflect.TypeOf(group).Elem()
		for i := range fields.NumField() {
			wanted[fields.Field(i).Tag.Get("ebpf")] = true
		}
	}
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !wanted[name] })
	if e != nil {
		if err := e.add(spec, e.usual()); err != nil {
			return err
		}
	}
	all, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	defer all.Close() // what was assigned stays
	if e != nil {
		e.take(all, e.usual())
		if err := e.share(all); err != nil {
			return err
		}
	}
	for _, group := range append(groups, &o.MemtraceMaps, &o.MemtraceVariables) {
		if err := all.Assign(group); err != nil {
			return errors.Join(err, o.Close())
		}
	}
	return nil
}

// kernel returns the loaded programs that watch the kernel, in the order in which they are to
// be attached.
func (o *objects) kernel() []*ebpf.Program {
	return append(o.calls(), loaded(o.UserFault, o.KernelFault)...)
}

// calls returns those of kernel that must see everything.
func (o *objects) calls() []*ebpf.Program {
	return loaded(
		o.OnFork, o.OnExec, o.OnExit, o.EnterSyscall, o.EnterMunmap, o.EnterMremap, o.EnterShmdt, o.LockTaken, o.LockTakenResume, o.ExitSyscall,
		o.LeaveBrk, o.LeaveMmap, o.LeaveMunmap, o.LeaveMremap, o.LeaveMprotect, o.LeaveShmat,
	)
}

func loaded(programs ...*ebpf.Program) []*ebpf.Program {
	return slices.DeleteFunc(programs, func(p *ebpf.Program) bool { return p == nil })
}

// Close frees what was loaded. Programs and maps that were not loaded are nil, and closing
// them does nothing.
func (o *objects) Close() error {
	var errs []error
	for _, p := range append(o.kernel(), o.LeaveAlloc, o.CallAlloc, o.Anchor) {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, o.MemtraceMaps.Close())...)
}

// missed counts runs of the tracepoint programs that the kernel skipped because the program
// was already at work on that CPU and had been preempted there. Kernels before 5.12 do not
// count them.
func (o *objects) missed() (total uint64, err error) {
	for _, p := range o.calls() {
		s, err := p.Stats()
		if err != nil {
			return 0, fmt.Errorf("read the counters of %v: %w", p, err)
		}
		total += s.RecursionMisses
	}
	return total, nil
}
