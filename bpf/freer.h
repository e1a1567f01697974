/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where blocks are freed. To read the stack of every free would cost as much as that of every
 * allocation. So each thread reads those of some frees, chosen at random: of all while they are few,
 * and of some hundred a second where they are many.
 */
#ifndef MEMTRACE_FREER_H
#define MEMTRACE_FREER_H

/* A thread that samples more often than this (ns) halves its rate. Eight times as long, and it
 * doubles it. */
#define SAMPLE_GAP (1 << 18)
#define MOST_SHIFT 12

/* How many frees this one at time stands for, 0 if it is not to be sampled. */
static __always_inline __u64 stands_for(struct thread *t, __u64 time)
{
	__u32 shift = t->free_shift & 15;
	__u64 gap, weight = 1ULL << shift;

	/* Chance, from the low bits of the clock. */
	if ((time * 0x9e3779b97f4a7c15ULL) >> 40 & (weight - 1))
		return 0;
	gap = time - t->free_sampled;
	t->free_sampled = time;
	if (gap < SAMPLE_GAP && shift < MOST_SHIFT)
		t->free_shift = shift + 1;
	else if (gap > 8 * SAMPLE_GAP && shift)
		t->free_shift = shift - 1;
	return weight;
}

/* Reads the stack of a free from the registers in t->walk. It is a function of its own so that the
 * verifier follows it once, not once for each way that leads to it. t is never NULL. */
__noinline __u64 free_stack(struct thread *t, __u64 id, __u64 time)
{
	if (!t)
		return 0;
	return read_stack(NULL, t, id, time, t->walk.ip, t->walk.sp, t->walk.bp, true, true, false, 0);
}

/* Reports the free of a block with its stack, if it is to be sampled. Returns false if it is not, or
 * if there is no room. */
static __always_inline bool emit_sampled(struct pt_regs *ctx, struct thread *t, __u8 flags, __u64 id,
					 __u64 time, __u64 addr, __u32 chunk)
{
	__u64 weight = stands_for(t, time), stack;

	if (!weight)
		return false;
	t->walk.ip = INSTRUCTION(ctx);
	t->walk.sp = STACK_POINTER(ctx);
	t->walk.bp = FRAME_POINTER(ctx);
	stack = free_stack(t, id, time);
	return stack && emit_long(EV_FREE, flags | EV_SAMPLED, id, time, addr, 0, stack, weight, chunk,
				  wake_flags(time));
}

#endif
