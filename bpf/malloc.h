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

/* What a call is to the one that its thread has in flight. */
enum standing {
	OUTERMOST, /* none is in flight, or it will never return here */
	NESTED,	   /* that one made this */
	/*
	 * That one was interrupted, and this is made on another stack, above its own. A
	 * return probe would harm: for the kernel a higher stack pointer proves that the
	 * earlier call is gone. It forgets where that is to return to, and the thread dies
	 * of SIGILL when it does.
	 */
	ELSEWHERE,
};

/*
 * So many calls within one are too many for an allocation function. They come from a
 * thread that has left it by siglongjmp(3), which nothing else told.
 */
#define MOST_NESTED 32

#define SS_AUTODISARM (1U << 31)

/* The address that the kernel lets functions with a return probe return to. */
static __always_inline __u64 trampoline(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
}

/*
 * Whether the call in flight can still return: its return address is where it was. Where
 * that cannot be told (it is in a register, or the stack is swapped out) it can. Of a call
 * that is just returning, on the trampoline, this is false: that writes to the stack.
 */
static __always_inline bool return_pending(const struct thread *t)
{
	__u64 word;

	if (!CALL_PUSHES || bpf_probe_read_user(&word, sizeof(word), (void *)t->sp))
		return true;
	return word == (t->function == FN_NEW ? t->return_to : trampoline());
}

/* Whether the kernel knows of a return probe of the call in flight: it learns late that a
 * call is gone. */
static __always_inline bool return_known(const struct thread *t)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct return_instance *r = BPF_CORE_READ(task, utask, return_instances);
	int i;

	for (i = 0; i < 4 && r; i++) { /* other tools have probes, too */
		if (BPF_CORE_READ(r, stack) == t->sp)
			return true;
		r = BPF_CORE_READ(r, next);
	}
	return false;
}

/* Whether the thread is on its signal stack and the call in flight is not. */
static __always_inline bool on_signal_stack(const struct thread *t, __u64 sp)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, sas_ss_sp), size = BPF_CORE_READ(task, sas_ss_size);

	return sp - start < size && t->sp - start >= size;
}

static __always_inline enum standing standing(const struct thread *t, __u64 sp)
{
	bool many;

	if (!in_flight(t) || sp == t->sp)
		return OUTERMOST;
	many = t->nested >= MOST_NESTED;
	if (sp < t->sp)
		return return_pending(t) && !many ? NESTED : OUTERMOST;
	if (t->function == FN_NEW)
		return OUTERMOST;
	if (on_signal_stack(t, sp))
		return ELSEWHERE;
	/* It was left by a jump, or this is a signal stack that is put aside. */
	return t->autodisarm && return_known(t) && !many ? ELSEWHERE : OUTERMOST;
}

/* A call was in flight and will not return: what it and calls within it allocated is not
 * known. One of operator new has thrown. */
static __always_inline void count_stale(const struct thread *t, __u64 sp)
{
	if (!in_flight(t) || sp == t->sp)
		return;
	if (t->function != FN_NEW)
		COUNT(stale, 1);
	/* Before it throws it allocates, too. */
	if (t->function != FN_NEW || t->nested >= MOST_NESTED)
		COUNT(lost_alloc, t->nested);
}

/* Without sessions nothing keeps the kernel from what ELSEWHERE is about. */
static __always_inline void look_for_signal_stack(const struct thread *t, __u64 sp)
{
	struct task_struct *task;

	if (sessions || t->function)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	if (BPF_CORE_READ(task, sas_ss_size) && BPF_CORE_READ(task, sas_ss_sp) > sp)
		COUNT(high_signal_stack, 1);
}

/* Remembers that the thread's signal stack is one that the kernel puts aside, and then
 * knows nothing of, while a handler runs on it. */
static __always_inline void note_autodisarm(struct thread *t)
{
	if (sessions && bpf_get_current_task_btf()->sas_ss_flags & SS_AUTODISARM)
		t->autodisarm = 1;
}

/* The thread's state if the call counts, else NULL: its return is not to be seen. */
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
	switch (standing(t, sp)) {
	case NESTED:
		t->nested++;
		return NULL;
	case ELSEWHERE:
		t->nested++;
		COUNT(lost_alloc_bytes, size);
		COUNT(lost_alloc, 1);
		return NULL;
	case OUTERMOST:
		count_stale(t, sp);
	}
	look_for_signal_stack(t, sp);
	note_autodisarm(t);
	t->generation = generation;
	t->sp = sp;
	t->size = size;
	t->old = 0;
	t->out = 0;
	t->freed = 0;
	t->function = function;
	t->spilled = 0;
	t->nested = 0;
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

