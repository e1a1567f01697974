/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which of a thread's calls count. Of nested calls only the outermost does. A thread may also
 * jump out of a call, throw, or be interrupted by a signal, and this tells these apart.
 */
#ifndef MEMTRACE_STANDING_H
#define MEMTRACE_STANDING_H

/* How a call relates to the one that its thread has in flight. */
enum standing {
	OUTERMOST, /* none is in flight, or the one in flight will never return */
	NESTED,	   /* the call in flight made this one */
	/*
	 * The call in flight was interrupted, and this one is made on another stack above its
	 * own. A return probe would do harm here. The kernel takes a higher stack pointer as
	 * proof that the earlier call is gone and forgets its return address. When that call
	 * returns after all, the thread dies of SIGILL.
	 */
	ELSEWHERE,
};

/*
 * No allocation function makes this many calls within one. They come from a thread that has
 * left the function by siglongjmp(3), which nothing else has shown.
 */
#define MOST_NESTED 32

#define SS_AUTODISARM (1U << 31)

static __always_inline bool throws(const struct call *c)
{
	return c->shape & SHAPE_THROWS;
}

/*
 * Whether the call in flight can still return, that is, its return address is still in
 * place. True where this cannot be told, because the address is in a register or the stack
 * is swapped out. False also for a call that is just returning, on the trampoline, because
 * the trampoline writes to the stack.
 */
static __always_inline bool return_pending(const struct thread *t)
{
	__u64 word;

	if (!CALL_PUSHES || bpf_probe_read_user(&word, sizeof(word), (void *)t->call.sp))
		return true;
	return word == (throws(&t->call) ? t->call.return_to : trampoline());
}

/* Whether the kernel still has a return probe for the call in flight. It learns late that a
 * call is gone. */
static __always_inline bool return_known(const struct thread *t)
{
	return return_behind_trampoline(t->call.sp) != 0;
}

/* Whether the thread is on its signal stack and the call in flight is not. */
static __always_inline bool on_signal_stack(const struct thread *t, __u64 sp)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, sas_ss_sp), size = BPF_CORE_READ(task, sas_ss_size);

	return sp - start < size && t->call.sp - start >= size;
}

/* Whether the call in flight has jumped to the function that begins with the same stack
 * pointer. Another call would have put its own return address there. */
static __always_inline bool jumped(const struct thread *t)
{
	return CALL_PUSHES && !throws(&t->call) && return_pending(t);
}

static __always_inline enum standing standing(const struct thread *t, __u64 sp)
{
	bool many;

	if (!in_flight(t))
		return OUTERMOST;
	many = t->call.nested >= MOST_NESTED;
	if (sp == t->call.sp)
		return jumped(t) && !many ? NESTED : OUTERMOST;
	if (sp < t->call.sp)
		return return_pending(t) && !many ? NESTED : OUTERMOST;
	if (throws(&t->call))
		return OUTERMOST;
	if (on_signal_stack(t, sp))
		return ELSEWHERE;
	/* The thread has jumped out of that call, or this is a signal stack that the kernel
	 * has put aside. */
	return t->autodisarm && return_known(t) && !many ? ELSEWHERE : OUTERMOST;
}

/* Counts, so many times, a call that was in flight and will not return. What it and the calls
 * within it allocated is not known. A call of operator new has only thrown. */
static __always_inline void count_stale(const struct call *c, __u64 times)
{
	if (!throws(c))
		COUNT(stale, times);
	/* operator new makes allocation calls of its own before it throws, but few. */
	if (!throws(c) || c->nested >= MOST_NESTED)
		COUNT(lost_alloc, c->nested * times);
}

/*
 * The call in flight seems gone, but is remembered. If a signal comes while the call is on
 * the kernel's trampoline, return_pending() takes it for gone, and yet it will return.
 */
static __always_inline void put_aside(struct thread *t, __u64 sp)
{
	/* A call put aside at or below sp cannot return any more. */
	if (t->aside.sp <= sp)
		t->aside.sp = 0;
	if (!in_flight(t) || sp == t->call.sp)
		return;
	count_stale(&t->call, 1);
	if (sp < t->call.sp && !throws(&t->call))
		t->aside = t->call;
}

/* Whether a return with this stack pointer is that of the call put aside. If so, that call is
 * in flight again. */
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

/* Counts a new thread with a signal stack above its own. Without sessions nothing prevents
 * the harm that ELSEWHERE describes. */
static __always_inline void look_for_signal_stack(const struct thread *t, __u64 sp)
{
	struct task_struct *task;

	if (sessions || t->call.shape)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	if (BPF_CORE_READ(task, sas_ss_size) && BPF_CORE_READ(task, sas_ss_sp) > sp)
		COUNT(high_signal_stack, 1);
}

/* Remembers that the kernel puts the thread's signal stack aside while a handler runs on it,
 * and then does not know it as one. */
static __always_inline void note_autodisarm(struct thread *t, const struct task_struct *task)
{
	if (task->sas_ss_flags & SS_AUTODISARM)
		t->autodisarm = 1;
}

#endif
