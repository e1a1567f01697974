/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Allocation functions. An entry program notes the call's arguments, the
 * return program reports the block; of nested calls (realloc reaching malloc,
 * operator new reaching malloc) only the outermost counts. What a call gives
 * up is reported when it is entered: once the function runs, another thread
 * may be handed the same address.
 */
#ifndef MEMTRACE_MALLOC_H
#define MEMTRACE_MALLOC_H

static __always_inline struct thread *enter(struct pt_regs *ctx, __u64 id, __u32 function,
					    __u64 size)
{
	__u64 sp = STACK_POINTER(ctx);
	struct thread *t;

	if (!(live & LIVE_ALLOCS))
		return NULL;
	t = this_thread(id);
	if (!t)
		return NULL;
	if (in_flight(t)) {
		if (sp < t->sp)
			return NULL;
		if (sp > t->sp)
			COUNT(stale, 1);
	}
	t->generation = generation;
	t->sp = sp;
	t->size = size;
	t->old = 0;
	t->out = 0;
	t->freed = 0;
	t->function = function;
	t->spilled = 0;
	return t;
}

/* A block left. t is that of a realloc, which may fail yet, else NULL. */
static __always_inline void gone(struct thread *t, __u8 kind, __u64 id, __u64 addr)
{
	__u64 time = bpf_ktime_get_ns();

	if (emit_short(kind, id, time, addr, wake_flags(time)))
		return;
	if (t) {
		t->spilled = 1;
		spilled_realloc_freed(id, addr);
	}
	spill(kind, 0, id, time, addr, 0);
}

/* malloc(size), valloc(size), pvalloc(size), operator new(size). */
SEC("uprobe/alloc")
int enter_alloc(struct pt_regs *ctx)
{
	own_stack(ctx);
	enter(ctx, bpf_get_current_pid_tgid(), FN_ALLOC, ARG0(ctx));
	return 0;
}

/* calloc(count, size). An overflowing product fails and reports nothing. */
SEC("uprobe/calloc")
int enter_calloc(struct pt_regs *ctx)
{
	own_stack(ctx);
	enter(ctx, bpf_get_current_pid_tgid(), FN_ALLOC, ARG0(ctx) * ARG1(ctx));
	return 0;
}

/* memalign(alignment, size), aligned_alloc(alignment, size). */
SEC("uprobe/memalign")
int enter_memalign(struct pt_regs *ctx)
{
	own_stack(ctx);
	enter(ctx, bpf_get_current_pid_tgid(), FN_ALLOC, ARG1(ctx));
	return 0;
}

/* int posix_memalign(void **out, alignment, size). */
SEC("uprobe/posix_memalign")
int enter_posix_memalign(struct pt_regs *ctx)
{
	struct thread *t;

	own_stack(ctx);
	t = enter(ctx, bpf_get_current_pid_tgid(), FN_POSIX_MEMALIGN, ARG2(ctx));
	if (t)
		t->out = ARG0(ctx);
	return 0;
}

/* realloc(old, size). */
SEC("uprobe/realloc")
int enter_realloc(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 old = ARG0(ctx), size = ARG1(ctx);
	struct thread *t;

	own_stack(ctx);
	t = enter(ctx, id, FN_REALLOC, size);
	if (!old)
		return 0;
	if (!t) {
		/* Not counted: nested, or for want of room, or since only frees are. In
		 * the last two cases the old block leaves all the same. */
		if (live & LIVE_FREES && (!(live & LIVE_ALLOCS) || !bpf_map_lookup_elem(&threads, &id)) &&
		    is_target(id >> 32))
			gone(NULL, EV_FREE, id, old);
		return 0;
	}
	/* Size 0 frees; where the allocator returns a new block, it is one. */
	if (!size) {
		t->freed = old;
		gone(NULL, EV_FREE, id, old);
		return 0;
	}
	t->old = old;
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
		/* realloc(p, 0) frees, and has said so. */
		if (in_flight(t) && t->freed == addr && STACK_POINTER(ctx) < t->sp)
			return 0;
	} else if (!is_target(id >> 32)) {
		return 0;
	}
	gone(NULL, EV_FREE, id, addr);
	return 0;
}

/* realloc returned NULL: the old block is still there. */
static __always_inline void realloc_failed(struct thread *t, __u64 id)
{
	struct spill_key key = {
		.addr = t->old,
		.tgid = id >> 32,
		.kind = EV_REALLOC_ENTER,
	};
	__u64 time = bpf_ktime_get_ns();

	if (t->spilled)
		bpf_map_delete_elem(&spills, &key);
	if (!emit_short(EV_REALLOC_FAIL, id, time, t->old, wake_flags(time)))
		COUNT(lost_alloc, 1);
}

static __always_inline int leave(struct pt_regs *ctx, bool tables)
{
	__u64 id = bpf_get_current_pid_tgid(), addr = RESULT(ctx), time, stack;
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	__u8 kind;

	if (!t || !in_flight(t) || STACK_POINTER(ctx) != t->sp + CALL_PUSHES)
		return 0;
	t->sp = 0;
	if (t->function == FN_POSIX_MEMALIGN) {
		/* On failure the out-parameter is whatever it was. */
		if ((int)addr)
			return 0;
		if (bpf_probe_read_user(&addr, sizeof(addr), (void *)t->out)) {
			COUNT(lost_alloc, 1);
			COUNT(lost_alloc_bytes, t->size);
			return 0;
		}
	}
	if (!addr) {
		if (t->old)
			realloc_failed(t, id);
		return 0;
	}
	if (t->size < min_size || t->size > max_size)
		return 0;
	time = bpf_ktime_get_ns();
	stack = capture_stack(ctx, t, id, time, INSTRUCTION(ctx), STACK_POINTER(ctx),
			      FRAME_POINTER(ctx), false, tables);
	kind = t->function == FN_REALLOC ? EV_REALLOC : EV_ALLOC;
	if (emit_long(kind, chunk_flags(t, addr, time), id, time, addr, t->size, stack, t->old,
		      wake_flags(time)))
		return 0;
	COUNT(lost_alloc, 1);
	COUNT(lost_alloc_bytes, t->size);
	return 0;
}

SEC("uretprobe/alloc")
int leave_alloc(struct pt_regs *ctx)
{
	own_stack(ctx);
	return leave(ctx, true);
}

SEC("uretprobe/alloc")
int leave_alloc_fp(struct pt_regs *ctx)
{
	own_stack(ctx);
	return leave(ctx, false);
}

/* For a probe that does nothing but be there: tracer/anchor.go. */
SEC("uprobe/anchor")
int anchor(struct pt_regs *ctx)
{
	return 0;
}

#endif
