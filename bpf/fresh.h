/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fresh code: files that a process has just mapped as code, and whose unwind tables user space
 * has not loaded yet. Until it has, walks do not go through such code: rules of what was mapped
 * there before may still be in the cache. See late.h for what is done instead.
 */
#ifndef MEMTRACE_FRESH_H
#define MEMTRACE_FRESH_H

/* How many mappings were noted, of all processes, and how many of them user space has seen. */
__u32 code_mapped SEC(".data.control");
__u32 code_loaded SEC(".data.control");

/* A program's loader maps its libraries one after the other; few come at the same moment. */
#define FRESH_RANGES 16

struct fresh_range {
	__u64 start, end;
	__u32 number; /* code_mapped when it was noted: fresh while code_loaded is lower */
	__u32 pad;
};

struct fresh {
	__u64 second; /* the second that sent is about */
	__u64 sent;   /* bytes of stacks to be unwound later: see late.h */
	__u32 next;   /* range to be replaced */
	__u32 pad;
	struct fresh_range ranges[FRESH_RANGES];
};

/* User space makes an element for each process that has unwind tables. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	__type(value, struct fresh);
} fresh_code SEC(".maps");

/* Notes that a process has mapped a file as code, and returns the mapping's number. */
static __always_inline __u32 note_code(__u32 tgid, __u64 start, __u64 size)
{
	struct fresh *f = bpf_map_lookup_elem(&fresh_code, &tgid);
	struct fresh_range *r;

	if (!f)
		return 0;
	__sync_fetch_and_add(&code_mapped, 1);
	r = &f->ranges[f->next++ & (FRESH_RANGES - 1)];
	r->start = start;
	r->end = start + size;
	r->number = *(volatile __u32 *)&code_mapped;
	return r->number;
}

/* Whether any process may have fresh code. */
static __always_inline bool any_fresh(void)
{
	return *(volatile __u32 *)&code_mapped != *(volatile __u32 *)&code_loaded;
}

static __always_inline bool range_fresh(const struct fresh_range *r, __u32 loaded)
{
	return (__s32)(r->number - loaded) > 0;
}

/* Whether a process has fresh code. Numbers rise, so its newest range tells. */
__noinline int has_fresh(__u32 tgid)
{
	struct fresh *f = bpf_map_lookup_elem(&fresh_code, &tgid);

	return f && range_fresh(&f->ranges[(f->next - 1) & (FRESH_RANGES - 1)], *(volatile __u32 *)&code_loaded);
}

/* Whether an address is in fresh code. */
__noinline int is_fresh(__u64 pc, __u32 tgid)
{
	struct fresh *f = bpf_map_lookup_elem(&fresh_code, &tgid);
	__u32 loaded = *(volatile __u32 *)&code_loaded, i;

	if (!f)
		return 0;
	/* If the oldest is fresh, so may those be that it replaced: all that is near is in doubt. */
	if (range_fresh(&f->ranges[f->next & (FRESH_RANGES - 1)], loaded) && pc >> 32 == f->ranges[0].start >> 32)
		return 1;
	for (i = 0; i < FRESH_RANGES; i++)
		if (pc - f->ranges[i].start < f->ranges[i].end - f->ranges[i].start &&
		    range_fresh(&f->ranges[i], loaded))
			return 1;
	return 0;
}

#endif
