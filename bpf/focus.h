/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Blocks where calls return. While only windows are watched, tracer/focus keeps probes on places to
 * which allocation functions seldom return, one behind each call. They see what windows never meet,
 * and say nothing of frees. User space takes those away that are met too often; until it has, the
 * program only counts them.
 */
#ifndef MEMTRACE_FOCUS_H
#define MEMTRACE_FOCUS_H

/* How often one place may report within 2^33 ns, 8.6 s. */
__u32 focus_most SEC(".data.control") = 1;
/* Counts how often all places were met, and how often a probe was met that belongs to none of them: in
 * a program that was executed since and has mapped the same file elsewhere, or on its way out. */
__u64 focus_hits SEC(".data.control");
__u64 focus_strays SEC(".data.control");

struct focus_key {
	__u64 ip;
	__u32 tgid;
	__u32 pad;
};

struct focus_site {
	__u64 hits;
	__u64 lost; /* of these, blocks that could not be told of, though there was a need to */
	__u32 period;
	__u32 reported; /* in the period */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128); /* raised at load where it costs nothing */
	__type(key, struct focus_key);
	__type(value, struct focus_site);
} focus_sites SEC(".maps");

/* Whether the place may report now. Two threads may both take the last turn, which does no harm. */
static __always_inline bool focus_turn(struct focus_site *s, __u64 time)
{
	__u32 period = time >> 33;

	if (s->period != period) {
		s->period = period;
		s->reported = 0;
	}
	if (s->reported >= focus_most)
		return false;
	s->reported++;
	return true;
}

static __always_inline int focus(struct pt_regs *ctx, bool tables)
{
	__u64 id = bpf_get_current_pid_tgid(), addr = RESULT(ctx), header, time, stack;
	struct focus_key key = {.ip = INSTRUCTION(ctx), .tgid = id >> 32};
	struct focus_site *s = bpf_map_lookup_elem(&focus_sites, &key);
	struct thread *t;

	if (!s) {
		if (is_target(id >> 32))
			__sync_fetch_and_add(&focus_strays, 1);
		return 0;
	}
	if (!live)
		return 0;
	__sync_fetch_and_add(&focus_hits, 1);
	__sync_fetch_and_add(&s->hits, 1);
	time = bpf_ktime_get_ns();
	if (!addr || !focus_turn(s, time))
		return 0;
	t = this_thread(id);
	if (!t || bpf_probe_read_user(&header, sizeof(header), (void *)(addr - sizeof(header)))) {
		__sync_fetch_and_add(&s->lost, 1);
		return 0;
	}
	stack = capture_stack(ctx, t, id, time, key.ip, STACK_POINTER(ctx), FRAME_POINTER(ctx), false, tables, 0);
	if (!stack || !emit_long(EV_RETURNED, (header & (CHUNK_MMAPPED | CHUNK_ARENA)) << 1, id, time, addr,
				 header & ~7ULL, stack, key.ip, 0, wake_flags(time)))
		__sync_fetch_and_add(&s->lost, 1);
	return 0;
}

SEC("uprobe/focus")
int focus_return(struct pt_regs *ctx)
{
	own_stack(ctx);
	return focus(ctx, true);
}

SEC("uprobe/focus")
int focus_return_fp(struct pt_regs *ctx)
{
	own_stack(ctx);
	return focus(ctx, false);
}

#endif
