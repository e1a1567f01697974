/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Walking a user stack by the rules of .eh_frame, which need no frame pointers. The
 * stack is copied in bulk and the copy is walked.
 *
 * Kernel floor: Linux 5.13, for global functions that take pointers. With these the
 * verifier checks one step of the walk, not every combination of 127 steps.
 */
#ifndef MEMTRACE_UNWIND_H
#define MEMTRACE_UNWIND_H

/*
 * Copies the stack from address on, size bytes of it. A copy that goes beyond the stack's last
 * page fails as a whole. So the end of the stack is remembered, and a thread near it does not
 * pay for a failed copy at each call.
 */
static __always_inline bool copy_stack(struct thread *t, __u64 address, __u64 size)
{
	struct walk *w = &t->walk;

	/* A copy that fails leaves zeros, which must not be taken for the stack. */
	w->size = 0;
	if (address < t->stack_end && t->stack_end - address < size)
		size = t->stack_end - address;
	if (size > COPY_SIZE)
		size = COPY_SIZE;
	if (bpf_probe_read_user(t->copy, size, (void *)address)) {
		size = 4096 - (address & 4095);
		if (size > COPY_SIZE)
			return false;
		if (bpf_probe_read_user(t->copy, size, (void *)address))
			return false;
		t->stack_end = address + size;
	}
	w->base = address;
	w->size = size;
	return size >= 8;
}

/* Reads a word of the stack, and copies the stack from there on if the copy lacks it. */
static __always_inline bool read_word(struct thread *t, __u64 address, __u64 *value)
{
	struct walk *w = &t->walk;
	__u64 offset = address - w->base;

	if (offset + 8 > w->size || offset > w->size) {
		if (!copy_stack(t, address, COPY_SIZE))
			return false;
		offset = 0;
	}
	if (offset > COPY_SIZE - 8)
		return false;
	*value = *(__u64 *)(t->copy + offset);
	return true;
}

/* Reads a word of the stack that the rest of the walk depends on, and notes it. */
static __always_inline bool stack_word(struct thread *t, __u64 address, __u64 *value)
{
	if (!read_word(t, address, value))
		return false;
	note_word(t, place_of(t, address), *value);
	return true;
}

/* Restores rbp from the address where a function has saved it. */
static __always_inline bool restore_bp(struct thread *t, __u64 address)
{
	t->walk.bp_at = address;
	return read_word(t, address, &t->walk.bp);
}

/* Returns rbp for a step that depends on it, and notes it. */
static __always_inline __u64 needed_bp(struct thread *t)
{
	struct walk *w = &t->walk;

	if (w->bp_at == BP_REGISTER)
		note_word(t, PLACE_BP, w->bp);
	else if (w->bp_at != BP_NOTED)
		note_word(t, place_of(t, w->bp_at), w->bp);
	w->bp_at = BP_NOTED;
	return w->bp;
}

enum walk_end {
	WALK_ON,
	WALK_COMPLETE,  /* the outermost frame */
	WALK_NO_RULE,   /* no table covers the address, and no frame pointer helps */
	WALK_BAD_RULE,  /* the rule needs a register that is not known */
	WALK_LATER,     /* no table covers the address yet, but one is about to come */
	WALK_BAD_STACK, /* unreadable, misaligned, or the CFA is not above the stack pointer */
};

/* Moves to the caller, whose stack pointer is cfa when the call returns, to ip. */
static __always_inline int to_caller(struct thread *t, __u64 cfa, __u64 ip)
{
	if (ip && ip == t->trampoline) {
		/* The word on the stack is the same for all callers: do not remember the walk. */
		t->trail.words = TRAIL_WORDS + 1;
		ip = return_behind_trampoline(cfa - CALL_PUSHES);
		if (!ip)
			return WALK_NO_RULE;
	}
	t->walk.sp = cfa;
	t->walk.ip = ip;
	return ip ? WALK_ON : WALK_COMPLETE;
}

/* For code without tables: JIT code mostly keeps frame pointers. */
static __always_inline int step_by_frame_pointer(struct thread *t)
{
	struct walk *w = &t->walk;
	__u64 bp = needed_bp(t), ip;

	if (bp < w->sp || bp & 7 || bp - w->sp > 1 << 20)
		return WALK_NO_RULE;
	if (!restore_bp(t, bp) || !stack_word(t, bp + 8, &ip))
		return WALK_BAD_STACK;
	return to_caller(t, bp + 16, ip);
}

