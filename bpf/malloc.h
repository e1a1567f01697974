/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Allocation functions. The entry program notes the call's arguments, and the return
 * program reports the block. Of nested calls (realloc or operator new calls malloc) only the
 * outermost counts. A block that a call gives up is reported at the call's entry, because
 * another thread may be handed the same address as soon as the function runs.
 */
#ifndef MEMTRACE_MALLOC_H
#define MEMTRACE_MALLOC_H

/* Within a wrapper's call, more than this (bytes) above twice what was asked for is a slab. */
#define MOST_SPARE 512

/* Notes which function serves the call in flight, in which this one is called for size bytes. */
static __always_inline void pass(struct thread *t, __u64 server, __u32 shape, __u64 size)
{
	struct call *c = &t->call;

	if (!(c->shape & SHAPE_PASSES) || c->passed)
		return;
	if (size < c->size || size - c->size > c->size + MOST_SPARE)
		return;
	c->server = server;
	c->passed = !(shape & SHAPE_PASSES);
	t->plain = size == c->size; /* no room for a header */
}

/* Notes the thread's call and returns true, if it counts. Else its return is to be ignored. */
static __always_inline bool begin(struct pt_regs *ctx, struct thread *t, __u32 shape, __u64 size)
{
	__u64 sp = STACK_POINTER(ctx);

	switch (standing(t, sp)) {
	case NESTED:
		t->call.nested++;
		pass(t, INSTRUCTION(ctx), shape, size);
		return false;
	case ELSEWHERE:
		t->call.nested++;
		if (size) /* a constant 0 would be added by an instruction that Linux 5.10 lacks */
			COUNT(lost_alloc_bytes, size);
		if (!(shape & SHAPE_FREE)) /* a free is reported all the same */
			COUNT(lost_alloc, 1);
		return false;
	case OUTERMOST:
		put_aside(t, sp);
	}
	look_for_signal_stack(t, sp);
	t->call = (struct call){
		.sp = sp, .size = size, .shape = shape, .generation = generation, .server = INSTRUCTION(ctx),
	};
	if (shape & SHAPE_THROWS &&
	    bpf_probe_read_user(&t->call.return_to, sizeof(t->call.return_to), (void *)sp))
		t->call.return_to = 0;
	return true;
}

/* begin for a function that neither frees nor resizes. */
static __always_inline bool begin_alloc(struct pt_regs *ctx, struct thread *t, __u32 shape)
{
	if (!begin(ctx, t, shape, size_asked(ctx, shape)))
		return false;
	if (SHAPE_OUT(shape))
		t->call.out = argument(ctx, SHAPE_OUT(shape));
	if (SHAPE_BUFFER(shape))
		t->call.out = argument(ctx, SHAPE_BUFFER(shape));
	return true;
}

/* The state of the thread if its allocations are reported now, else NULL. */
static __always_inline struct thread *counted_thread(__u64 id)
{
	return live & LIVE_ALLOCS ? this_thread(id) : NULL;
}

/* A block left the live set by a function of this shape. t is NULL if the thread has no state, and
 * never for EV_REALLOC_ENTER, which may still fail. sampled says that its stack may be read. */
static __always_inline void gone(struct pt_regs *ctx, struct thread *t, __u8 kind, __u8 flags, __u32 shape,
				 __u64 id, __u64 addr, bool sampled)
{
	__u32 chunk = chunk_units(t, shape, addr);
	__u64 time = bpf_ktime_get_ns();

	if (sampled && t && emit_sampled(ctx, t, flags, id, time, addr, chunk))
		return;
	if (emit_short(kind, flags, id, time, addr, chunk, wake_flags(time)))
		return;
	if (kind == EV_REALLOC_ENTER && t) {
		t->call.spilled = 1;
		spilled_realloc_freed(id, addr);
	}
	spill(kind, flags, id, time, addr, 0, chunk);
}

/*
 * The entry of a function that allocates, of the shape that the program was loaded for.
 *
 * No exception can pass a function with a return probe: the unwinder does not know the
 * address that the function seems to return to, and the program ends. So where operator new
 * and others throw, the probes are on the function's return instructions instead, and run
 * leave_alloc or call_alloc.
 */
SEC("uprobe/alloc")
int enter_alloc(struct pt_regs *ctx)
{
	struct thread *t;

	own_stack(ctx);
	t = counted_thread(bpf_get_current_pid_tgid());
	if (t)
		begin_alloc(ctx, t, entry_shape());
	return 0;
}

/* Counts a block that a call gives up, if there is one where nothing can be read. It is a function
 * of its own because clang would merge the lookup with another one's, which the verifier refuses. */
static __noinline void block_unread(void)
{
	COUNT(lost_free, 1);
}

