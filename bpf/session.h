/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Uprobe sessions (Linux 6.13): one program sees both entry and return of an allocation
 * function, and says at the entry whether it wants to see the return. Only this lets a call
 * go without a return probe: see ELSEWHERE. The entries of realloc and free have programs of
 * their own all the same, because they have to be seen longer than the returns. Of the two
 * programs at that place either may run first.
 */
#ifndef MEMTRACE_SESSION_H
#define MEMTRACE_SESSION_H

static __always_inline bool wants_return(struct pt_regs *ctx, const struct task_struct *task,
					 __u64 id, struct thread *t, __u32 shape)
{
	if (!(live & LIVE_ALLOCS))
		return false;
	if (!t)
		t = this_thread(id);
	if (!t)
		return false;
	note_autodisarm(t, task);
	if (shape & (SHAPE_REALLOC | SHAPE_FREE))
		return standing(t, STACK_POINTER(ctx)) == OUTERMOST;
	if (shape == SHAPE_MALLOC) {
		t->alloc = INSTRUCTION(ctx);
		t->alloc_version = slots_version;
	}
	return begin_alloc(ctx, t, shape);
}

/*
 * Most calls are to one function, and a program spends most of its time in helpers. So the
 * thread remembers that function's address, and no helper has to tell its shape and whether
 * this is a return. It cannot be one: no call returns to the place of an entry probe.
 */
static __always_inline int call_or_return(struct pt_regs *ctx, bool tables)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 id = (__u64)task->tgid << 32 | (__u32)task->pid;
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	__u64 ip = INSTRUCTION(ctx);
	__u32 shape;

	if (t && t->alloc == ip && t->alloc_version == slots_version) {
		note_autodisarm(t, task);
		return !(live & LIVE_ALLOCS && begin_alloc(ctx, t, SHAPE_MALLOC));
	}
	if (bpf_get_func_ip(ctx) == ip) {
		shape = bpf_get_attach_cookie(ctx);
		if (!(shape & SHAPE_RETURN))
			return !wants_return(ctx, task, id, t, shape);
	}
	leave(ctx, id, t, tables);
	return 1; /* ignored at a return */
}

SEC("uprobe.session/alloc")
int call_alloc(struct pt_regs *ctx)
{
	own_session_stack(ctx);
	return call_or_return(ctx, true);
}

SEC("uprobe.session/alloc")
int call_alloc_fp(struct pt_regs *ctx)
{
	own_session_stack(ctx);
	return call_or_return(ctx, false);
}

#endif
