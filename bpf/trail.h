/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The trail of a walk: the words of the stack that it depends on, noted as it goes. */
#ifndef MEMTRACE_TRAIL_H
#define MEMTRACE_TRAIL_H

/*
 * A trail's hash is a polynomial of its words, so that the processor works on several at once. Where
 * the words are does not go in: that follows from where the walk began and the words before. The
 * upper bits depend on all bits of all words.
 */
#define TRAIL_BASE 0x9e3779b97f4a7c15ULL

/* The hash of a trail after one more word. */
static __always_inline __u64 hash_word(__u64 hash, __u64 value)
{
	return (hash + value) * TRAIL_BASE;
}

/* The part of the hash that is kept for each word, to tell where two trails part. */
#define CHECK_OF(hash) ((__u16)((hash) >> 48))

/* Notes that the rest of the walk depends on the word at place. */
static __always_inline void note_word(struct thread *t, __u64 place, __u64 value)
{
	__u64 n = t->trail.words;

	if (n >= TRAIL_WORDS || place > PLACE_BP) {
		t->trail.words = TRAIL_WORDS + 1;
		return;
	}
	t->trail.at[n] = place;
	t->trail.words = n + 1;
	if (place < PLACE_NONE && t->trail.reach < place * 8 + 8)
		t->trail.reach = place * 8 + 8;
	t->trail_hash = hash_word(t->trail_hash, value);
	t->trail.check[n] = CHECK_OF(t->trail_hash);
}

/* The place of the word at an address. */
static __always_inline __u64 place_of(const struct thread *t, __u64 address)
{
	__u64 offset = address - t->trail_base;

	/* A place above PLACE_BP is none: a trail with such a word is not remembered. */
	return offset & 7 || offset / 8 >= PLACE_NONE ? PLACE_BP + 1 : offset / 8;
}

#endif
