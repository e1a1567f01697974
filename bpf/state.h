/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The constants and maps: what to trace, what each thread is doing, what was lost. */
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

/*
 * The shape of a function: where a call has its arguments and its result. tracer/process/target
 * makes it (Shape). A field of three bits names an argument, from 1 on, and is 0 where there is
 * none.
 */
#define SHAPE_SIZE(shape) ((shape) & 7)		/* the size */
#define SHAPE_COUNT(shape) ((shape) >> 3 & 7)	/* what the size is multiplied by */
#define SHAPE_BLOCK(shape) ((shape) >> 6 & 7)	/* the block to free or to resize */
#define SHAPE_OUT(shape) ((shape) >> 9 & 7)	/* where the result is put */
#define SHAPE_BUFFER(shape) ((shape) >> 12 & 7) /* a buffer that is returned if it is not NULL */
#define SHAPE_REALLOC (1U << 15) /* the block is resized */
#define SHAPE_FREE (1U << 16)	 /* the block is freed */
/* Throws if there is no memory, and so has no return probe. */
#define SHAPE_THROWS (1U << 17)
#define SHAPE_RETURN (1U << 18) /* a return instruction of such a function */
/* The argument points to where the block's address is. */
#define SHAPE_INDIRECT (1U << 19)
/* The block is kept even if the new size is 0. */
#define SHAPE_KEEPS (1U << 20)
/* The block is freed even if it cannot be resized. */
#define SHAPE_FREES (1U << 21)
/* The result is the size of the block, which stays where it is. */
#define SHAPE_IN_PLACE (1U << 22)
/* What is allocated is a copy of a string. */
#define SHAPE_STRING (1U << 23)
/* Frees by way of other functions that are probed, perhaps, and has a return probe for that. */
#define SHAPE_WRAPS (1U << 24)

/* malloc(size). */
#define SHAPE_MALLOC 1U
/* Where the result is not simply a block. */
#define SHAPE_RARE (7U << 9 | 7U << 12 | SHAPE_FREE | SHAPE_IN_PLACE | SHAPE_STRING)

/*
 * The shape of the function that an entry program is on. The program is loaded once for each
 * shape, which tracer/probe puts in the place of this number. The verifier works out the rest, so
 * no program spends time on what other functions need.
 */
#define ENTRY_SHAPE 0x73686170
static __always_inline __u32 entry_shape(void)
{
	__u32 shape;

	asm volatile("%0 = %1" : "=r"(shape) : "i"(ENTRY_SHAPE));
	return shape;
}

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
	__u64 words; /* how many; more than TRAIL_WORDS if not all are noted */
	/* The place of each: words above where the walk began, or PLACE_BP for rbp itself. */
	__u16 at[TRAIL_WORDS];
	/* A part of the hash up to each word, see CHECK_OF. */
	__u16 check[TRAIL_WORDS];
};
#define PLACE_BP 0xffff

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
	__u64 alloc; /* address of a function of SHAPE_MALLOC, 0 while none is known */
	__u64 brk_start, brk_end; /* the process's brk heap */
	__u64 heap_start, heap_end; /* an arena's heap, 0 while none is known */
	__u64 stack_end; /* end of the stack's mapping, 0 while not known */
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
	struct trail trail;
	struct climb climb;
	/* How many frames the stack has, and why the walk ended (enum walk_end). */
	__u32 frames;
	__u32 end;
	__u32 fresh; /* whether the process had fresh code when the walk began: see fresh.h */
	__u32 pad;
	struct event_rest rest; /* is sent together with copy, see late.h */
	__u8 copy[2048]; /* a part of the stack, see unwind.h */
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
 * The state of the calling thread if its process is traced, else NULL. The common case is
 * one hash lookup: only the first call of a thread looks up its process.
 */
static __always_inline struct thread *this_thread(__u64 id)
{
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	__u32 zero = 0;

	if (t || !is_target(id >> 32))
		return t;
	t = bpf_map_lookup_elem(&new_thread, &zero);
	if (!t)
		return NULL;
	bpf_map_update_elem(&threads, &id, t, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&threads, &id);
	if (!t)
		COUNT(lost_thread, 1);
	return t;
}

/* Whether an allocation call of the thread is in flight. */
static __always_inline bool in_flight(const struct thread *t)
{
	return t->call.sp && t->call.generation == generation;
}

/* Always empty: see own_stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} no_programs SEC(".maps");

const volatile bool never = false;

/*
 * Keeps a uprobe program on the kernel's stack. Since Linux 6.13 (commit a76ab5731e32) the
 * kernel gives programs of this type a stack for each CPU instead, on the belief that
 * nothing can preempt them. But uprobe programs can preempt one another. Then the stacks
 * get mixed up and the kernel crashes. A program with a tail call anywhere keeps the
 * kernel's stack, and the verifier then removes the call as dead code.
 */
static __always_inline void own_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &no_programs, 0);
}

/* Always empty, too. Programs that are attached in different ways must not share a map. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} no_sessions SEC(".maps");

static __always_inline void own_session_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &no_sessions, 0);
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
