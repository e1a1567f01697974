/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which of a thread's calls count: only the outermost of nested ones, and what tells them
 * apart where a thread jumps out of one, throws, or is interrupted by a signal.
 */
#ifndef MEMTRACE_STANDING_H
#define MEMTRACE_STANDING_H

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

	if (!CALL_PUSHES || bpf_probe_read_user(&word, sizeof(word), (void *)t->call.sp))
		return true;
	return word == (t->call.function == FN_NEW ? t->call.return_to : trampoline());
}

/* Whether the kernel knows of a return probe of the call in flight: it learns late that a
 * call is gone. */
static __always_inline bool return_known(const struct thread *t)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct return_instance *r = BPF_CORE_READ(task, utask, return_instances);
	int i;

	for (i = 0; i < 4 && r; i++) { /* other tools have probes, too */
		if (BPF_CORE_READ(r, stack) == t->call.sp)
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

	return sp - start < size && t->call.sp - start >= size;
}

static __always_inline enum standing standing(const struct thread *t, __u64 sp)
{
	bool many;

	if (!in_flight(t) || sp == t->call.sp)
		return OUTERMOST;
	many = t->call.nested >= MOST_NESTED;
	if (sp < t->call.sp)
		return return_pending(t) && !many ? NESTED : OUTERMOST;
	if (t->call.function == FN_NEW)
		return OUTERMOST;
	if (on_signal_stack(t, sp))
		return ELSEWHERE;
	/* It was left by a jump, or this is a signal stack that is put aside. */
	return t->autodisarm && return_known(t) && !many ? ELSEWHERE : OUTERMOST;
}

/* Counts, so many times, a call that was in flight and will not return: what it and calls
 * within it allocated is not known. One of operator new has thrown. */
static __always_inline void count_stale(const struct call *c, __u64 times)
{
	if (c->function != FN_NEW)
		COUNT(stale, times);
	/* Before it throws it allocates, too. */
	if (c->function != FN_NEW || c->nested >= MOST_NESTED)
		COUNT(lost_alloc, c->nested * times);
}

/*
 * The call in flight seems gone. It is remembered all the same: a signal can come when it is
 * on the kernel's trampoline, where return_pending() cannot tell, and then it does return.
 */
static __always_inline void put_aside(struct thread *t, __u64 sp)
{
	/* What was put aside lower on the stack cannot return any more. */
	if (t->aside.sp <= sp)
		t->aside.sp = 0;
	if (!in_flight(t) || sp == t->call.sp)
		return;
	count_stale(&t->call, 1);
	if (sp < t->call.sp && t->call.function != FN_NEW)
		t->aside = t->call;
}

/* Whether a return, where the stack pointer is sp, is that of the call that was put aside:
 * that is in flight again then. */
static __always_inline bool take_back(struct thread *t, __u64 sp)
{
	const struct call *a = &t->aside;

	if (!a->sp || a->generation != generation || sp != a->sp + CALL_PUSHES)
		return false;
	t->call = *a;
	t->aside.sp = 0;
	count_stale(&t->call, -1);
	return true;
}

/* Without sessions nothing keeps the kernel from what ELSEWHERE is about. */
static __always_inline void look_for_signal_stack(const struct thread *t, __u64 sp)
{
	struct task_struct *task;

	if (sessions || t->call.function)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	if (BPF_CORE_READ(task, sas_ss_size) && BPF_CORE_READ(task, sas_ss_sp) > sp)
		COUNT(high_signal_stack, 1);
}

/* Remembers that the thread's signal stack is one that the kernel puts aside, and then
 * knows nothing of, while a handler runs on it. */
static __always_inline void note_autodisarm(struct thread *t, const struct task_struct *task)
{
	if (task->sas_ss_flags & SS_AUTODISARM)
		t->autodisarm = 1;
}

#endif
