/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a walk depends on: the words of the stack that it reads, noted as it goes. */
#ifndef MEMTRACE_TRAIL_H
#define MEMTRACE_TRAIL_H

/* The hash of a trail that goes on to the word at place. */
static __always_inline __u64 hash_word(__u64 hash, __u64 place, __u64 value)
{
	/* Addresses leave the upper bits free. */
	return mix(hash, value ^ place << 48);
}

/* Kept for each word, to tell where two trails part. */
#define CHECK_OF(hash) ((__u16)((hash) >> 16))

/* Notes that the walk's further way depends on the word at place. */
static __always_inline void note_word(struct thread *t, __u64 place, __u64 value)
{
	__u64 n = t->trail.words;

	if (n >= TRAIL_WORDS || place > PLACE_BP) {
		t->trail.words = TRAIL_WORDS + 1;
		return;
	}
	t->trail.at[n] = place;
	t->trail.words = n + 1;
	t->trail_hash = hash_word(t->trail_hash, place, value);
	t->trail.check[n] = CHECK_OF(t->trail_hash);
}

/* Of a word at this address. */
static __always_inline __u64 place_of(const struct thread *t, __u64 address)
{
	__u64 offset = address - t->trail_base;

	/* What has no place makes the trail one that is not remembered. */
	return offset & 7 || offset / 8 >= PLACE_BP ? PLACE_BP + 1 : offset / 8;
}

#endif
