/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Blocks of calls whose result is not simply that, and the sizes of copied strings. */
#ifndef MEMTRACE_RESULT_H
#define MEMTRACE_RESULT_H

/* How many reads a string is measured by, at most. */
#define STRING_READS 128

/*
 * Adds the bytes of the next piece of a string to the size of the call. Returns whether there is
 * more. It is a function of its own because the verifiers of Linux 5.10 and 6.1 take the loop
 * around its code for one without end.
 */
static __noinline int measure_piece(struct thread *t, __u64 addr)
{
	const __u32 piece = sizeof(t->copy);
	long n;

	n = bpf_probe_read_user_str(t->copy, piece, (void *)(addr + t->call.size));
	if (n <= 0)
		return false;
	if (n < piece) {
		t->call.size += n;
		return false;
	}
	t->call.size += piece - 1; /* and the end that was put there */
	return true;
}

/* Counts the bytes of a string, with its end, as the size of the call. What is longer than
 * STRING_READS pieces is counted only up to there. */
static __always_inline void measure_string(struct thread *t, __u64 addr)
{
	int i;

	for (i = 0; i < STRING_READS; i++)
		if (!measure_piece(t, addr))
			break;
}

/*
 * Finds the block of a call whose result is not simply that; *addr becomes 0 if the call has
 * failed. Returns false if there is none to be reported.
 */
static __always_inline bool find_block(struct thread *t, __u64 *addr)
{
	__u32 shape = t->call.shape;

	if (shape & SHAPE_FREE)
		return false;
	if (shape & SHAPE_IN_PLACE)
		*addr = *addr >= t->call.size ? t->call.old : 0;
	if (SHAPE_BUFFER(shape) && *addr == t->call.out)
		return false;
	if (SHAPE_OUT(shape)) {
		/* On failure what is there has not been set. */
		if ((int)*addr) {
			*addr = 0;
		} else if (bpf_probe_read_user(addr, sizeof(*addr), (void *)t->call.out)) {
			COUNT(lost_alloc, 1);
			COUNT(lost_alloc_bytes, t->call.size);
			return false;
		}
	}
	if (shape & SHAPE_STRING && *addr)
		measure_string(t, *addr);
	return true;
}

#endif
