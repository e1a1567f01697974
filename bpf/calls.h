/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where system calls are seen to begin and to end. The raw tracepoints at every
 * call's entry and exit need no tracefs and are there on every kernel, but they cost
 * every call of every process on the machine: some 85 ns the first, 45 ns the second.
 * Where there is something cheaper, user space takes that: lock_taken for the entry,
 * lock_taken_resume for both, and in growth mode the functions, which take seconds to
 * attach to on some machines.
 *
 * Kernel floors: for the functions of system calls a kernel that lets programs be
 * attached to functions (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS), which is tried;
 * for lock_taken Linux 6.14, for lock_taken_resume 6.18, whose BTF is asked for them.
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

/* The registers of a system call of the task's own that changes its address space, and
 * now has the lock on it; else NULL. */
static __always_inline struct pt_regs *locking_call(struct task_struct *task, struct mm_struct *mm,
						    bool write, bool success)
{
	/* Nearly all others, page faults among them, only read. */
	if (!write || !success || !(live & LIVE_CALLS) || !is_target(bpf_get_current_pid_tgid() >> 32))
		return NULL;
	if (task->mm != mm)
		return NULL; /* another process's, by way of /proc */
	return (struct pt_regs *)bpf_task_pt_regs(task);
}

/*
 * The entry of calls, where there is no attaching to functions: this tracepoint is
 * passed only by what changes an address space, with the lock on that just taken. The
 * order that the kernel gives to the calls of several threads is the one that is
 * seen. A call that fails before this has no entry, which the reader puts up with.
 */
SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(lock_taken, struct mm_struct *mm, bool write, bool success)
{
	struct pt_regs *regs = locking_call(bpf_get_current_task_btf(), mm, write, success);

	return regs ? call_entered(regs, (__u32)SYS_NUMBER(regs)) : 0;
}

/*
 * The end of calls, where the kernel lets programs ask to be called back: the thread
 * that has taken the lock runs call_resumed on its way back to user mode. That costs the
 * call an interrupt, which the processor sends to itself, but no other call anything.
 */
struct resumed {
	struct bpf_task_work work;
	__u64 number; /* of the system call */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* raised at load where it is used */
	__type(key, __u64);     /* pid_tgid */
	__type(value, struct resumed);
} resumes SEC(".maps");

static int call_resumed(struct bpf_map *map, void *key, void *value)
{
	struct resumed *r = value;
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	/* Too late: the call's registers are no more. */
	if ((__u32)SYS_NUMBER(regs) != r->number) {
		COUNT(lost_mmap, 1);
		return 0;
	}
	/* Callbacks may sleep, and then nothing else keeps the tables for walks alive. */
	bpf_rcu_read_lock();
	leave_syscall(NULL, regs, RESULT(regs), true);
	bpf_rcu_read_unlock();
	return 0;
}

static __always_inline bool changes_space(__u32 number)
{
	switch (number) {
	case SYS_MMAP:
	case SYS_MPROTECT:
	case SYS_MUNMAP:
	case SYS_BRK:
	case SYS_MREMAP:
		return true;
	}
	return false;
}

/* Where a call keeps what its end needs; NULL if its end is not to be seen, or cannot
 * be, which is counted. */
static __always_inline struct resumed *resumed_of(struct pt_regs *regs)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct resumed *r;

	if (!regs || !changes_space(SYS_NUMBER(regs)))
		return NULL;
	r = bpf_map_lookup_elem(&resumes, &id);
	if (!r) {
		struct resumed none = {};

		bpf_map_update_elem(&resumes, &id, &none, BPF_NOEXIST);
		r = bpf_map_lookup_elem(&resumes, &id);
	}
	if (r)
		r->number = (__u32)SYS_NUMBER(regs);
	else
		COUNT(lost_mmap, 1);
	return r;
}

/* Kernels differ in what the function to schedule it is called with, and a program that
 * names one of another type does not load: so there are two of the same meaning. */
#define LOCK_TAKEN_RESUME(name, schedule, ...)                                                     \
	SEC("tp_btf/mmap_lock_acquire_returned")                                                   \
	int BPF_PROG(name, struct mm_struct *mm, bool write, bool success)                         \
	{                                                                                          \
		struct task_struct *task = bpf_get_current_task_btf();                             \
		struct pt_regs *regs = locking_call(task, mm, write, success);                     \
		struct resumed *r = resumed_of(regs);                                              \
                                                                                                   \
		if (!r)                                                                            \
			return 0;                                                                  \
		if (schedule(task, &r->work, &resumes, call_resumed, ##__VA_ARGS__))               \
			COUNT(lost_mmap, 1);                                                       \
		return call_entered(regs, (__u32)SYS_NUMBER(regs));                                \
	}

LOCK_TAKEN_RESUME(lock_taken_resume, bpf_task_work_schedule_resume)
LOCK_TAKEN_RESUME(lock_taken_resume_impl, bpf_task_work_schedule_resume_impl, NULL)

#endif
