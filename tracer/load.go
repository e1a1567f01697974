package tracer

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/target"
)

// Sizes of the maps that take no memory until they fill, where the kernel has
// such maps. Elsewhere the sizes in bpf/state.h stand.
const (
	maxThreads = 1 << 17
	maxSpills  = 1 << 20
)

// objects are the programs, maps and variables of the BPF object. Of programs
// that come in two forms they hold the one for this kernel; those that are not asked
// for are nil.
type objects struct {
	allocPrograms
	separatePrograms
	sessionProgram
	kernelPrograms
	growthPrograms
	bpf.MemtraceMaps
	bpf.MemtraceVariables
}

// allocPrograms go on allocation functions.
type allocPrograms struct {
	EnterRealloc *ebpf.Program `ebpf:"enter_realloc"`
	EnterNew     *ebpf.Program `ebpf:"enter_new"`
	EnterFree    *ebpf.Program `ebpf:"enter_free"`
	Anchor       *ebpf.Program `ebpf:"anchor"`
}

// separatePrograms go on either the entries or the returns of allocation functions. Where
// the kernel allows, sessionProgram takes their place.
type separatePrograms struct {
	EnterAlloc         *ebpf.Program `ebpf:"enter_alloc"`
	EnterCalloc        *ebpf.Program `ebpf:"enter_calloc"`
	EnterMemalign      *ebpf.Program `ebpf:"enter_memalign"`
	EnterPosixMemalign *ebpf.Program `ebpf:"enter_posix_memalign"`
	LeaveAlloc         *ebpf.Program `ebpf:"leave_alloc"`
}

// sessionProgram goes on entry and return alike (bpf/malloc.h, call_alloc).
type sessionProgram struct {
	CallAlloc *ebpf.Program `ebpf:"call_alloc"`
}

// kernelPrograms go on the lives of processes, in every mode.
type kernelPrograms struct {
	OnFork *ebpf.Program `ebpf:"on_fork"`
	OnExec *ebpf.Program `ebpf:"on_exec"`
	OnExit *ebpf.Program `ebpf:"on_exit"`
}

// entryProgram sees all system calls begin, exitProgram end. Where the kernel allows,
// lockProgram takes the place of the first, or resumeProgram or callPrograms that of
// both: bpf/calls.h.
type entryProgram struct {
	EnterSyscall *ebpf.Program `ebpf:"enter_syscall"`
}

type exitProgram struct {
	ExitSyscall *ebpf.Program `ebpf:"exit_syscall"`
}

// callPrograms go on the kernel's functions behind single system calls.
type callPrograms struct {
	EnterMunmap   *ebpf.Program `ebpf:"enter_munmap"`
	EnterMremap   *ebpf.Program `ebpf:"enter_mremap"`
	LeaveBrk      *ebpf.Program `ebpf:"leave_brk"`
	LeaveMmap     *ebpf.Program `ebpf:"leave_mmap"`
	LeaveMunmap   *ebpf.Program `ebpf:"leave_munmap"`
	LeaveMremap   *ebpf.Program `ebpf:"leave_mremap"`
	LeaveMprotect *ebpf.Program `ebpf:"leave_mprotect"`
}

type lockProgram struct {
	LockTaken *ebpf.Program `ebpf:"lock_taken"`
}

// resumeProgram takes the place of lockProgram and exitProgram; it is the one of those
// in the object that the kernel is for.
type resumeProgram struct {
	LockTakenResume *ebpf.Program `ebpf:"lock_taken_resume"`
}

// faultPrograms see page faults, in growth mode.
type faultPrograms struct {
	UserFault   *ebpf.Program `ebpf:"user_fault"`
	KernelFault *ebpf.Program `ebpf:"kernel_fault"`
}

// growthPrograms are what depends on the mode and on the kernel.
type growthPrograms struct {
	entryProgram
	exitProgram
	callPrograms
	lockProgram
	resumeProgram
	faultPrograms
}

// load loads what is to be attached with this configuration.
func (o *objects) load(spec *ebpf.CollectionSpec, cfg Config, k kernelFeatures) error {
	groups := []any{&o.kernelPrograms}
	if !cfg.GrowthOnly {
		groups = append(groups, &o.allocPrograms)
		if k.sessions {
			groups = append(groups, &o.sessionProgram)
		} else {
			groups = append(groups, &o.separatePrograms)
		}
	}
	switch {
	case k.functions:
		groups = append(groups, &o.callPrograms)
	case k.resume != "":
		spec.Programs["lock_taken_resume"] = spec.Programs[k.resume]
		groups = append(groups, &o.resumeProgram)
	case k.lockTracepoint:
		groups = append(groups, &o.lockProgram, &o.exitProgram)
	default:
		groups = append(groups, &o.entryProgram, &o.exitProgram)
	}
	if k.pageFaults {
		groups = append(groups, &o.faultPrograms)
	}
	wanted := make(map[string]bool)
	for _, group := range groups {
		fields := reflect.TypeOf(group).Elem()
		for i := range fields.NumField() {
			wanted[fields.Field(i).Tag.Get("ebpf")] = true
		}
	}
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !wanted[name] })
	all, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	defer all.Close() // what is assigned stays
	for _, group := range append(groups, &o.MemtraceMaps, &o.MemtraceVariables) {
		if err := all.Assign(group); err != nil {
			return errors.Join(err, o.Close())
		}
	}
	return nil
}

// kernel are the programs that look at the kernel, as far as they are loaded, in the
// order in which they are to be attached.
func (o *objects) kernel() []*ebpf.Program {
	return append(o.calls(), loaded(o.UserFault, o.KernelFault)...)
}

