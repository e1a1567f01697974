/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Allocation functions. The entry program notes the call's arguments, and the return
 * program reports the block. Of nested calls (realloc or operator new calls malloc) only the
 * outermost counts. A block that a call gives up is reported at the call's entry, because
 * another thread may be handed the same address as soon as the function runs.
 */
#ifndef MEMTRACE_MALLOC_H
#define MEMTRACE_MALLOC_H

/* Notes the thread's call and returns true, if it counts. Else its return is to be ignored. */
static __always_inline bool begin(struct pt_regs *ctx, struct thread *t, __u32 function,
				  __u64 size)
{
	__u64 sp = STACK_POINTER(ctx);

	switch (standing(t, sp)) {
	case NESTED:
		t->call.nested++;
		return false;
	case ELSEWHERE:
		t->call.nested++;
		COUNT(lost_alloc_bytes, size);
		COUNT(lost_alloc, 1);
		return false;
	case OUTERMOST:
		put_aside(t, sp);
	}
	look_for_signal_stack(t, sp);
	t->call = (struct call){.sp = sp, .size = size, .function = function, .generation = generation};
	return true;
}

/* begin for the functions whose arguments say the size: all but realloc and operator new. */
static __always_inline bool begin_role(struct pt_regs *ctx, struct thread *t, __u64 role)
{
	__u32 function = FN_ALLOC;
	__u64 size = ARG0(ctx);

	switch (role) {
	case ROLE_CALLOC:
		/* If the product overflows, the call fails and reports nothing. */
		size *= ARG1(ctx);
		break;
	case ROLE_MEMALIGN:
		size = ARG1(ctx);
		break;
	case ROLE_POSIX_MEMALIGN:
		function = FN_POSIX_MEMALIGN;
		size = ARG2(ctx);
		break;
	}
	if (!begin(ctx, t, function, size))
		return false;
	if (role == ROLE_POSIX_MEMALIGN)
		t->call.out = ARG0(ctx);
	return true;
}

/* The state of the thread if its allocations are reported now, else NULL. */
static __always_inline struct thread *counted_thread(__u64 id)
{
	return live & LIVE_ALLOCS ? this_thread(id) : NULL;
}

/* A block left the live set. t is NULL if the thread has no state, and never for
 * EV_REALLOC_ENTER, which may still fail. */
static __always_inline void gone(struct thread *t, __u8 kind, __u64 id, __u64 addr)
{
	__u32 chunk = chunk_units(t, addr);
	__u64 time = bpf_ktime_get_ns();

	if (emit_short(kind, id, time, addr, chunk, wake_flags(time)))
		return;
	if (kind == EV_REALLOC_ENTER && t) {
		t->call.spilled = 1;
		spilled_realloc_freed(id, addr);
	}
	spill(kind, 0, id, time, addr, 0, chunk);
}

#define ENTER(function, role)                                                  \
	SEC("uprobe/" #function)                                               \
	int enter_##function(struct pt_regs *ctx)                              \
	{                                                                      \
		struct thread *t;                                              \
                                                                               \
		own_stack(ctx);                                                \
		t = counted_thread(bpf_get_current_pid_tgid());                \
		if (t)                                                         \
			begin_role(ctx, t, role);                              \
		return 0;                                                      \
	}

/* malloc(size), valloc(size), pvalloc(size). */
ENTER(alloc, ROLE_ALLOC)
/* calloc(count, size). */
ENTER(calloc, ROLE_CALLOC)
/* memalign(alignment, size), aligned_alloc(alignment, size). */
ENTER(memalign, ROLE_MEMALIGN)
/* int posix_memalign(void **out, alignment, size). */
ENTER(posix_memalign, ROLE_POSIX_MEMALIGN)

/*
 * operator new(size) and operator new(size, alignment), which throw if there is no memory.
 * No exception can pass a function with a return probe: the unwinder does not know the
 * address that the function seems to return to, and the program ends. So the probes are on
 * the function's return instructions instead, and run leave_alloc or call_alloc.
 */
SEC("uprobe/new")
int enter_new(struct pt_regs *ctx)
{
	struct thread *t;

	own_stack(ctx);
	t = counted_thread(bpf_get_current_pid_tgid());
	if (t && begin(ctx, t, FN_NEW, ARG0(ctx)) &&
	    bpf_probe_read_user(&t->call.return_to, sizeof(t->call.return_to), (void *)t->call.sp))
		t->call.return_to = 0;
	return 0;
}

/* realloc(old, size). */
SEC("uprobe/realloc")
int enter_realloc(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 old = ARG0(ctx), size = ARG1(ctx);
	struct thread *t;
	bool counts;

	own_stack(ctx);
	t = counted_thread(id);
	counts = t && begin(ctx, t, FN_REALLOC, size);
	if (!old)
		return 0;
	if (!counts) {
		/* The call does not count because it is nested, because there is no room
		 * for the thread's state, or because only frees are reported. In the last
		 * two cases the old block leaves all the same. */
		if (live & LIVE_FREES && !t && is_target(id >> 32))
			gone(NULL, EV_FREE, id, old);
		return 0;
	}
	/* Size 0 frees. If the allocator returns a block, that is a new one. */
	if (!size) {
		t->call.freed = old;
		gone(t, EV_FREE, id, old);
		return 0;
	}
	t->call.old = old;
	gone(t, EV_REALLOC_ENTER, id, old);
	return 0;
}

/* free(block), cfree(block), operator delete(block). */
SEC("uprobe/free")
int enter_free(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), addr = ARG0(ctx);
	struct thread *t;

	own_stack(ctx);
	if (!addr || !(live & LIVE_FREES))
		return 0;
	t = bpf_map_lookup_elem(&threads, &id);
	if (t) {
		/* A free inside realloc(p, 0), which has reported it. */
		if (in_flight(t) && t->call.freed == addr && STACK_POINTER(ctx) < t->call.sp && return_pending(t))
			return 0;
	} else if (!is_target(id >> 32)) {
		return 0;
	}
	gone(t, EV_FREE, id, addr);
	return 0;
}

