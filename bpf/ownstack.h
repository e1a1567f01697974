/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which stack of the kernel a program runs on. */
#ifndef MEMTRACE_OWNSTACK_H
#define MEMTRACE_OWNSTACK_H

/* Always empty: see own_stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} no_programs SEC(".maps");

const volatile bool never = false;

/*
 * Keeps a uprobe program on the kernel's stack. Since Linux 6.13 (commit a76ab5731e32) the
 * kernel gives programs of this type a stack for each CPU instead, on the belief that
 * nothing can preempt them. But uprobe programs can preempt one another. Then the stacks
 * get mixed up and the kernel crashes. A program with a tail call anywhere keeps the
 * kernel's stack, and the verifier then removes the call as dead code.
 */
static __always_inline void own_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &no_programs, 0);
}

/* Always empty, too. Programs that are attached in different ways must not share a map. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} no_sessions SEC(".maps");

static __always_inline void own_session_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &no_sessions, 0);
}

#endif