/* Moves to the frame that a signal interrupted, by the ucontext on the stack. */
static __always_inline int step_by_signal(struct thread *t, __s32 offset)
{
	struct walk *w = &t->walk;
	__u64 context = w->sp + offset, ip, sp;

	/* The offsets of rbp, rsp and rip: unwind.SignalRBP and the following. */
	if (!restore_bp(t, context + 120) || !stack_word(t, context + 160, &sp) ||
	    !stack_word(t, context + 168, &ip))
		return WALK_BAD_STACK;
	w->ip = ip;
	w->sp = sp;
	w->exact = 1;
	return WALK_ON;
}

#include "go.h"

/* Moves from a frame to its caller. t is never NULL. */
__noinline int step(struct thread *t, __u32 tgid)
{
	struct unwind_rule *rule;
	struct walk *w;
	__s16 high, low;
	__u64 cfa, ip;

	if (!t)
		return WALK_BAD_STACK;
	w = &t->walk;
	if (t->fresh && is_fresh(w->exact ? w->ip : w->ip - 1, tgid))
		return WALK_LATER;
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
		cfa = needed_bp(t) + rule->cfa_offset;
		break;
	case CFA_PLT:
		cfa = w->sp + high + ((__s16)(w->ip & 15) >= low ? 8 : 0);
		break;
	case CFA_DEREF_RBP:
	case CFA_DEREF_RSP:
		if (!stack_word(t, (rule->cfa == CFA_DEREF_RBP ? needed_bp(t) : w->sp) + high, &cfa))
			return WALK_BAD_STACK;
		cfa += low;
		break;
	case CFA_GO_C:
		cfa = go_from_c(t, rule);
		break;
	case CFA_GO_SWITCH:
		cfa = go_switch(t, rule);
		if (GO_OFFSET(rule, 3))
			break;
		w->sp = cfa;
		if (!cfa)
			return WALK_BAD_STACK;
		return w->ip ? WALK_ON : WALK_COMPLETE;
	case CFA_SIGNAL:
		return step_by_signal(t, rule->cfa_offset);
	case CFA_END:
		return WALK_COMPLETE;
	case CFA_UNKNOWN:
		if (t->slot == SLOT_UNKNOWN)
			return WALK_LATER;
		return step_by_frame_pointer(t);
	default:
		return WALK_BAD_RULE;
	}
	/* Only from a stack to another one may the walk go to lower addresses. */
	if ((cfa <= w->sp && rule->cfa < CFA_GO_C) || !cfa || cfa & 7)
		return WALK_BAD_STACK;
	if (!stack_word(t, cfa - 8, &ip))
		return WALK_BAD_STACK;
	if (rule->rbp == RBP_AT_CFA || rule->rbp == RBP_EXPRESSION) {
		if (!restore_bp(t, (rule->rbp == RBP_AT_CFA ? cfa : needed_bp(t)) + rule->rbp_offset))
			return WALK_BAD_STACK;
	} else if (rule->rbp == RBP_UNDEFINED) {
		/* rbp is lost. A later rule that needs it fails the check of its CFA. */
		w->bp = 0;
		w->bp_at = BP_NOTED;
	}
	return to_caller(t, cfa, ip);
}

/* Prepares a walk from the registers in t->walk. A stack also goes by its server. */
static __always_inline void begin_walk(struct thread *t, __u64 server)
{
	struct walk *w = &t->walk;
	__u64 hash = mix(server, w->ip);

	hash = mix(hash, w->sp);
	t->trail_start = mix(hash, (__u64)t->slot_version << 32 | w->exact << 16 | t->slot);
	t->trail_hash = t->trail_start;
	t->trail_base = w->sp;
	w->bp_at = BP_REGISTER;
	t->words[COPY_WORDS - 1] = w->bp;
	w->goroutine = 0;
	w->go_called = 0;
	/* Most walks need as much as the last one did. If more is needed, or if the copy fails,
	 * read_word copies what comes then. */
	copy_stack(t, w->sp, t->reach ?: COPY_SIZE);
}

/*
 * Walks from the registers in t->walk, whose ip is the first frame, and stores up to depth
 * frames. t->frames says how many there are, t->end why there are no more (WALK_ON: because
 * of depth). The results are in memory, of which the verifier knows nothing. Otherwise it
 * would check the code that follows once for each number of frames.
 */
static __always_inline void walk_stack(struct thread *t, __u32 tgid, __u32 depth)
{
	struct walk *w = &t->walk;
	__u32 n;
	int end = WALK_ON;

	t->trail_hash = t->trail_start;
	t->trampoline = trampoline();
	t->trail.words = 0;
	t->trail.reach = 0;
	for (n = 0; n < MAX_FRAMES && n < depth && end == WALK_ON; n++) {
		/* An exact address is made to look like a return address, which is behind
		 * an instruction. */
		t->stack.frames[n] = w->ip + w->exact;
		end = step(t, tgid);
	}
	t->frames = n;
	t->end = end;
	t->reach = t->trail.reach;
}

#endif
