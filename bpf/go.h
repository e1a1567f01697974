/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Go's changes of stacks. unwind.CFAGoC and unwind.CFAGoSwitch explain the rules: what they
 * hold was read out of the program's own code.
 */
#ifndef MEMTRACE_GO_H
#define MEMTRACE_GO_H

/* One of the four offsets that a rule of these kinds holds. */
#define GO_OFFSET(rule, n) (((__u32)(rule)->cfa_offset >> 8 * (n) & 0xff) * 8)

/*
 * Reads a word that is not on the stack where the walk began. The trail has no place for it, so
 * the walk is not remembered.
 */
static __always_inline bool far_word(struct thread *t, __u64 address, __u64 *value)
{
	t->trail.words = TRAIL_WORDS + 1;
	return !bpf_probe_read_user(value, sizeof(*value), (void *)address);
}

/* From C to the goroutine that called it: the CFA, 0 if it cannot be read. */
static __always_inline __u64 go_from_c(struct thread *t, const struct unwind_rule *rule)
{
	struct walk *w = &t->walk;
	__u64 g, depth, top;

	if (!stack_word(t, w->sp + GO_OFFSET(rule, 0), &g) ||
	    !stack_word(t, w->sp + GO_OFFSET(rule, 1), &depth) ||
	    !far_word(t, g + GO_OFFSET(rule, 2), &top))
		return 0;
	w->goroutine = g;
	return top - depth + GO_OFFSET(rule, 3);
}

/* Where the thread keeps its goroutine's descriptor, relative to fs; 0 if that cannot be read. */
static __always_inline __s64 goroutine_offset(struct thread *t, const struct unwind_rule *rule)
{
	__u32 index = (__u16)rule->rbp_offset;
	__u64 offset = 0;

	if (rule->rbp != RBP_UNDEFINED)
		return rule->rbp_offset;
	rule = bpf_map_lookup_elem(&unwind_rules, &index);
	if (!rule || rule->cfa != CFA_GO_SLOT || !far_word(t, t->walk.ip + rule->cfa_offset, &offset))
		return 0;
	return offset;
}

/* Finds the descriptor of a goroutine of the calling thread. */
static __always_inline bool find_goroutine(struct thread *t, const struct unwind_rule *rule,
					   __u64 *g)
{
	*g = t->walk.goroutine;
	if (*g)
		return true;
#if defined(__TARGET_ARCH_x86)
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__s64 offset = goroutine_offset(t, rule);

	return offset && far_word(t, BPF_CORE_READ(task, thread.fsbase) + offset, g);
#else
	return false;
#endif
}

/*
 * To the stack that the thread has left. Returns the CFA, or where the rule has no frame the
 * stack pointer, with ip set. 0 if it cannot be read.
 */
static __always_inline __u64 go_switch(struct thread *t, const struct unwind_rule *rule)
{
	struct walk *w = &t->walk;
	__u64 g, thread, other, sp;

	if (!find_goroutine(t, rule, &g) ||
	    !far_word(t, g + GO_OFFSET(rule, 0), &thread) ||
	    !far_word(t, thread + GO_OFFSET(rule, 1), &other))
		return 0;
	if (!other && !GO_OFFSET(rule, 3)) {
		/* The goroutine has left the thread, which is about to run another one. */
		w->ip = 0;
		return w->sp;
	}
	if (!far_word(t, other + GO_OFFSET(rule, 2), &sp))
		return 0;
	if (!GO_OFFSET(rule, 1)) {
		if (w->go_called)
			sp = w->go_called;
		if (!far_word(t, sp, &w->go_called))
			return 0;
	}
	w->bp = 0;
	w->bp_at = BP_NOTED;
	if (!GO_OFFSET(rule, 3))
		return far_word(t, other + GO_OFFSET(rule, 2) + 8, &w->ip) ? sp : 0;
	sp += GO_OFFSET(rule, 3);
	/* A frame of one word is the return address alone. */
	if (GO_OFFSET(rule, 3) > 8 && !restore_bp(t, sp - 16))
		return 0;
	return sp;
}

#endif
