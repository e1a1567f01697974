/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stacks that are unwound later. Where a walk meets code whose tables are about to come, fresh
 * code or a program that was just executed, user space is sent the registers there and a copy of
 * the rest of the stack. It goes on with the walk when it has the tables.
 */
#ifndef MEMTRACE_LATE_H
#define MEMTRACE_LATE_H

/* How much of a stack is copied at most, in pieces of the size of t->copy. */
#define LATE_PIECES 8
/* How much is sent of a process within a second, in bytes. Beyond that stacks are cut. */
#define LATE_PER_SECOND (24 << 20)

/*
 * Whether a word may be an address of code: of the program, or near the code that the walk has
 * met, where libraries are. The id of a stack must tell those apart that differ in a frame. That it
 * also tells apart some that do not only costs time.
 */
static __always_inline bool may_be_code(struct thread *t, __u64 word, __u64 start, __u64 end)
{
	return word >> 32 == t->walk.ip >> 32 || (word >= start && word < end);
}

/* Mixes the words that may be code into a hash, for the part of the stack in t->copy. */
__noinline __u64 hash_code(struct thread *t, __u64 hash, __u64 start, __u64 end)
{
	__u64 i, word;

	if (!t)
		return 0;
	for (i = 0; i < sizeof(t->copy) / 8; i++) {
		if (i * 8 + 8 > t->walk.size)
			break;
		word = ((__u64 *)t->copy)[i];
		if (may_be_code(t, word, start, end))
			hash = mix(hash, word ^ i << 48);
	}
	return hash;
}

/* Whether the stack goes on at an address. The main thread's ends where its arguments begin. */
static __always_inline bool goes_on(struct thread *t, __u64 address, __u64 start_stack)
{
	return address < start_stack || t->walk.sp >= start_stack;
}

/* The hash of a stack whose walk has stopped, so far, goes on with what its rest may be. */
static __always_inline __u64 hash_rest(struct thread *t, __u64 hash)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, mm, start_code), end = BPF_CORE_READ(task, mm, end_code);
	__u64 start_stack = BPF_CORE_READ(task, mm, start_stack), address = t->walk.sp, i;

	for (i = 0; i < LATE_PIECES; i++) {
		if (!goes_on(t, address, start_stack) || !copy_stack(t, address, COPY_SIZE))
			break;
		hash = hash_code(t, hash, start, end);
		address += t->walk.size;
	}
	return hash;
}

/* Whether the rest of a stack may be sent now. */
static __always_inline bool may_send_rest(struct fresh *f, __u64 time)
{
	__u64 second = time >> 30;

	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 2)
		return false;
	if (f->second != second) {
		f->second = second;
		f->sent = 0;
	}
	return f->sent < LATE_PER_SECOND;
}

/* Sends the rest of a stack whose id is t->stack.id. t is never NULL. Returns whether there was no
 * room for all of it. */
__noinline int send_rest(struct thread *t, __u64 id, __u64 time)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 start_stack = BPF_CORE_READ(task, mm, start_stack), address, size, i;
	__u32 tgid = id >> 32;
	struct fresh *f = bpf_map_lookup_elem(&fresh_code, &tgid);
	struct event_rest *e;

	if (!t || !f)
		return 0;
	e = &t->rest;
	fill_header(&e->h, EV_REST, 0, id, time, 0);
	e->id = t->stack.id;
	e->sp = t->walk.sp;
	e->bp = t->walk.bp;
	address = e->sp;
	for (i = 0; i < LATE_PIECES; i++) {
		if (!goes_on(t, address, start_stack) || !copy_stack(t, address, COPY_SIZE))
			break;
		size = t->walk.size;
		e->addr = address;
		e->size = size;
		size += sizeof(*e);
		/* As in read_stack: the verifier is to see that what is passed was compared. */
		asm volatile("" : "+r"(size));
		if (size > sizeof(*e) + sizeof(t->copy))
			break;
		if (bpf_ringbuf_output(&events, e, size, BPF_RB_NO_WAKEUP))
			return 1;
		__sync_fetch_and_add(&f->sent, size);
		address += e->size;
	}
	return 0;
}

#endif
