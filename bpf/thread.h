/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What each thread is doing: its allocation call, and the walk of its stack. */
#ifndef MEMTRACE_THREAD_H
#define MEMTRACE_THREAD_H

/* Where a walk is: a frame's registers, and which part of the stack is copied. */
struct walk {
	__u64 ip, sp, bp;
	/*
	 * The address where bp was saved, or BP_REGISTER if bp is as it was when the walk
	 * began, or BP_NOTED if there is nothing left to note. bp is noted in the trail only
	 * when the walk depends on it: most programs keep something else in the register,
	 * whose value makes no difference.
	 */
	__u64 bp_at;
	__u64 base; /* address of the copy's first byte */
	__u32 size; /* bytes copied */
	__u32 exact; /* ip is an instruction's address, not a return address */
	/* Of Go, see go.h: a goroutine of this thread, and the stack pointer of the call from C
	 * around the last one that the walk has met. 0 while not known. */
	__u64 goroutine, go_called;
};

/* Values of bp_at that are no addresses. */
#define BP_NOTED 0
#define BP_REGISTER 1

/* A walk that depends on more words of the stack is not remembered, see memo.h. */
#define TRAIL_WORDS 128 /* a power of two */

/* The words of the stack that a walk depends on. */
struct trail {
	__u32 words; /* how many; more than TRAIL_WORDS if not all are noted */
	__u32 reach; /* bytes from where the walk began to the end of the farthest of them */
	/* The place of each: words above where the walk began, PLACE_BP for rbp itself, or PLACE_NONE
	 * for a zero that fills the last group, see follow_groups. */
	__u16 at[TRAIL_WORDS];
	/* A part of the hash up to each word, see CHECK_OF. */
	__u16 check[TRAIL_WORDS];
};
#define PLACE_BP 0xffff
#define PLACE_NONE 0xfffe

#define COPY_WORDS 256 /* a power of two */
#define COPY_SIZE ((COPY_WORDS - 2) * 8) /* bytes of it that are the stack's */

/* The bounds of a binary search: what it looks for is in [low, high). */
struct bounds {
	__u32 low, high;
};

/* How far the path of a file was followed, see mapped.h. */
struct climb {
	__u64 dentry, mount; /* where it is */
	__u64 root, root_mount;
	__u32 used; /* bytes written */
	__u32 whole; /* the root was reached */
};

/* How many blocks a thread remembers that it was handed, a power of two. */
#define HANDED 64

/* An allocation call. */
struct call {
	/*
	 * Stack pointer at the call's entry, 0 when there is no call. It tells calls apart
	 * where a counter could not: an inner call has a lower one, and the matching return
	 * has one that is higher by exactly CALL_PUSHES. See standing() for other cases.
	 */
	__u64 sp;
	__u64 size; /* bytes asked for */
	__u64 old;  /* realloc's old block, 0 if none */
	__u64 out;  /* where the result is put, or the buffer that may be returned */
	__u64 freed; /* the block that is reported as freed, which an inner free is about to free */
	__u64 return_to; /* the return address, if the function throws */
	__u32 shape;
	__u32 spilled; /* EV_REALLOC_ENTER went to the spill map */
	__u32 generation; /* the call is in flight only while this is the current one */
	__u32 nested; /* calls that came while this one was in flight */
	/*
	 * The address of the function that serves the call: its own or, if that is a wrapper, the
	 * one that it calls for as much memory. passed means that this one is no wrapper.
	 */
	__u64 server;
	__u32 passed;
	__u32 pad;
};

/*
 * One thread's outermost allocation call in flight, and its scratch space. The scratch
 * space belongs to the thread, not the CPU, because uprobe programs can preempt one another
 * on the same CPU.
 */
struct thread {
	struct call call;  /* in flight */
	struct call aside; /* seems gone but may still return, see put_aside */
	__u32 slot; /* the process's slot in targets */
	__u32 slot_version; /* slots_version when slot was read */
	__u32 walking; /* set while its stack is read in growth mode, see capture_stack */
	__u32 heaps_version; /* heaps_version when brk_start to heap_end were set */
	__u32 autodisarm; /* has, or had, a signal stack with SS_AUTODISARM */
	__u32 alloc_version; /* slots_version when alloc was noted */
	__u32 plain; /* the wrapper that it calls has no header of its own before blocks */
	__u32 pad2;
	__u64 alloc; /* address of a function of SHAPE_MALLOC, 0 while none is known */
	__u64 brk_start, brk_end; /* the process's brk heap */
	__u64 heap_start, heap_end; /* an arena's heap, 0 while none is known */
	__u64 stack_end; /* end of the stack's mapping, 0 while not known */
	__u64 reach; /* of the last walk's trail */
	__u64 free_sampled; /* when the stack of a free was last read, see freer.h */
	__u32 free_shift; /* one free in 2^free_shift is sampled */
	__u32 pad3;
	__u64 handed[HANDED]; /* blocks that it was handed: see chunk.h */
	/* A record before it is sent. */
	union {
		struct event_stack stack;
		struct event_code code;
	};
	struct walk walk; /* see unwind.h */
	struct bounds bounds; /* see tables.h */
	/*
	 * The stack pointer where the walk began, the hash of what it began from (see
	 * begin_walk), and the hash of that and the words so far.
	 */
	__u64 trail_base, trail_start, trail_hash;
	__u64 followed, memo; /* see memo.h */
	__u64 trampoline; /* of return probes, see trampoline.h */
	struct trail trail;
	struct climb climb;
	/* How many frames the stack has, and why the walk ended (enum walk_end). */
	__u32 frames;
	__u32 end;
	__u32 fresh; /* whether the process had fresh code when the walk began: see fresh.h */
	__u32 pad;
	struct event_rest rest; /* is sent together with copy, see late.h */
	/* A part of the stack, see unwind.h, and in its last words a zero and rbp, see memo.h. */
	union {
		__u8 copy[COPY_WORDS * 8];
		__u64 words[COPY_WORDS];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192); /* raised at load where it costs nothing */
	__type(key, __u64);        /* pid_tgid */
	__type(value, struct thread);
} threads SEC(".maps");

/* The state that a new thread starts from. It would not fit on a BPF stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct thread);
} new_thread SEC(".maps");

/* A new state for the calling thread, NULL if there is no room. */
static __always_inline struct thread *make_thread(__u64 id)
{
	__u32 zero = 0;
	struct thread *t = bpf_map_lookup_elem(&new_thread, &zero);

	if (!t)
		return NULL;
	bpf_map_update_elem(&threads, &id, t, BPF_NOEXIST);
	return bpf_map_lookup_elem(&threads, &id);
}

/*
 * The state of the calling thread if its process is traced, else NULL. The common case is
 * one hash lookup: only the first call of a thread looks up its process.
 */
static __always_inline struct thread *this_thread(__u64 id)
{
	struct thread *t = bpf_map_lookup_elem(&threads, &id);

	if (t || !is_target(id >> 32))
		return t;
	t = make_thread(id);
	if (!t)
		COUNT(lost_thread, 1);
	return t;
}

/* Whether an allocation call of the thread is in flight. */
static __always_inline bool in_flight(const struct thread *t)
{
	return t->call.sp && t->call.generation == generation;
}

#endif
