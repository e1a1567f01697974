/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Walks that were made before. Where a walk goes depends on nothing but the
 * registers that it starts from, the unwind tables, and some words of the stack:
 * return addresses, and frame pointers where a rule asks for them. So a walk is
 * remembered by the places of those words, its trail, and by a hash of what they held.
 * Whoever starts alike and finds the same words on that trail would make the same
 * walk: the stack is known, and has been sent. That spares the search for each frame's
 * rule.
 *
 * Memos form a trie. The first is found by where the walk starts; a word that is not
 * the one that was there leads to the memo of those who came by that word, which goes
 * on from there.
 *
 * They are shared by all threads and written without a lock. One that two CPUs have
 * mixed up is taken for neither's: its seal fits neither.
 */
#ifndef MEMTRACE_MEMO_H
#define MEMTRACE_MEMO_H

#define MEMOS 4096
/* Of each walk at most so many memos are tried. */
#define MEMO_LEVELS 6

struct memo {
	__u64 node;  /* hash of the way that leads to this memo */
	__u64 stack; /* its id */
	__u64 seal;  /* hash of the whole trail and the stack */
	struct trail trail;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMOS);
	__type(key, __u32);
	__type(value, struct memo);
} memos SEC(".maps");

/* The memo of walks that have come as far as hash says. */
static __always_inline struct memo *memo_of(const struct thread *t, __u64 hash)
{
	__u32 index = hash >> 32 & (MEMOS - 1);

	return t->slot == SLOT_UNKNOWN ? NULL : bpf_map_lookup_elem(&memos, &index);
}

/*
 * Follows a trail from t's place on it, t->followed words from its start, to the first
 * word that is not the one that was there, or to its end: then the hash is that of the
 * whole trail. t and trail are never NULL.
 */
__noinline int follow_trail(struct thread *t, const struct trail *trail)
{
	__u64 hash, value, place, start, n, i, k;

	if (!t || !trail)
		return 0;
	hash = t->trail_hash;
	start = t->followed;
	n = trail->words;
	for (i = 0; i < TRAIL_WORDS; i++) {
		if (start + i >= n)
			break;
		k = (start + i) & (TRAIL_WORDS - 1);
		place = trail->at[k];
		if (place == PLACE_BP)
			value = t->walk.bp;
		else if (!read_word(t, t->trail_base + place * 8, &value))
			break;
		hash = hash_word(hash, place, value);
		if (CHECK_OF(hash) != trail->check[k]) {
			i++;
			break;
		}
	}
	t->followed = start + i;
	t->trail_hash = hash;
	return 0;
}

/*
 * The id of the stack that the walk will find, 0 if that is not known; then
 * t->memo is where to remember it.
 */
static __always_inline __u64 recall(struct thread *t)
{
	__u64 stack;
	struct memo *m;
	int i;

	t->followed = 0;
	for (i = 0; i < MEMO_LEVELS; i++) {
		t->memo = t->trail_hash;
		m = memo_of(t, t->memo);
		if (!m)
			return 0;
		/* Another way's: the walk's own memo will take its place. */
		stack = *(volatile __u64 *)&m->stack;
		if (!stack || m->node != t->memo)
			return 0;
		follow_trail(t, &m->trail);
		if (mix(t->trail_hash, stack) == m->seal)
			return stack;
		if (t->trail_hash == t->memo)
			return 0;
	}
	return 0;
}

/*
 * Remembers the walk that found a stack, which has been sent. What ended at memory
 * that could not be read may go on the next time.
 */
static __always_inline void remember(const struct thread *t, __u64 stack, int end)
{
	struct memo *m = memo_of(t, t->memo);

	if (!m || end == WALK_BAD_STACK || t->trail.words > TRAIL_WORDS)
		return;
	m->node = t->memo;
	m->trail = t->trail;
	m->stack = stack;
	m->seal = mix(t->trail_hash, stack);
}

#endif