/* malloc(size), valloc(size), pvalloc(size). */
static __always_inline bool alloc_entered(struct pt_regs *ctx)
{
	return enter(ctx, bpf_get_current_pid_tgid(), FN_ALLOC, ARG0(ctx));
}

/* calloc(count, size). An overflowing product fails and reports nothing. */
static __always_inline bool calloc_entered(struct pt_regs *ctx)
{
	return enter(ctx, bpf_get_current_pid_tgid(), FN_ALLOC, ARG0(ctx) * ARG1(ctx));
}

/* memalign(alignment, size), aligned_alloc(alignment, size). */
static __always_inline bool memalign_entered(struct pt_regs *ctx)
{
	return enter(ctx, bpf_get_current_pid_tgid(), FN_ALLOC, ARG1(ctx));
}

/* int posix_memalign(void **out, alignment, size). */
static __always_inline bool posix_memalign_entered(struct pt_regs *ctx)
{
	struct thread *t = enter(ctx, bpf_get_current_pid_tgid(), FN_POSIX_MEMALIGN, ARG2(ctx));

	if (t)
		t->out = ARG0(ctx);
	return t;
}

#define ENTER(function)                                                        \
	SEC("uprobe/" #function)                                               \
	int enter_##function(struct pt_regs *ctx)                              \
	{                                                                      \
		own_stack(ctx);                                                \
		function##_entered(ctx);                                       \
		return 0;                                                      \
	}

ENTER(alloc)
ENTER(calloc)
ENTER(memalign)
ENTER(posix_memalign)

/*
 * operator new(size), with an alignment behind it or not, that throws where there is no
 * memory. No exception passes a function with a return probe: the unwinder does not know
 * the address that it then seems to return to, and the program ends. So there are probes
 * on its return instructions instead, which run leave_alloc.
 */
SEC("uprobe/new")
int enter_new(struct pt_regs *ctx)
{
	struct thread *t;

	own_stack(ctx);
	t = enter(ctx, bpf_get_current_pid_tgid(), FN_NEW, ARG0(ctx));
	if (t && bpf_probe_read_user(&t->return_to, sizeof(t->return_to), (void *)t->sp))
		t->return_to = 0;
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
		if (in_flight(t) && t->freed == addr && STACK_POINTER(ctx) < t->sp && return_pending(t))
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
	__u64 ip = INSTRUCTION(ctx), sp = STACK_POINTER(ctx);
	__u8 kind;

	if (!t || !in_flight(t))
		return 0;
	if (t->function == FN_NEW) {
		/* About to return. */
		if (sp != t->sp)
			return 0;
		ip = t->return_to;
		sp += CALL_PUSHES;
	} else if (sp != t->sp + CALL_PUSHES) {
		return 0;
	}
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
	stack = capture_stack(ctx, t, id, time, ip, sp, FRAME_POINTER(ctx), false, tables);
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

/*
 * Entry and return of an allocation function by one program, which says at the entry
 * whether it wants to see the return (Linux 6.13). Only so can a call be left without a
 * return probe: see ELSEWHERE. realloc's own program sees its entry, since that has to be
 * seen longer than its return: of the two at one place either may come first.
 */
static __always_inline bool wants_return(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t;

	switch (bpf_get_attach_cookie(ctx)) {
	case ROLE_ALLOC:
		return alloc_entered(ctx);
	case ROLE_CALLOC:
		return calloc_entered(ctx);
	case ROLE_MEMALIGN:
		return memalign_entered(ctx);
	case ROLE_POSIX_MEMALIGN:
		return posix_memalign_entered(ctx);
	}
	if (!(live & LIVE_ALLOCS))
		return false;
	t = bpf_map_lookup_elem(&threads, &id);
	return t ? standing(t, STACK_POINTER(ctx)) == OUTERMOST : is_target(id >> 32);
}

static __always_inline int call_or_return(struct pt_regs *ctx, bool tables)
{
	if (bpf_get_func_ip(ctx) != INSTRUCTION(ctx))
		return leave(ctx, tables);
	return !wants_return(ctx);
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

/* For a probe that does nothing but be there: tracer/anchor.go. */
SEC("uprobe/anchor")
int anchor(struct pt_regs *ctx)
{
	return 0;
}

#endif
