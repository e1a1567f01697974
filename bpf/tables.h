/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Unwind tables: from an address to its rule. User space builds the tables
 * (symbolize/unwind says how) and loads them before the probes go live.
 *
 *   address -> this process's mapping of a file -> the file's table
 *           -> the rows of the address's 64 KiB page -> the last row at or before it
 *           -> that row's rule, or one rule of its run
 *
 * A cache from address to rule is asked first, because programs return to the same
 * places over and over.
 */
#ifndef MEMTRACE_TABLES_H
#define MEMTRACE_TABLES_H

/* The kinds of struct unwind_rule. unwind.CFAKind and unwind.RBPKind explain them. */
enum cfa_kind {
	CFA_UNKNOWN,
	CFA_END,
	CFA_RSP,
	CFA_RBP,
	CFA_REGISTER,
	CFA_PLT,
	CFA_DEREF_RBP,
	CFA_DEREF_RSP,
	CFA_SIGNAL,
	CFA_RA_REGISTER,
	CFA_RUN,
	CFA_GO_C,
	CFA_GO_SWITCH,
	CFA_GO_SLOT,
};

enum rbp_kind {
	RBP_SAME,
	RBP_AT_CFA,
	RBP_UNDEFINED,
	RBP_EXPRESSION,
};

struct unwind_rule {
	__u8 cfa;
	__u8 rbp;
	__s16 rbp_offset;
	__s32 cfa_offset;
};

/* All rules of all files. Rules are added, but never changed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct unwind_rule);
} unwind_rules SEC(".maps");

/*
 * A table is an array of blocks of words. An array of words would take twice the memory,
 * because an array map rounds each element up to 8 bytes. The words of a table are: the
 * number of pages; for each page the index of its first row; the index of the end; the
 * rows. The lower half of a row is the low 16 bits of its address, the upper half the index
 * of its rule.
 */
#define BLOCK_WORDS 256

struct unwind_block {
	__u32 words[BLOCK_WORDS];
};

struct unwind_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, 4096 /* BPF_F_INNER_MAP */);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct unwind_block);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__array(values, struct unwind_table);
} unwind_tables SEC(".maps");

/* An executable mapping. Element 0 of a list only says how many others there are. */
struct mapping {
	__u64 start; /* in element 0: how many follow */
	__u64 end;
	__u64 bias; /* address of the table's page 0 in this process */
	__u32 table;
	__u32 pad;
};

struct mapping_list {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, 4096 /* BPF_F_INNER_MAP */);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mapping);
};

/* Each process's mappings, sorted by address. A list is only replaced as a whole. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	__array(values, struct mapping_list);
} mappings SEC(".maps");

/*
 * From address to rule. The key is an address and the process's slot (see targets). Its
 * hash is in two parts: the high 16 bits choose the word, and the word holds the low 48
 * bits. The word's low 16 bits are the rule. The key fits 64 bits and the hash is one to
 * one, so a word that matches is never another address's. Words are written whole, so
 * readers on other CPUs see an old one or a new one.
 */
#define CACHE_WORDS 65536

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} rule_cache SEC(".maps");

static __always_inline __u64 cache_hash(__u64 pc, __u32 slot)
{
	return (pc ^ (__u64)slot << 48) * 0x9e3779b97f4a7c15ULL;
}

/* Word i of a table, 0 beyond its end. */
static __always_inline __u32 table_word(void *table, __u32 i)
{
	__u32 block = i / BLOCK_WORDS;
	struct unwind_block *b = bpf_map_lookup_elem(table, &block);

	return b ? b->words[i % BLOCK_WORDS] : 0;
}

/*
 * Binary searches keep their bounds in the thread's memory, not in registers. The
 * verifier knows nothing of values read from there, so each round looks to it like the
 * one before. With registers it would follow both halves in every round.
 */
/* Returns whether another round is due, and in *middle where to look. */
static __always_inline bool halve(volatile struct bounds *b, __u32 *middle)
{
	__u32 low = b->low, high = b->high;

	*middle = low + (high - low) / 2;
	return high - low >= 2;
}

