package probe

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Features is what differs between supported kernels.
type Features struct {
	version [3]int
	// privileges are memtrace's own.
	privileges privileges
	// uprobeMulti: one link attaches many uprobes, since 6.6.
	uprobeMulti bool
	// sessions: one program serves a function's entry and return, and may skip the return when
	// it runs at the entry, since 6.13.
	sessions bool
	// cheapHash: a hash map that is allocated as it fills takes its memory from BPF's own
	// allocator, since 6.1. Earlier kernels log a warning about such a map in a tracing
	// program.
	cheapHash bool
	// UnwindTables: stacks are walked by .eh_frame, since 5.13 (see bpf/unwind.h), on x86-64.
	// Elsewhere they are walked by frame pointers.
	UnwindTables bool
	// PageFaults: page faults have tracepoints from which stacks can be read, since 5.15, on
	// x86-64. lockTracepoint: the tracepoint on an address space's lock has its form of 6.14
	// and later (see bpf/fault.h and bpf/calls.h).
	PageFaults, lockTracepoint bool
	// LateFaults is PageFaults where allocation functions are probed: faults are sampled only once
	// AttachFaults was called, and only those of the program itself, not those in system calls.
	LateFaults bool
	// resume names the program that arranges for its thread to call back on the way to user
	// mode, since 6.18. It is "" where none can.
	resume string
	// Functions: programs can be, and are to be, attached to the kernel's functions.
	Functions bool
}

func (k Features) atLeast(major, minor int) bool {
	return k.version[0] > major || k.version[0] == major && k.version[1] >= minor
}

// FindFeatures finds out which of the things that the options ask for the kernel can do. It
// returns a *RequirementError if the kernel or memtrace's privileges do not suffice.
func FindFeatures(o Options) (Features, error) {
	k, err := findFeatures()
	if err != nil {
		return k, err
	}
	k.uprobeMulti = k.uprobeMulti && !o.Older.SingleUprobes
	k.sessions = k.sessions && k.uprobeMulti && !o.Older.SeparateReturns
	k.UnwindTables = k.UnwindTables && !o.Older.FramePointers
	k.privileges.remarks(o.GrowthOnly, o.Logf)
	return k, k.findWays(o)
}

const kernelTypes = "/sys/kernel/btf/vmlinux"

// findFeatures finds out what the kernel can do.
func findFeatures() (Features, error) {
	var k Features
	own, err := ownPrivileges()
	if err == nil {
		k.privileges = own
		err = own.check()
	}
	if err == nil {
		err = checkUserNamespace()
	}
	if err != nil {
		return k, err
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return k, fmt.Errorf("read the kernel version: %w", err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	k.version = parseRelease(release)
	if !k.atLeast(5, 8) {
		return k, &RequirementError{Needs: "Linux 5.8 or later", Remedy: "this is " + release}
	}
	if _, err := os.Stat(kernelTypes); err != nil {
		return k, &RequirementError{
			Needs:  "the kernel's type information, " + kernelTypes,
			Remedy: "use a kernel built with CONFIG_DEBUG_INFO_BTF, or mount /sys",
			err:    errors.Unwrap(err),
		}
	}
	if err := checkPIDNamespace(); err != nil {
		return k, err
	}
	k.uprobeMulti = k.atLeast(6, 6)
	k.sessions = k.atLeast(6, 13)
	k.cheapHash = k.atLeast(6, 1)
	k.UnwindTables = runtime.GOARCH == "amd64" && k.atLeast(5, 13)
	return k, nil
}

// findWays finds out how system calls and page faults can be seen, within what the options
// allow.
func (k *Features) findWays(o Options) error {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return &RequirementError{
			Needs:  "the kernel's type information, " + kernelTypes,
			Remedy: "it cannot be read: mount /sys anew",
			err:    err,
		}
	}
	k.lockTracepoint = !o.Older.EntryTracepoint && k.atLeast(5, 15) && parameters(types, "mmap_lock_acquire_returned") == 3
	if k.lockTracepoint && k.UnwindTables && !o.Older.ExitTracepoint {
		k.resume = resumeProgramFor(types)
	}
	faults := k.UnwindTables && k.atLeast(5, 15) &&
		parameters(types, "page_fault_user") == 3 && parameters(types, "page_fault_kernel") == 3
	if !o.GrowthOnly {
		k.LateFaults = faults
		return nil
	}
	k.PageFaults = faults
	// Attaching to functions and detaching takes too long to be worth it for a trace that
	// costs more anyway.
	k.Functions = !o.Older.EntryTracepoint && !o.Older.ExitTracepoint && k.UnwindTables && attachesToFunctions()
	return nil
}

// attachesToFunctions tries to attach to one of the functions that callPrograms need.
func attachesToFunctions() bool {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFExit, AttachTo: "__x64_sys_mremap", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return false
	}
	defer prog.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	return err == nil && l.Close() == nil
}

// resumePrograms lists the programs of bpf/calls.h that use task work to see calls begin and
// end, by the kernel function that they call and its number of parameters.
var resumePrograms = []struct {
	function   string
	parameters int
	program    string
}{
	{"bpf_task_work_schedule_resume", 4, "lock_taken_resume"},
	{"bpf_task_work_schedule_resume_impl", 5, "lock_taken_resume_impl"},
}

// resumeProgramFor names the program that calls what this kernel has, "" if none does.
func resumeProgramFor(types *btf.Spec) string {
	for _, p := range resumePrograms {
		var f *btf.Func
		if types.TypeByName(p.function, &f) != nil {
			continue
		}
		if proto, ok := f.Type.(*btf.FuncProto); ok && len(proto.Params) == p.parameters {
			return p.program
		}
	}
	return ""
}

// parameters returns how many parameters a tracepoint has, 0 if there is no such tracepoint.
// The first parameter in its type is the kernel's own and does not count.
func parameters(types *btf.Spec, tracepoint string) int {
	var def *btf.Typedef
	if types.TypeByName("btf_trace_"+tracepoint, &def) != nil {
		return 0
	}
	pointer, ok := def.Type.(*btf.Pointer)
	if !ok {
		return 0
	}
	proto, ok := pointer.Target.(*btf.FuncProto)
	if !ok {
		return 0
	}
	return len(proto.Params) - 1
}

func parseRelease(release string) (v [3]int) {
	// What does not parse stays 0: "6.18-rc1" is 6.18.0.
	fmt.Sscanf(release, "%d.%d.%d", &v[0], &v[1], &v[2])
	return v
}

// checkPIDNamespace returns an error where the pids that the user types are not those that BPF
// programs see.
func checkPIDNamespace() error {
	const initial = "pid:[4026531836]" // PROC_PID_INIT_INO, include/linux/proc_ns.h
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err == nil && ns != initial {
		return &RequirementError{
			Needs:  "the host's PID namespace",
			Remedy: "run it on the host, or the container with --pid=host (Kubernetes: hostPID: true)",
		}
	}
	return nil
}

// ReturnProbesKill reports whether this kernel's return probes can kill a process. It enters
// them by a system call that the process's own seccomp filter sees: Linux 6.11 introduced the
// call (ff474a78cef5); 6.14 and the stable releases 6.12.14 and 6.13.3 let it pass
// (cf6cb56ef244).
func (k Features) ReturnProbesKill() bool {
	switch v := k.version; {
	case v[0] != 6:
		return false
	case v[1] == 11:
		return true
	case v[1] == 12:
		return v[2] < 14
	case v[1] == 13:
		return v[2] < 3
	}
	return false
}
