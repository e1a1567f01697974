/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The constants and maps: what to trace, what was sent, what was lost. */
#ifndef MEMTRACE_STATE_H
#define MEMTRACE_STATE_H

/* How many frames of a stack are sent at most, 1 to MAX_FRAMES. */
const volatile __u32 stack_depth = MAX_FRAMES;
/* Blocks smaller or larger than these (bytes) are not reported. */
const volatile __u64 min_size = 0;
const volatile __u64 max_size = ~0ULL;
/*
 * Growth mode: only system calls and page faults are traced. There are no uprobes, and
 * every call that adds memory is reported with its stack.
 */
const volatile bool growth = false;
/* The children of targets become targets. */
const volatile bool follow = false;
/* One program sees both entry and return of allocation functions, see call_alloc. */
const volatile bool sessions = false;
/* The reader is woken when this many bytes wait for it. Below that, it polls. */
const volatile __u64 wake_bytes = 1 << 20;
/* 2^n - 1: one record in 2^n looks whether the reader has to be woken. */
const volatile __u64 wake_mask = 0;

/* The bits of live: whether allocations, frees and system calls are reported. */
#define LIVE_ALLOCS 1
#define LIVE_FREES 2
#define LIVE_CALLS 4

/*
 * The gate. It is set once every probe is attached and cleared before the first one is
 * detached. Otherwise, with only some of the probes in place, a block could be seen to be
 * allocated and not to be freed.
 */
__u32 live SEC(".data.control");

/*
 * Set where allocation functions are probed only in windows of time. Which system calls
 * they make is not known then, so all are reported alike.
 */
__u32 windowed SEC(".data.control");

/*
 * Raised while the probes on allocation functions are away. A call that is in flight then
 * is never seen to return, and its thread must not wait for that.
 */
__u32 generation SEC(".data.control");

/* The processes to trace. Probes fire in forked children too, so each program looks here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	/*
	 * The slot: 16 bits that name the process and the state of its mappings in the
	 * cache of unwind rules. Each change of the mappings gets a new one.
	 */
	__type(value, __u32);
} targets SEC(".maps");

/* The slot of a process whose mappings are not known, because it is new or has just
 * executed another program. */
#define SLOT_UNKNOWN 0

/* Raised with each change of a slot in targets, since threads keep a copy of theirs. */
__u32 slots_version SEC(".data.control");

/* Raised where heaps come or go, since threads remember where theirs are: see chunk.h. */
__u32 heaps_version SEC(".data.control") = 1;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20); /* set at load */
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* raised at load where it costs nothing */
	__type(key, struct spill_key);
	__type(value, struct spill);
} spills SEC(".maps");

/* The stacks that the reader has. A stack that falls out of this map is sent again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, __u8);
} sent_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

/* Adds to a counter of this CPU. */
#define COUNT(field, n)                                                        \
	do {                                                                   \
		__u32 zero_ = 0;                                               \
		struct counters *c_ = bpf_map_lookup_elem(&counts, &zero_);    \
		if (c_)                                                        \
			__sync_fetch_and_add(&c_->field, (n));                 \
	} while (0)

static __always_inline bool is_target(__u32 tgid)
{
	return bpf_map_lookup_elem(&targets, &tgid) != NULL;
}

/*
 * One round of a multiply-xorshift hash. Every bit of v reaches all of the hash, so lists
 * that differ in one element have unrelated hashes.
 */
static __always_inline __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

#endif
