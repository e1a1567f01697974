/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How a call stack is read, and how it gets its id. */
#ifndef MEMTRACE_STACK_H
#define MEMTRACE_STACK_H

/* Stores the frames that the kernel finds by frame pointers, with results as walk_stack's. */
static __always_inline void frame_pointer_stack(void *ctx, struct thread *t, __u32 depth)
{
	long got = bpf_get_stack(ctx, t->stack.frames, depth * sizeof(__u64), BPF_F_USER_STACK);

	t->frames = got > 0 ? (__u32)got / sizeof(__u64) : 0;
	t->end = t->frames < depth ? WALK_COMPLETE : WALK_ON;
}

/* Counts a stack that was not seen before, if it is cut short. */
static __always_inline void count_cut(int end)
{
	switch (end) {
	case WALK_ON:
		COUNT(cut_depth, 1);
		break;
	case WALK_NO_RULE:
		COUNT(cut_no_rule, 1);
		break;
	case WALK_BAD_RULE:
		COUNT(cut_bad_rule, 1);
		break;
	case WALK_BAD_STACK:
		COUNT(cut_bad_stack, 1);
		break;
	}
}

/* Renews the thread's copy of its process's slot if that may have changed. */
static __always_inline void refresh_slot(struct thread *t, __u64 id)
{
	__u32 tgid = id >> 32, *slot;
	__u32 version = *(volatile __u32 *)&slots_version;

	if (t->slot_version == version)
		return;
	slot = bpf_map_lookup_elem(&targets, &tgid);
	if (!slot)
		return;
	t->slot = *slot;
	t->slot_version = version;
}

/* later says that a walk that meets fresh code may be gone on with by user space, and that it counts if
 * the stack is lost or cut short. Without the stack of a free that was to be a sample nothing is lost. */
static __always_inline __u64 read_stack(void *ctx, struct thread *t, __u64 id, __u64 time,
					__u64 ip, __u64 sp, __u64 bp, bool exact, bool tables, bool later, __u64 server)
{
	__u32 depth = stack_depth, tgid = id >> 32, n, i;
	__u64 size;
	struct event_stack *s = &t->stack;
	struct fresh *f = NULL;
	int end;
	__u8 one = 1;
	__u64 hash, wake;

	if (depth > MAX_FRAMES)
		depth = MAX_FRAMES;
	if (tables) {
		refresh_slot(t, id);
		t->walk.ip = ip;
		t->walk.sp = sp;
		t->walk.bp = bp;
		t->walk.exact = exact;
		begin_walk(t, server);
		/* A remembered walk may have gone through what was mapped there before. */
		t->fresh = any_fresh() && has_fresh(id >> 32);
		hash = t->fresh ? 0 : recall(t);
		if (hash)
			return hash;
		walk_stack(t, id >> 32, depth);
	} else {
		frame_pointer_stack(ctx, t, depth);
	}
	n = *(volatile __u32 *)&t->frames;
	end = *(volatile __u32 *)&t->end;
	if (!n) {
		if (later)
			COUNT(lost_stack, 1);
		return 0;
	}
	if (n > depth)
		n = depth;
	hash = mix(mix(0, id >> 32), server);
	for (i = 0; i < MAX_FRAMES; i++) {
		if (i >= n)
			break;
		hash = mix(hash, s->frames[i]);
	}
	if (!later && end == WALK_LATER)
		end = WALK_NO_RULE;
	if (tables && end == WALK_LATER) {
		f = bpf_map_lookup_elem(&fresh_code, &tgid);
		if (f && may_send_rest(f, time))
			hash = hash_rest(t, hash);
		else
			end = WALK_NO_RULE;
	}
	if (!hash)
		hash = 1;
	if (bpf_map_lookup_elem(&sent_stacks, &hash)) {
		if (tables)
			remember(t, hash, end);
		return hash;
	}

	/*
	 * Two threads may both find the stack missing here and send it twice. That is
	 * harmless. To trust another thread's send, which can still fail, would not be.
	 */
	s->id = hash;
	s->server = server;
	/* What a loader maps before user space knows its process is no loss. */
	if (later && end != WALK_LATER && (f || !follow || !tables || t->slot != SLOT_UNKNOWN))
		count_cut(end);
	fill_header(&s->h, EV_STACK, end == WALK_COMPLETE ? 0 : end == WALK_LATER ? EV_TRUNCATED | EV_LATER : EV_TRUNCATED,
		    id, time, 0);
	wake = wake_flags(time);
	size = offsetof(struct event_stack, frames) + n * sizeof(s->frames[0]);
	/* Keeps size in one register for the comparison and the call. Otherwise the verifier
	 * of Linux 5.10 does not see that the size that is passed was compared. */
	asm volatile("" : "+r"(size));
	if (size > sizeof(*s))
		size = sizeof(*s);
	if (bpf_ringbuf_output(&events, s, size, wake)) {
		if (!later)
			return 0;
		COUNT(lost_stack, 1);
		return hash;
	}
	bpf_map_update_elem(&sent_stacks, &hash, &one, BPF_ANY);
	if (tables && later && end == WALK_LATER && send_rest(t, id, time)) {
		COUNT(lost_stack, 1);
		bpf_map_delete_elem(&sent_stacks, &hash); /* to be sent again */
	}
	if (tables)
		remember(t, hash, end);
	return hash;
}

/*
 * Reads the calling thread's user stack and returns its id, 0 if it cannot be read. ip, sp
 * and bp are the user's registers where the stack is wanted. exact says that ip is the
 * address of the instruction itself, not the one behind it. With tables the stack is walked
 * by unwind tables, else by the kernel with frame pointers. server is the function that served
 * an allocation, 0 for all else. A stack is sent once; from then on its id stands for it.
 */
static __always_inline __u64 capture_stack(void *ctx, struct thread *t, __u64 id, __u64 time,
					   __u64 ip, __u64 sp, __u64 bp, bool exact, bool tables, __u64 server)
{
	__u64 stack;

	if (!growth)
		return read_stack(ctx, t, id, time, ip, sp, bp, exact, tables, true, server);
	/* Page faults while the stack is read are not the program's: see kernel_fault. */
	*(volatile __u32 *)&t->walking = 1;
	stack = read_stack(ctx, t, id, time, ip, sp, bp, exact, tables, true, server);
	*(volatile __u32 *)&t->walking = 0;
	return stack;
}

#endif