// calls are those of them that must see everything.
func (o *objects) calls() []*ebpf.Program {
	return loaded(
		o.OnFork, o.OnExec, o.OnExit, o.EnterSyscall, o.EnterMunmap, o.EnterMremap, o.LockTaken, o.LockTakenResume, o.ExitSyscall,
		o.LeaveBrk, o.LeaveMmap, o.LeaveMunmap, o.LeaveMremap, o.LeaveMprotect,
	)
}

func loaded(programs ...*ebpf.Program) []*ebpf.Program {
	return slices.DeleteFunc(programs, func(p *ebpf.Program) bool { return p == nil })
}

// Close frees what was loaded. Programs and maps that were not are nil, which
// may be closed as well.
func (o *objects) Close() error {
	var errs []error
	for _, p := range append(o.kernel(), o.EnterAlloc, o.EnterCalloc, o.EnterRealloc, o.EnterMemalign,
		o.EnterPosixMemalign, o.EnterNew, o.EnterFree, o.LeaveAlloc, o.CallAlloc, o.Anchor) {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, o.MemtraceMaps.Close())...)
}

// missed counts the runs of the tracepoint programs that the kernel left out,
// because the program was at work on that CPU and had been preempted there.
// Kernels before 5.12 do not say.
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

// programs are the BPF programs by what they go on.
type programs struct {
	objs  objects
	enter [target.Roles]*ebpf.Program
	// attached is where they are attached.
	attached *attached
	// tableSpec and listSpec describe the maps inside unwind_tables and mappings.
	tableSpec, listSpec *ebpf.MapSpec
}

// wakeMask lets one record in 64 look whether the reader must be woken, as long as 64
// are little to a ring of so many bytes.
func wakeMask(ringSize int) uint64 {
	if ringSize < 1<<20 {
		return 0
	}
	return 63
}

// load puts the programs and maps into the kernel.
func load(cfg Config, k kernelFeatures) (*programs, error) {
	if err := k.allowLockedMemory(); err != nil {
		return nil, err
	}
	spec, err := bpf.LoadMemtrace()
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	spec.Maps["events"].MaxEntries = uint32(cfg.RingSize)
	if k.cheapHash {
		for name, entries := range map[string]uint32{"threads": maxThreads, "spills": maxSpills} {
			spec.Maps[name].MaxEntries = entries
			spec.Maps[name].Flags |= noPrealloc
		}
	}
	if k.resume != "" {
		spec.Maps["resumes"].MaxEntries = maxThreads
		spec.Maps["resumes"].Flags |= noPrealloc
	}
	if cfg.spills > 0 {
		spec.Maps["spills"].MaxEntries = cfg.spills
	}
	for name, value := range map[string]any{
		"stack_depth": uint32(cfg.StackDepth),
		"min_size":    cfg.MinSize,
		"max_size":    cfg.MaxSize,
		"wake_bytes":  uint64(cfg.RingSize / 4),
		"wake_mask":   wakeMask(cfg.RingSize),
		"growth":      cfg.GrowthOnly,
		"sessions":    k.sessions,
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
	}
	if k.uprobeMulti {
		for _, p := range spec.Programs {
			if p.Type == ebpf.Kprobe && p.AttachType != attachSession {
				p.AttachType = ebpf.AttachTraceUprobeMulti
			}
		}
	}
	chooseStacks(spec, k)
	p := &programs{attached: new(attached), tableSpec: spec.Maps["unwind_tables"].InnerMap, listSpec: spec.Maps["mappings"].InnerMap}
	if err := p.objs.load(spec, cfg, k); err != nil {
		return nil, explainLoad(err, cfg.Logf)
	}
	p.enter = [target.Roles]*ebpf.Program{
		target.Alloc:         p.objs.EnterAlloc,
		target.Calloc:        p.objs.EnterCalloc,
		target.Realloc:       p.objs.EnterRealloc,
		target.Memalign:      p.objs.EnterMemalign,
		target.PosixMemalign: p.objs.EnterPosixMemalign,
		target.New:           p.objs.EnterNew,
		target.Free:          p.objs.EnterFree,
	}
	return p, nil
}

// chooseStacks keeps, of the programs that walk stacks, those for this kernel.
func chooseStacks(spec *ebpf.CollectionSpec, k kernelFeatures) {
	for _, name := range []string{"leave_alloc", "call_alloc", "exit_syscall"} {
		if !k.unwindTables {
			spec.Programs[name] = spec.Programs[name+"_fp"]
		}
		delete(spec.Programs, name+"_fp")
	}
	if !k.unwindTables {
		for _, name := range []string{"unwind_tables", "mappings"} {
			spec.Maps[name].InnerMap.Flags &^= innerMapFlag // unknown before 5.10
		}
	}
}

const noPrealloc = 1 // BPF_F_NO_PREALLOC

// explainLoad names the feature behind a refusal where there is one. What the verifier
// says in many lines goes to logf.
func explainLoad(err error, logf func(format string, args ...any)) error {
	if errors.Is(err, unix.EMFILE) {
		// Without descriptors no feature can be tried.
		return fmt.Errorf("load the BPF programs: %w", err)
	}
	if e := features.HaveMapType(ebpf.RingBuf); errors.Is(e, ebpf.ErrNotSupported) {
		return &RequirementError{Needs: "BPF ring buffers", Remedy: "use Linux 5.8 or later", err: e}
	}
	if e := features.HaveProgramType(ebpf.Tracing); errors.Is(e, ebpf.ErrNotSupported) {
		return &RequirementError{Needs: "BPF tracing programs", Remedy: "use a kernel with CONFIG_BPF_EVENTS", err: e}
	}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		for _, line := range verifier.Log {
			logf("verifier: %s", line)
		}
	}
	return fmt.Errorf("load the BPF programs: %w", err)
}
