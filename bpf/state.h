/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps: what to trace, what each thread is doing, what was lost. */
#ifndef MEMTRACE_STATE_H
#define MEMTRACE_STATE_H

/* Frames to send of a stack, 1 to MAX_FRAMES. */
const volatile __u32 stack_depth = MAX_FRAMES;
/* Blocks smaller or larger than these (bytes) are not reported. */
const volatile __u64 min_size = 0;
const volatile __u64 max_size = ~0ULL;
/*
 * Nothing but the system calls and page faults is looked at: there are no uprobes,
 * and every call that adds memory is told with its stack.
 */
const volatile bool growth = false;
/* Allocation functions have one program for entry and return, see call_alloc. */
const volatile bool sessions = false;
/* The reader is woken when this many bytes wait for it; below, it polls. */
const volatile __u64 wake_bytes = 1 << 20;
/* One less than a power of two: of that many records one looks at the ring. */
const volatile __u64 wake_mask = 0;

/* What of live is set while allocations, frees and system calls are reported. */
#define LIVE_ALLOCS 1
#define LIVE_FREES 2
#define LIVE_CALLS 4

/*
 * The gate: set once every probe is attached, cleared before the first one is
 * detached. In between, a block cannot be seen to be born and not to die because
 * only some of the probes are there.
 */
__u32 live SEC(".data.control");

/*
 * Set where allocation functions are probed in windows of time. Which system calls
 * they make is not known then: all are reported alike.
 */
__u32 windowed SEC(".data.control");

/*
 * Raised while the probes on allocation functions are away: their calls in flight
 * then are never seen to return, and threads must not wait for that.
 */
__u32 generation SEC(".data.control");

/* Processes to trace. Probes fire in forked children too, so each one asks. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	/*
	 * Names the process and the state of its mappings in the cache of unwind
	 * rules: 16 bits, a new one after each change of them.
	 */
	__type(value, __u32);
} targets SEC(".maps");

/* The slot of a process whose mappings are not known: it has just been made, or
 * runs another program. */
#define SLOT_UNKNOWN 0

/* Raised with each change of a slot in targets: threads keep a copy of theirs. */
__u32 slots_version SEC(".data.control");

/* Raised where heaps come or go: threads keep a copy of where theirs is, see chunk.h. */
__u32 heaps_version SEC(".data.control") = 1;

/* What a function that call_alloc is on is: target.Role. */
enum role {
	ROLE_ALLOC,
	ROLE_CALLOC,
	ROLE_REALLOC,
	ROLE_MEMALIGN,
	ROLE_POSIX_MEMALIGN,
	ROLE_NEW,
	ROLE_NEW_RETURN, /* a place where such a function returns */
};

enum function {
	FN_ALLOC = 1,
	FN_REALLOC,
	FN_POSIX_MEMALIGN,
	FN_NEW, /* has no return probe: see enter_new */
};

/* Where a walk is: a frame's registers, and what of the stack is copied. */
struct walk {
	__u64 ip, sp, bp;
	/*
	 * Where bp was saved, until the walk depends on it: most programs keep
	 * something else in the register, and what that is makes no difference. Or
	 * BP_REGISTER, where it has not been changed since the walk began, or BP_NOTED.
	 */
	__u64 bp_at;
	__u64 base; /* address of the copy's first byte */
	__u32 size; /* bytes copied */
	__u32 exact; /* ip is an instruction's address, not a return address */
};

/* No addresses: see struct walk. */
#define BP_NOTED 0
#define BP_REGISTER 1

/* How many words of the stack a walk may read and be remembered, see memo.h. */
#define TRAIL_WORDS 128 /* a power of two */

/* Which words of the stack a walk has read. */
struct trail {
	__u64 words; /* more than TRAIL_WORDS: not all are noted */
	/* In words above where the walk began, or PLACE_BP for the register rbp. */
	__u16 at[TRAIL_WORDS];
	/* A part of the hash up to each word, see CHECK_OF. */
	__u16 check[TRAIL_WORDS];
};
#define PLACE_BP 0xffff

/* Of a binary search: what is sought is in [low, high). */
struct bounds {
	__u32 low, high;
};

/* An allocation call. */
struct call {
	/*
	 * Stack pointer at the call's entry, 0 when there is none. It tells
	 * calls apart where a counter could not: an inner call has a lower one, the
	 * matching return one higher by exactly CALL_PUSHES. See standing() for what
	 * else there can be.
	 */
	__u64 sp;
	__u64 size; /* bytes asked for */
	__u64 old;  /* realloc's old block, 0 if none */
	__u64 out;  /* where posix_memalign puts its result */
	__u64 freed; /* the block that realloc(block, 0) frees inside */
	__u64 return_to; /* of FN_NEW: the return address */
	__u32 function;
	__u32 spilled; /* EV_REALLOC_ENTER went to the spill map */
	__u32 generation; /* of another one, there is none in flight */
	__u32 nested; /* calls that came while this one was in flight */
};

/*
 * One thread's outermost allocation call in flight, and its scratch space.
 * Scratch is the thread's own because uprobe programs can be preempted by one
 * another on the same CPU.
 */
struct thread {
	struct call call;  /* in flight */
	struct call aside; /* seemed gone, see put_aside */
	__u32 slot; /* of the process, see targets, as of slots_version */
	__u32 slot_version;
	__u32 walking; /* while its stack is read, see capture_stack */
	__u32 heaps_version; /* of the four below */
	__u32 autodisarm; /* has, or had, a signal stack with SS_AUTODISARM */
	__u32 alloc_version; /* slots_version when alloc was noted */
	__u64 alloc; /* address of a function of ROLE_ALLOC, 0 while none is known */
	__u64 brk_start, brk_end; /* the process's brk heap */
	__u64 heap_start, heap_end; /* an arena's heap, 0 while none is known */
	__u64 stack_end; /* end of the stack's mapping, 0 while not known */
	struct event_stack stack;
	struct walk walk; /* see unwind.h, and tables.h for the next */
	struct bounds bounds;
	/* Of the walk: where it began, and the hash of that and of the words so far. */
	__u64 trail_base, trail_start, trail_hash;
	__u64 followed, memo; /* see memo.h */
	struct trail trail;
	/* How many frames the stack has, and why the walk ended (enum walk_end). */
	__u32 frames;
	__u32 end;
	__u8 copy[2048]; /* a part of the stack, see unwind.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192); /* raised at load where it costs nothing */
	__type(key, __u64);        /* pid_tgid */
	__type(value, struct thread);
} threads SEC(".maps");

/* A thread that is new starts from this: a BPF stack could not hold it. */
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

/* Stacks that the reader has. One that falls out is sent again. */
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
 * The state of the calling thread if its process is traced. The common case is
 * one hash lookup; only a thread's first call looks at its process.
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
 * Keeps a uprobe program on the kernel's stack. Since 6.13 the kernel gives
 * programs of this type a stack for each CPU instead, believing that nothing can
 * preempt them. Uprobe programs can be preempted by one another: the stacks get
 * mixed up and the kernel crashes (a76ab5731e32 is the kernel's change). A
 * program with a tail call anywhere keeps the old stack; the verifier then
 * removes the call as dead code.
 */
static __always_inline void own_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &no_programs, 0);
}

/* Always empty, too. Programs that are attached in different ways must not share one. */
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
 * One round of a multiply-xorshift hash: every bit of v reaches all of the hash,
 * and hashes of lists that differ in one element share nothing.
 */
static __always_inline __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

#endif
