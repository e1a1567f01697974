/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs that see system calls begin and end. The raw tracepoints at the entry and
 * exit of every call need no tracefs and are on every kernel. But they cost every call of
 * every process on the machine some 85 ns at the entry and 45 ns at the exit. So user space
 * uses something cheaper where it can: lock_taken for the entry, lock_taken_resume for both,
 * or in growth mode the functions behind the calls, which take seconds to attach to on some
 * machines.
 *
 * Kernel floors: the functions need a kernel that lets programs attach to functions
 * (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS), which user space finds out by trying.
 * lock_taken needs Linux 6.14 and lock_taken_resume 6.18, which user space finds out from
 * the kernel's BTF.
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

/* The functions behind the calls. Other system calls cost nothing. */
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

SEC("fentry/" SYS_FUNCTION("shmdt"))
int BPF_PROG(enter_shmdt, const struct pt_regs *regs)
{
	vm_left(EV_SHMDT, regs, SYS_ARG0(regs), 0, 0);
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
LEAVE(shmat)

/* The registers of the task's system call, if that has just taken the lock to change the
 * task's own address space. Else NULL. */
static __always_inline struct pt_regs *locking_call(struct task_struct *task, struct mm_struct *mm,
						    bool write, bool success)
{
	/* Nearly everything else that takes the lock, such as page faults, only reads. */
	if (!write || !success || !(live & LIVE_CALLS) || !is_target(bpf_get_current_pid_tgid() >> 32))
		return NULL;
	if (task->mm != mm)
		return NULL; /* another process's address space, through /proc */
	return (struct pt_regs *)bpf_task_pt_regs(task);
}

/*
 * The entry of calls, where programs are not attached to functions. A call passes this
 * tracepoint when it has just taken the lock on the address space. So the calls of several
 * threads are seen in the order in which the kernel makes them take effect. A call that
 * fails before it has no entry, which the reader allows for.
 */
SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(lock_taken, struct mm_struct *mm, bool write, bool success)
{
	struct pt_regs *regs = locking_call(bpf_get_current_task_btf(), mm, write, success);

	return regs ? call_entered(regs, (__u32)SYS_NUMBER(regs)) : 0;
}

/*
 * The end of calls, where the kernel lets programs ask to be called back. The thread that
 * has taken the lock runs call_resumed on its way back to user mode. That costs the call an
 * interrupt, which the processor sends to itself. Other calls cost nothing.
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

	/* Too late: these are no longer the call's registers. */
	if ((__u32)SYS_NUMBER(regs) != r->number) {
		COUNT(lost_mmap, 1);
		return 0;
	}
	/* Callbacks may sleep, so only this lock keeps the unwind tables alive. */
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
	case SYS_SHMAT:
	case SYS_SHMDT:
		return true;
	}
	return false;
}

/* Where a call keeps what its end needs. NULL if its end is of no interest, or if there is
 * no room, which is counted. */
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

/* Kernels differ in the arguments of the function that schedules the callback, and a program
 * that calls it with the wrong ones does not load. So there are two variants. */
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
