/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The lives of processes and threads: fork, exec, exit. */
#ifndef MEMTRACE_PROCESS_H
#define MEMTRACE_PROCESS_H

struct linux_binprm;

static __always_inline void lifecycle(__u8 kind, __u64 id, __u64 arg, __u32 extra)
{
	__u64 time = bpf_ktime_get_ns();
	/* User space has to act at once on another program and on the end of the process. */
	__u64 wake = kind == EV_FORK ? wake_flags(time) : BPF_RB_FORCE_WAKEUP;

	if (!emit_short(kind, 0, id, time, arg, extra, wake))
		spill(kind, 0, id, time, arg, 0, extra);
}

/*
 * Runs in the parent, before the child runs. A new thread is a child of the same tgid. A
 * child that is followed is a target from here on, so that none of its events is missed.
 */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = child->tgid, slot = SLOT_UNKNOWN;

	if (child->tgid == parent->tgid || !live || !is_target(id >> 32))
		return 0;
	lifecycle(EV_FORK, id, tgid, child->mm == parent->mm);
	if (follow && bpf_map_update_elem(&targets, &tgid, &slot, BPF_ANY))
		COUNT(lost_thread, 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	__u64 id = bpf_get_current_pid_tgid(), old = (id >> 32) << 32 | (__u32)old_pid;
	__u32 tgid = id >> 32, *slot = bpf_map_lookup_elem(&targets, &tgid);

	if (!slot)
		return 0;
	/* The old program's unwind rules do not apply to the new one. */
	*slot = SLOT_UNKNOWN;
	/* The thread that called exec has taken over the leader's tid. */
	bpf_map_delete_elem(&threads, &old);
	bpf_map_delete_elem(&resumes, &old);
	bpf_map_delete_elem(&threads, &id);
	lifecycle(EV_EXEC, id, (__u32)old_pid != (__u32)(id >> 32), 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;

	bpf_map_delete_elem(&threads, &id);
	bpf_map_delete_elem(&resumes, &id);
	if (task->signal->live.counter || !is_target(tgid))
		return 0;
	/* As wait(2) reports it: the lower 7 bits are the signal that ended the process. */
	lifecycle(EV_EXIT, id, (__u32)task->exit_code, 0);
	/* The pid may be reused for a process that is not to be traced. */
	bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

#endif