/* The entry of realloc(old, size) and the like. */
SEC("uprobe/realloc")
int enter_realloc(struct pt_regs *ctx)
{
	__u32 shape = entry_shape();
	__u64 id = bpf_get_current_pid_tgid();
	__u64 old = argument(ctx, SHAPE_BLOCK(shape)), at = old, size = size_asked(ctx, shape);
	struct thread *t;
	bool counts;

	own_stack(ctx);
	t = counted_thread(id);
	counts = t && begin(ctx, t, shape, size);
	if (shape & SHAPE_INDIRECT && bpf_probe_read_user(&old, sizeof(old), (void *)at)) {
		if (at && (counts || (live & LIVE_FREES && !t && is_target(id >> 32))))
			block_unread();
		old = 0;
	}
	if (counts && SHAPE_OUT(shape))
		t->call.out = argument(ctx, SHAPE_OUT(shape));
	if (!old)
		return 0;
	if (!counts) {
		/* The call does not count because it is nested, because there is no room
		 * for the thread's state, or because only frees are reported. In the last
		 * two cases the old block leaves all the same. */
		if (live & LIVE_FREES && !t && is_target(id >> 32))
			gone(ctx, NULL, EV_FREE, 0, shape, id, old, false);
		return 0;
	}
	t->call.freed = old;
	/* Size 0 frees. If the allocator returns a block, that is a new one. */
	if (shape & SHAPE_FREES || (!size && !(shape & SHAPE_KEEPS))) {
		gone(ctx, t, EV_FREE, 0, shape, id, old, false);
		return 0;
	}
	t->call.old = old;
	gone(ctx, t, EV_REALLOC_ENTER, 0, shape, id, old, false);
	return 0;
}

/*
 * A free inside the thread's call in flight, if there is one. Returns EV_IN_ALLOCATOR if that is one
 * of a wrapper, which may free what it was asked to under another address, or something of its own.
 * Sets *again if the call has reported the block.
 */
static __always_inline __u8 free_within(struct pt_regs *ctx, struct thread *t, __u64 addr, __u32 shape, bool *again)
{
	bool wrapper = t->call.shape & SHAPE_PASSES;

	if (!in_flight(t) || STACK_POINTER(ctx) > t->call.sp)
		return 0;
	*again = t->call.freed == addr;
	if ((!*again && !wrapper) || !return_pending(t)) {
		*again = false;
		return 0;
	}
	if (*again && wrapper && !(shape & SHAPE_FOREIGN))
		t->plain = 1;
	return wrapper ? EV_IN_ALLOCATOR : 0;
}

/* The entry of free(block), operator delete(block) and the like. sampled says that its stack may be
 * read. */
static __always_inline int freed(struct pt_regs *ctx, bool sampled)
{
	__u32 shape = entry_shape();
	__u64 id = bpf_get_current_pid_tgid(), addr = argument(ctx, SHAPE_BLOCK(shape));
	struct thread *t;
	bool again = false;
	__u8 flags = 0;

	if (!addr || !(live & LIVE_FREES))
		return 0;
	/* This makes its state. */
	t = shape & SHAPE_WRAPS ? counted_thread(id) : NULL;
	if (!t)
		t = bpf_map_lookup_elem(&threads, &id);
	if (t) {
		flags = free_within(ctx, t, addr, shape, &again);
		if (again)
			return 0;
		if (shape & SHAPE_WRAPS && live & LIVE_ALLOCS && begin(ctx, t, shape, 0))
			t->call.freed = addr;
	} else if (!is_target(id >> 32)) {
		return 0;
	} else if (sampled) {
		t = make_thread(id); /* it only frees; without state its frees are no samples */
	}
	gone(ctx, t, EV_FREE, flags, shape, id, addr, sampled);
	return 0;
}

SEC("uprobe/free")
int enter_free(struct pt_regs *ctx)
{
	own_stack(ctx);
	return freed(ctx, true);
}

SEC("uprobe/free")
int enter_free_fp(struct pt_regs *ctx)
{
	own_stack(ctx);
	return freed(ctx, false);
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
	if (!emit_short(EV_REALLOC_FAIL, 0, id, time, t->call.old, 0, wake_flags(time)))
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
	if (throws(&t->call)) {
		/* At its return instruction: the return address is still on the stack. */
		if (sp != t->call.sp)
			return 0;
		ip = t->call.return_to;
		sp += CALL_PUSHES;
	} else if (sp != t->call.sp + CALL_PUSHES) {
		return 0;
	}
	t->call.sp = 0;
	if (t->call.shape & SHAPE_RARE && !find_block(t, &addr))
		return 0;
	if (!addr) {
		if (t->call.old)
			realloc_failed(t, id);
		return 0;
	}
	if (t->call.size < min_size || t->call.size > max_size)
		return 0;
	*handed_at(t, addr) = addr;
	time = bpf_ktime_get_ns();
	stack = capture_stack(ctx, t, id, time, ip, sp, FRAME_POINTER(ctx), false, tables, t->call.server);
	/* Without an old block it is an allocation: glibc's realloc jumps to malloc then. */
	kind = t->call.old ? EV_REALLOC : EV_ALLOC;
	if (emit_long(kind, chunk_flags(t, addr, time), id, time, addr, t->call.size, stack, t->call.old, 0,
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

/* For a probe that only has to be in place: tracer/probe/anchor.go. */
SEC("uprobe/anchor")
int anchor(struct pt_regs *ctx)
{
	return 0;
}

#endif