/* The mapping that holds pc, or NULL. 13 rounds are enough for 8,191 mappings. */
static __always_inline struct mapping *find_mapping(volatile struct bounds *b, __u64 pc,
						    __u32 tgid)
{
	void *list = bpf_map_lookup_elem(&mappings, &tgid);
	__u32 zero = 0, middle, i;
	struct mapping *m;

	if (!list)
		return NULL;
	m = bpf_map_lookup_elem(list, &zero);
	if (!m)
		return NULL;
	/* The last mapping that starts at or before pc is in [low, high). */
	b->low = 1;
	b->high = m->start + 1;
	for (i = 0; i < 13 && halve(b, &middle); i++) {
		m = bpf_map_lookup_elem(list, &middle);
		if (!m)
			return NULL;
		if (m->start <= pc)
			b->low = middle;
		else
			b->high = middle;
	}
	middle = b->low;
	m = bpf_map_lookup_elem(list, &middle);
	if (!m || pc < m->start || pc >= m->end)
		return NULL;
	return m;
}

/* How many bits are set. BPF has no instruction for it. */
static __always_inline __u32 count_bits(__u32 x)
{
	x -= x >> 1 & 0x55555555;
	x = (x & 0x33333333) + (x >> 2 & 0x33333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f;
	return x * 0x01010101 >> 24;
}

/*
 * The index of the rule that a row has for an address so many bytes after the row's own.
 * If the row's rule is a run (see unwind.CFARun), that is the rule of the run in force at
 * the address. A run holds no other runs, so one step is enough.
 */
static __always_inline __u32 rule_of_row(__u32 row, __u32 distance)
{
	__u32 index = row >> 16, mask;
	struct unwind_rule *rule = bpf_map_lookup_elem(&unwind_rules, &index);

	if (!rule || rule->cfa != CFA_RUN)
		return index;
	mask = rule->cfa_offset;
	if (distance < 32)
		mask &= (1U << distance) - 1;
	return (__u16)rule->rbp_offset + count_bits(mask);
}

/*
 * The index of pc's rule, 0 if there is none. It is a global function so that the verifier
 * checks it once, not once for every frame. t is never NULL.
 */
__noinline __u32 find_rule(struct thread *t, __u64 pc, __u32 tgid)
{
	volatile struct bounds *b;
	__u32 table_id, middle, row, i;
	struct mapping *m;
	__u64 offset;
	void *table;

	if (!t)
		return 0;
	b = &t->bounds;
	m = find_mapping(b, pc, tgid);
	if (!m)
		return 0;
	table_id = m->table;
	offset = pc - m->bias;
	table = bpf_map_lookup_elem(&unwind_tables, &table_id);
	if (!table || offset >> 16 >= table_word(table, 0))
		return 0;
	b->low = table_word(table, (offset >> 16) + 1);
	b->high = table_word(table, (offset >> 16) + 2);
	/* A page holds at most 65,536 rows. */
	for (i = 0; i < 17 && halve(b, &middle); i++) {
		if ((table_word(table, middle) & 0xffff) <= (offset & 0xffff))
			b->low = middle;
		else
			b->high = middle;
	}
	row = table_word(table, b->low);
	return rule_of_row(row, (offset & 0xffff) - (row & 0xffff));
}

static __always_inline struct unwind_rule *rule_for(struct thread *t, __u64 pc, __u32 tgid)
{
	__u64 hash = cache_hash(pc, t->slot), tag = hash << 16, word;
	__u32 index = hash >> 48, rule = 0;
	volatile __u64 *cached = bpf_map_lookup_elem(&rule_cache, &index);

	/* Rule 0 is CFA_UNKNOWN. It holds until user space has seen what is mapped. */
	if (t->slot == SLOT_UNKNOWN)
		return bpf_map_lookup_elem(&unwind_rules, &rule);
	if (!cached)
		return NULL;
	word = *cached;
	rule = word & 0xffff;
	if ((word & ~0xffffULL) != tag) {
		rule = find_rule(t, pc, tgid) & 0xffff;
		*cached = tag | rule;
	}
	return bpf_map_lookup_elem(&unwind_rules, &rule);
}

#endif