/* realloc returned NULL: the old block is still there. */
static __always_inline void realloc_failed(struct thread *t, __u64 id)
{
	struct spill_key key = {
		.addr = t->call.old,
		.tgid = id >> 32,
		.kind = EV_REALLOC_ENTER,
	};
	__u64 time = bpf_ktime_get_ns();

	if (t->call.spilled)
		bpf_map_delete_elem(&spills, &key);
	if (!emit_short(EV_REALLOC_FAIL, id, time, t->call.old, 0, wake_flags(time)))
		COUNT(lost_alloc, 1);
}

/* The return of a call. t is NULL if the thread has no state. */
static __always_inline int leave(struct pt_regs *ctx, __u64 id, struct thread *t, bool tables)
{
	__u64 addr = RESULT(ctx), time, stack;
	__u64 ip = INSTRUCTION(ctx), sp = STACK_POINTER(ctx);
	__u8 kind;

	if (!t || (!in_flight(t) && !take_back(t, sp)))
		return 0;
	if (t->call.function == FN_NEW) {
		/* At its return instruction: the return address is still on the stack. */
		if (sp != t->call.sp)
			return 0;
		ip = t->call.return_to;
		sp += CALL_PUSHES;
	} else if (sp != t->call.sp + CALL_PUSHES) {
		return 0;
	}
	t->call.sp = 0;
	if (t->call.function == FN_POSIX_MEMALIGN) {
		/* On failure the out-parameter has not been set. */
		if ((int)addr)
			return 0;
		if (bpf_probe_read_user(&addr, sizeof(addr), (void *)t->call.out)) {
			COUNT(lost_alloc, 1);
			COUNT(lost_alloc_bytes, t->call.size);
			return 0;
		}
	}
	if (!addr) {
		if (t->call.old)
			realloc_failed(t, id);
		return 0;
	}
	if (t->call.size < min_size || t->call.size > max_size)
		return 0;
	*handed_at(t, addr) = addr;
	time = bpf_ktime_get_ns();
	stack = capture_stack(ctx, t, id, time, ip, sp, FRAME_POINTER(ctx), false, tables);
	kind = t->call.function == FN_REALLOC ? EV_REALLOC : EV_ALLOC;
	if (emit_long(kind, chunk_flags(t, addr, time), id, time, addr, t->call.size, stack, t->call.old,
		      wake_flags(time)))
		return 0;
	COUNT(lost_alloc, 1);
	COUNT(lost_alloc_bytes, t->call.size);
	return 0;
}

SEC("uretprobe/alloc")
int leave_alloc(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();

	own_stack(ctx);
	return leave(ctx, id, bpf_map_lookup_elem(&threads, &id), true);
}

SEC("uretprobe/alloc")
int leave_alloc_fp(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();

	own_stack(ctx);
	return leave(ctx, id, bpf_map_lookup_elem(&threads, &id), false);
}

/*
 * Uprobe sessions (Linux 6.13): one program sees both entry and return of an allocation
 * function, and says at the entry whether it wants to see the return. Only this lets a call
 * go without a return probe: see ELSEWHERE. The entry of realloc has a program of its own
 * all the same (enter_realloc), because it has to be seen longer than the return. Of the two
 * programs at that place either may run first.
 */
static __always_inline bool wants_return(struct pt_regs *ctx, const struct task_struct *task,
					 __u64 id, struct thread *t, __u64 role)
{
	if (!(live & LIVE_ALLOCS))
		return false;
	if (!t)
		t = this_thread(id);
	if (!t)
		return false;
	note_autodisarm(t, task);
	if (role == ROLE_REALLOC)
		return standing(t, STACK_POINTER(ctx)) == OUTERMOST;
	if (role == ROLE_ALLOC) {
		t->alloc = INSTRUCTION(ctx);
		t->alloc_version = slots_version;
	}
	return begin_role(ctx, t, role);
}

/*
 * Most calls are to one function, and a program spends most of its time in helpers. So the
 * thread remembers that function's address, and no helper has to tell its role and whether
 * this is a return. It cannot be one: no call returns to the place of an entry probe.
 */
static __always_inline int call_or_return(struct pt_regs *ctx, bool tables)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 id = (__u64)task->tgid << 32 | (__u32)task->pid;
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	__u64 role, ip = INSTRUCTION(ctx);

	if (t && t->alloc == ip && t->alloc_version == slots_version) {
		note_autodisarm(t, task);
		return !(live & LIVE_ALLOCS && begin_role(ctx, t, ROLE_ALLOC));
	}
	if (bpf_get_func_ip(ctx) == ip) {
		role = bpf_get_attach_cookie(ctx);
		if (role != ROLE_NEW_RETURN)
			return !wants_return(ctx, task, id, t, role);
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

/* For a probe that only has to be in place: tracer/probe/anchor.go. */
SEC("uprobe/anchor")
int anchor(struct pt_regs *ctx)
{
	return 0;
}

#endif
