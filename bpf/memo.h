/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Memos: walks that are remembered, to save the search for each frame's rule. A walk
 * depends only on the registers that it starts from, the unwind tables, and some words of
 * the stack: return addresses, and frame pointers where a rule needs them. So a walk is
 * remembered by the places of those words, its trail, and by a hash of what they held. A
 * thread that starts from the same registers and finds the same words on the trail would
 * make the same walk. So its stack is known, and has been sent.
 *
 * Memos form a trie. The first memo is found by where the walk starts. Where a word differs
 * from the one that was there, it leads to the memo of the walks that found this word, whose
 * trail is followed from there on.
 *
 * Memos are shared by all threads and written without a lock. If two CPUs mix one up, its
 * seal fits neither walk and nobody uses it.
 */
#ifndef MEMTRACE_MEMO_H
#define MEMTRACE_MEMO_H

#define MEMOS 4096
/* How many memos are tried for a walk at most. */
#define MEMO_LEVELS 6

struct memo {
	__u64 node;  /* hash of the trail that leads to this memo */
	__u64 stack; /* the stack's id */
	__u64 seal;  /* hash of the whole trail and the stack, see seal_of */
	struct trail trail;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMOS);
	__type(key, __u32);
	__type(value, struct memo);
} memos SEC(".maps");

/* The memo of the walks whose trail so far has this hash. */
static __always_inline struct memo *memo_of(const struct thread *t, __u64 hash)
{
	__u32 index = hash >> 32 & (MEMOS - 1);

	return t->slot == SLOT_UNKNOWN ? NULL : bpf_map_lookup_elem(&memos, &index);
}

/*
 * Follows a trail from word t->followed on, up to and including the first word that differs
 * from the one that was there, or to the trail's end. At the end t->trail_hash is the hash
 * of the whole trail. t and trail are never NULL.
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
		else if (place == PLACE_NONE)
			value = 0;
		else if (!read_word(t, t->trail_base + place * 8, &value))
			break;
		hash = hash_word(hash, value);
		if (CHECK_OF(hash) != trail->check[k]) {
			i++;
			break;
		}
	}
	t->followed = start + i;
	t->trail_hash = hash;
	return 0;
}

/* Words of a trail that are checked together. */
#define GROUP 8

/*
 * Follows a trail as far as whole groups of its words are as they were. The trail must not leave
 * the copy, which must begin where the walk did. Most walks are such, and most time of a recalled
 * walk goes here. t and trail are never NULL.
 */
__noinline int follow_groups(struct thread *t, const struct trail *trail)
{
	__u64 hash, next, place, power, n, k;
	const __u16 *at;
	int group, i;

	if (!t || !trail)
		return 0;
	hash = t->trail_hash;
	n = trail->words;
	k = t->followed;
	for (group = 0; group < TRAIL_WORDS / GROUP; group++) {
		if (k + GROUP > n)
			break;
		/* The compiler must not replace k by what the verifier has not seen compared, nor
		 * read all words at once, for which there are too few registers. */
		asm volatile("" : "+r"(k));
		if (k > TRAIL_WORDS - GROUP)
			break;
		at = trail->at + k;
		next = 0;
		power = TRAIL_BASE;
#pragma unroll
		for (i = GROUP - 1; i >= 0; i--) {
			place = at[i];
			/* The places of rbp and of no word are those of the copy's last words, where
			 * these are. */
			next += t->words[place & (COPY_WORDS - 1)] * power;
			asm volatile("" : "+r"(next));
			if (i)
				power *= TRAIL_BASE;
		}
		next += hash * power;
		if (CHECK_OF(next) != trail->check[k + GROUP - 1])
			break;
		hash = next;
		k += GROUP;
	}
	t->followed = k;
	t->trail_hash = hash;
	return 0;
}

/* The seal of a trail with this hash that leads to a stack. Its reach goes in as well: what lies
 * beyond the reach is not copied anew. */
static __always_inline __u64 seal_of(__u64 hash, __u64 stack, __u32 reach)
{
	return mix(hash, stack ^ reach);
}

/*
 * The id of the stack that the walk will find, 0 if it is not known. In that case t->memo
 * says where to remember the walk.
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
		/* Free, or the memo of another trail, which this walk's will replace. */
		stack = *(volatile __u64 *)&m->stack;
		if (!stack || m->node != t->memo)
			return 0;
		if (t->walk.base == t->trail_base && m->trail.reach <= t->walk.size)
			follow_groups(t, &m->trail);
		if (t->followed < m->trail.words)
			follow_trail(t, &m->trail);
		if (seal_of(t->trail_hash, stack, m->trail.reach) == m->seal) {
			t->reach = m->trail.reach;
			return stack;
		}
		if (t->trail_hash == t->memo)
			return 0;
	}
	return 0;
}

/*
 * Remembers the walk that found a stack, which has been sent. A walk that ended at memory
 * that could not be read is not remembered: it may get further the next time. So may one that
 * met fresh code.
 */
static __always_inline void remember(struct thread *t, __u64 stack, int end)
{
	struct memo *m = memo_of(t, t->memo);
	int i;

	if (!m || end == WALK_BAD_STACK || t->fresh || t->trail.words > TRAIL_WORDS)
		return;
	/* Words are followed one at a time where they are no whole group, which takes longer. */
	for (i = 0; i < GROUP - 1 && t->trail.words % GROUP; i++)
		note_word(t, PLACE_NONE, 0);
	m->node = t->memo;
	m->trail = t->trail;
	m->stack = stack;
	m->seal = seal_of(t->trail_hash, stack, t->trail.reach);
}

#endif
