/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Return probes. Where a function has one, memtrace's or another tool's, the kernel puts the
 * address of its trampoline in the place of the return address at the function's entry, and keeps
 * the true one.
 */
#ifndef MEMTRACE_TRAMPOLINE_H
#define MEMTRACE_TRAMPOLINE_H

/* The address of the process's trampoline, 0 if it has none. */
static __always_inline __u64 trampoline(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
}

/* Among how many calls of the thread that have return probes one is looked for. */
#define RETURN_PROBES 64

/* Where a call with a return probe will really return to, 0 if the kernel does not know the call.
 * sp is the stack pointer at the call's entry. */
__noinline __u64 return_behind_trampoline(__u64 sp)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct return_instance *r = BPF_CORE_READ(task, utask, return_instances);
	int i;

	for (i = 0; i < RETURN_PROBES && r; i++) {
		if (BPF_CORE_READ(r, stack) == sp)
			return BPF_CORE_READ(r, orig_ret_vaddr);
		r = BPF_CORE_READ(r, next);
	}
	return 0;
}

#endif
