/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where system calls are seen to begin and to end. The raw tracepoints at every
 * call's entry and exit need no tracefs and are there on every kernel, but they cost
 * every call of every process on the machine: some 85 ns the first, 45 ns the second.
 * Where there is something cheaper, user space takes that: lock_taken for the entry, and
 * in growth mode the functions, which take seconds to attach to on some machines.
 *
 * Kernel floors: for the functions of system calls a kernel that lets programs be
 * attached to functions (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS), which is tried;
 * for lock_taken Linux 6.14, whose BTF is asked for it.
 */
#ifndef MEMTRACE_CALLS_H
#define MEMTRACE_CALLS_H

SEC("tp_btf/sys_enter")
int BPF_PROG(enter_syscall, const struct pt_regs *regs, long number)
{
	return call_entered(regs, number);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_syscall, const struct pt_regs *regs, long result)
{
	return leave_syscall(ctx, regs, result, true);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_syscall_fp, const struct pt_regs *regs, long result)
{
	return leave_syscall(ctx, regs, result, false);
}

/* The functions behind the calls: all others cost nothing. */
SEC("fentry/" SYS_FUNCTION("munmap"))
int BPF_PROG(enter_munmap, const struct pt_regs *regs)
{
	vm_left(EV_MUNMAP, regs, SYS_ARG0(regs), SYS_ARG1(regs), 0);
	return 0;
}

SEC("fentry/" SYS_FUNCTION("mremap"))
int BPF_PROG(enter_mremap, const struct pt_regs *regs)
{
	vm_left(EV_MREMAP_ENTER, regs, SYS_ARG0(regs), SYS_ARG1(regs), SYS_ARG3(regs));
	return 0;
}

#define LEAVE(call)                                                            \
	SEC("fexit/" SYS_FUNCTION(#call))                                      \
	int BPF_PROG(leave_##call, const struct pt_regs *regs, long result)    \
	{                                                                      \
		return leave_syscall(ctx, regs, result, true);                 \
	}

LEAVE(brk)
LEAVE(mmap)
LEAVE(munmap)
LEAVE(mremap)
LEAVE(mprotect)

/*
 * The entry of calls, where there is no attaching to functions: this tracepoint is
 * passed only by what changes an address space, with the lock on that just taken. The
 * order that the kernel gives to the calls of several threads is the one that is
 * seen. A call that fails before this has no entry, which the reader puts up with.
 */
SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(lock_taken, struct mm_struct *mm, bool write, bool success)
{
	struct task_struct *task;
	struct pt_regs *regs;

	/* Nearly all others, page faults among them, only read. */
	if (!write || !success || !(live & LIVE_CALLS) || !is_target(bpf_get_current_pid_tgid() >> 32))
		return 0;
	task = bpf_get_current_task_btf();
	if (task->mm != mm)
		return 0; /* another process's, by way of /proc */
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	return call_entered(regs, (__u32)SYS_NUMBER(regs));
}

#endif
