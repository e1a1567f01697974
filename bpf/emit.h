/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Sending records. Where the ring is full, what leaves the live set is kept: see spill(). */
#ifndef MEMTRACE_EMIT_H
#define MEMTRACE_EMIT_H

/*
 * A wake-up costs as much as a probe. So the reader polls, and is woken only when the ring
 * fills faster than it polls. Even then not every record wakes it, because it takes a while
 * to come. The time's low bits decide by chance which records look at the ring: a shared
 * counter would bounce between CPUs.
 */
static __always_inline __u64 wake_flags(__u64 time)
{
	if ((time ^ time >> 9) >> 3 & wake_mask || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void fill_header(struct event_header *h, __u8 kind, __u8 flags,
					__u64 id, __u64 time, __u32 extra)
{
	h->kind = kind;
	h->flags = flags;
	h->pad = 0;
	h->tgid = id >> 32;
	h->tid = id;
	h->extra = extra;
	h->time = time;
}

static __always_inline bool emit_short(__u8 kind, __u8 flags, __u64 id, __u64 time, __u64 addr,
				       __u32 extra, __u64 wake)
{
	struct event_short *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return false;
	fill_header(&e->h, kind, flags, id, time, extra);
	e->addr = addr;
	bpf_ringbuf_submit(e, wake);
	return true;
}

static __always_inline bool emit_long(__u8 kind, __u8 flags, __u64 id, __u64 time, __u64 addr,
				      __u64 size, __u64 stack, __u64 arg, __u32 number, __u64 wake)
{
	struct event_long *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return false;
	fill_header(&e->h, kind, flags, id, time, number);
	e->addr = addr;
	e->size = size;
	e->stack = stack;
	e->arg = arg;
	bpf_ringbuf_submit(e, wake);
	return true;
}

/* Puts an entry into the spill map, or counts it as lost for good. */
static __always_inline void keep_spill(struct spill_key *key, struct spill *value)
{
	__u32 zero = 0;
	struct counters *c;

	if (!bpf_map_update_elem(&spills, key, value, BPF_ANY)) {
		COUNT(spilled, 1);
		return;
	}
	c = bpf_map_lookup_elem(&counts, &zero);
	if (!c)
		return;
	__sync_fetch_and_add(&c->lost_free, 1);
	if (value->time > c->gap_time)
		c->gap_time = value->time;
}

/*
 * Remembers that addr left the live set, where the ring has no room. A lost free would
 * show as a false leak. The reader drains the map and orders what it finds by time. If the
 * map is full too, gap_time tells the reader to trust nothing that was live then.
 */
static __always_inline void spill(__u16 kind, __u16 flags, __u64 id, __u64 time, __u64 addr,
				  __u64 size, __u32 extra)
{
	struct spill_key key = {
		.addr = addr, .size = size, .tgid = id >> 32, .kind = kind, .flags = flags,
	};
	struct spill value = {.time = time, .tid = id, .extra = extra};

	keep_spill(&key, &value);
}

/*
 * Turns a spilled entry of realloc(addr) into a spilled free. addr has been handed out
 * again, so that realloc succeeded. A new realloc is about to replace its entry in the map
 * and, if it fails, deletes that entry.
 */
static __always_inline void spilled_realloc_freed(__u64 id, __u64 addr)
{
	struct spill_key key = {.addr = addr, .tgid = id >> 32, .kind = EV_REALLOC_ENTER};
	struct spill *old = bpf_map_lookup_elem(&spills, &key), value;

	if (!old)
		return;
	value = *old;
	key.kind = EV_FREE;
	old = bpf_map_lookup_elem(&spills, &key);
	if (!old || old->time < value.time)
		keep_spill(&key, &value);
}

#endif
