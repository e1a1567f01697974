/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The wire format between the BPF programs and tracer/event, which checks its own
 * layout against the BTF of these structs. Records are naturally aligned and have
 * no implicit padding. A record's kind fixes its size, except for EV_STACK and
 * EV_CODE and EV_REST, which carry only as much as there is.
 */
#ifndef MEMTRACE_EVENT_H
#define MEMTRACE_EVENT_H

enum event_kind {
	EV_ALLOC = 1,
	EV_FREE,
	EV_REALLOC_ENTER,
	EV_REALLOC,
	EV_REALLOC_FAIL,
	EV_MMAP,
	EV_MUNMAP,
	EV_MUNMAP_FAIL,
	EV_MREMAP_ENTER,
	EV_MREMAP,
	EV_MREMAP_FAIL,
	EV_BRK,
	EV_MPROTECT,
	EV_EXEC,
	EV_FORK,
	EV_EXIT,
	EV_STACK,
	EV_FAULT,
	EV_CODE,
	EV_SHMAT,
	EV_SHMDT,
	EV_REST,
	EV_RETURNED,
};

enum event_flags {
	/* The system call was made by an allocation call in flight, or the free by a wrapper. */
	EV_IN_ALLOCATOR = 1,
	EV_TRUNCATED = 2,    /* the stack or path is longer than what was sent */
	/* From the header of glibc's chunk: IS_MMAPPED and NON_MAIN_ARENA. */
	EV_CHUNK_MMAPPED = 4,
	EV_CHUNK_ARENA = 8,
	/* Of a fault: the access was a write; the page was there, but could not be written to. */
	EV_WRITE = 16,
	EV_PRESENT = 32,
	EV_LATER = 64, /* the stack goes on: EV_REST events follow */
	EV_SAMPLED = 128, /* a free with its stack: see freer.h */
};

/* Every record starts with this. */
struct event_header {
	__u8 kind;  /* enum event_kind */
	__u8 flags; /* enum event_flags */
	__u16 pad;
	__u32 tgid;
	__u32 tid;
	/*
	 * EV_FREE, EV_REALLOC_ENTER: see chunk_units. EV_FORK: 1 if the child shares the address
	 * space, as vfork's does until it calls exec. EV_MMAP of a file as code: its number, see
	 * code_mapped. 0 in all others.
	 */
	__u32 extra;
	__u64 time; /* ns, CLOCK_MONOTONIC */
};

/* EV_FREE, EV_REALLOC_ENTER, EV_REALLOC_FAIL, EV_EXEC, EV_FORK, EV_EXIT. */
struct event_short {
	struct event_header h;
	__u64 addr;
};

/* All other kinds except EV_STACK, EV_CODE and EV_REST, and EV_FREE with EV_SAMPLED, where arg is
 * how many frees this one stands for. */
struct event_long {
	struct event_header h;
	__u64 addr;
	__u64 size;
	__u64 stack;
	__u64 arg;
};

#define MAX_FRAMES 127

/* EV_STACK: id, then the frames, innermost first. */
struct event_stack {
	struct event_header h;
	__u64 id;
	__u64 server; /* the probed function that served the allocation, 0 for other stacks */
	__u64 frames[MAX_FRAMES];
};

/* Of a path, at most. Also what a record has room for. */
#define PATH_BYTES 960

/*
 * EV_CODE: part of a file was mapped as code. It comes before the EV_MMAP. Only as much of
 * path is sent as there is.
 */
struct event_code {
	struct event_header h;
	__u64 addr;
	__u64 size;
	__u64 offset; /* in the file, bytes */
	__u64 dev;    /* the kernel's own dev_t */
	__u64 inode;
	__u64 generation; /* tells files apart that had the same inode; 0 where there is none */
	/*
	 * The names that lead from the file up to the process's root directory, each with a
	 * NUL behind it.
	 */
	char path[PATH_BYTES];
};

/*
 * EV_REST: a part of the memory of the stack whose id it is, from where its last frame is. The
 * registers are that frame's. Pieces follow one another in order of address.
 */
struct event_rest {
	struct event_header h;
	__u64 id;
	__u64 addr;
	__u64 sp, bp;
	__u64 size; /* of the memory, which follows, bytes */
};

/*
 * Something left the live set while the ring was full. The spill map keeps the newest such
 * event of each kind and address or range until the reader drains it.
 */
struct spill_key {
	__u64 addr;
	__u64 size; /* of a range; 0 for a block */
	__u32 tgid;
	__u16 kind; /* enum event_kind */
	/*
	 * The flags of mremap(2), those of the event where a block is freed, else 0. They are part
	 * of the key because a call that leaves the old range mapped must not replace one that
	 * ended it, nor a free of the allocator's own one of the program.
	 */
	__u16 flags;
};

struct spill {
	__u64 time;
	__u32 tid;
	__u32 extra; /* as in event_header */
};

/* Each CPU has its own; the reader sums them. */
struct counters {
	__u64 lost_alloc;
	__u64 lost_alloc_bytes;
	__u64 lost_free;  /* no room in the spill map either, or the block's address is unreadable */
	__u64 lost_stack; /* unreadable, or no room for all of it */
	__u64 lost_mmap;
	__u64 lost_thread; /* events of threads for whose state there was no room */
	__u64 stale;       /* calls whose return was never seen */
	/* Time of the newest event that found no room: all that was live then is in doubt. */
	__u64 gap_time;
	__u64 spilled;
	/* New stacks whose walk ended early, by reason (enum walk_end). */
	__u64 cut_no_rule;
	__u64 cut_bad_rule;
	__u64 cut_bad_stack;
	__u64 cut_depth;
	__u64 lost_fault; /* faults that the lost samples stood for */
	/* Threads first seen with a signal stack above their own: look_for_signal_stack. */
	__u64 high_signal_stack;
};

#endif
