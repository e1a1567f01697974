/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Walking a user stack by the rules of .eh_frame, which need no frame
 * pointers. The stack is copied in bulk and the copy is walked.
 *
 * Kernel floor: Linux 5.13 (global functions that take pointers: the verifier
 * looks at one step of the walk, not at every combination of 127 of them).
 */
#ifndef MEMTRACE_UNWIND_H
#define MEMTRACE_UNWIND_H

/*
 * Copies the stack from address on. A copy that would leave the stack's last
 * page fails as a whole, so the end is remembered: a thread near the top of
 * its stack does not pay for a failed copy at each call.
 */
static __always_inline bool copy_stack(struct thread *t, __u64 address)
{
	struct walk *w = &t->walk;
	__u64 size = sizeof(t->copy);

	if (address < t->stack_end && t->stack_end - address < size)
		size = t->stack_end - address;
	if (bpf_probe_read_user(t->copy, size, (void *)address)) {
		size = 4096 - (address & 4095);
		if (size > sizeof(t->copy))
			return false;
		if (bpf_probe_read_user(t->copy, size, (void *)address))
			return false;
		t->stack_end = address + size;
	}
	w->base = address;
	w->size = size;
	return size >= 8;
}

/* Reads a word of the stack, from the copy where it is there. */
static __always_inline bool stack_word(struct thread *t, __u64 address, __u64 *value)
{
	struct walk *w = &t->walk;
	__u64 offset = address - w->base;

	if (offset + 8 > w->size || offset > w->size) {
		if (!copy_stack(t, address))
			return false;
		offset = 0;
	}
	if (offset > sizeof(t->copy) - 8)
		return false;
	*value = *(__u64 *)(t->copy + offset);
	return true;
}

enum walk_end {
	WALK_ON,
	WALK_COMPLETE,  /* the outermost frame */
	WALK_NO_RULE,   /* no table covers the address, and no frame pointer helps */
	WALK_BAD_RULE,  /* a register is needed that is not known */
	WALK_BAD_STACK, /* unreadable, or it does not grow */
};

/* JIT code has no tables, but keeps frame pointers more often than not. */
static __always_inline int step_by_frame_pointer(struct thread *t)
{
	struct walk *w = &t->walk;
	__u64 cfa = w->bp + 16, ip, bp;

	if (w->bp < w->sp || w->bp & 7 || w->bp - w->sp > 1 << 20)
		return WALK_NO_RULE;
	if (!stack_word(t, w->bp, &bp) || !stack_word(t, w->bp + 8, &ip))
		return WALK_BAD_STACK;
	w->sp = cfa;
	w->bp = bp;
	w->ip = ip;
	return ip ? WALK_ON : WALK_COMPLETE;
}

/* The frame that a signal interrupted, from the ucontext on the stack. */
static __always_inline int step_by_signal(struct thread *t, __s32 offset)
{
	struct walk *w = &t->walk;
	__u64 context = w->sp + offset, ip, sp, bp;

	/* Offsets of rbp, rsp and rip: see unwind.SignalRBP. */
	if (!stack_word(t, context + 120, &bp) || !stack_word(t, context + 160, &sp) ||
	    !stack_word(t, context + 168, &ip))
		return WALK_BAD_STACK;
	w->ip = ip;
	w->sp = sp;
	w->bp = bp;
	w->exact = 1;
	return WALK_ON;
}

/* Moves from a frame to its caller. t is never NULL. */
__noinline int step(struct thread *t, __u32 tgid)
{
	struct unwind_rule *rule;
	struct walk *w;
	__s16 high, low;
	__u64 cfa, ip, bp;

	if (!t)
		return WALK_BAD_STACK;
	w = &t->walk;
	rule = rule_for(t, w->exact ? w->ip : w->ip - 1, tgid);
	if (!rule)
		return WALK_NO_RULE;
	high = rule->cfa_offset >> 16;
	low = rule->cfa_offset;
	w->exact = 0;
	switch (rule->cfa) {
	case CFA_RSP:
		cfa = w->sp + rule->cfa_offset;
		break;
	case CFA_RBP:
		cfa = w->bp + rule->cfa_offset;
		break;
	case CFA_PLT:
		cfa = w->sp + high + ((__s16)(w->ip & 15) >= low ? 8 : 0);
		break;
	case CFA_DEREF_RBP:
	case CFA_DEREF_RSP:
		if (!stack_word(t, (rule->cfa == CFA_DEREF_RBP ? w->bp : w->sp) + high, &cfa))
			return WALK_BAD_STACK;
		cfa += low;
		break;
	case CFA_SIGNAL:
		return step_by_signal(t, rule->cfa_offset);
	case CFA_END:
		return WALK_COMPLETE;
	case CFA_UNKNOWN:
		return step_by_frame_pointer(t);
	default:
		return WALK_BAD_RULE;
	}
	if (cfa <= w->sp || cfa & 7)
		return WALK_BAD_STACK;
	if (!stack_word(t, cfa - 8, &ip))
		return WALK_BAD_STACK;
	if (rule->rbp == RBP_AT_CFA || rule->rbp == RBP_EXPRESSION) {
		__u64 at = (rule->rbp == RBP_AT_CFA ? cfa : w->bp) + rule->rbp_offset;

		if (!stack_word(t, at, &bp))
			return WALK_BAD_STACK;
		w->bp = bp;
	} else if (rule->rbp == RBP_UNDEFINED) {
		/* Lost: a frame whose rule needs it fails the test of its CFA. */
		w->bp = 0;
	}
	w->sp = cfa;
	w->ip = ip;
	return ip ? WALK_ON : WALK_COMPLETE;
}

/*
 * Walks from the registers in t->walk, whose ip is the first frame, and stores up to
 * depth frames. t->frames and t->end say how many and why no more (WALK_ON: for
 * depth). They are left in memory, of which the verifier knows nothing: else it
 * would look at what follows once for each number of frames.
 */
static __always_inline void walk_stack(struct thread *t, __u32 tgid, __u32 depth)
{
	struct walk *w = &t->walk;
	__u32 n;
	int end = WALK_ON;

	if (!copy_stack(t, w->sp)) {
		w->base = w->sp;
		w->size = 0;
	}
	for (n = 0; n < MAX_FRAMES && n < depth && end == WALK_ON; n++) {
		/* Behind an instruction, as all other frames are. */
		t->stack.frames[n] = w->ip + w->exact;
		end = step(t, tgid);
	}
	t->frames = n;
	t->end = end;
}

#endif
