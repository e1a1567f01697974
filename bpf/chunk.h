/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How glibc served a block. The header before the block says it, but reading it takes
 * longer than sending the record. A block's range says the same in the two places where most
 * of a thread's blocks are: in the brk heap, which holds only the main arena, and in one heap
 * of another arena. So each thread remembers those two ranges.
 *
 * The kernel may skip the run of a program that would have seen a heap unmapped; the reader
 * counts skipped runs. Then a mapped block can be taken for one of the heap, until the next
 * brk(2) or large munmap(2).
 *
 * For blocks of another allocator the result means nothing. User space knows whose they are.
 */
#ifndef MEMTRACE_CHUNK_H
#define MEMTRACE_CHUNK_H

/* Bits in the size field of a chunk's header: IS_MMAPPED and NON_MAIN_ARENA. */
#define CHUNK_MMAPPED 2
#define CHUNK_ARENA 4

/* The alignment of arenas' heaps, and the largest size of one. */
#define HEAP_MAX (64ULL << 20)

/* The start of a heap: glibc's malloc/arena.c, unchanged since 2.10. */
struct heap_info {
	__u64 arena;
	__u64 previous;
	__u64 size;
	__u64 mprotect_size;
};

/* Renews what the thread knows of the heaps, if heaps may have changed. */
static __always_inline void refresh_heaps(struct thread *t)
{
	__u32 version = *(volatile __u32 *)&heaps_version;
	struct task_struct *task;

	if (t->heaps_version == version)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	t->brk_start = BPF_CORE_READ(task, mm, start_brk);
	t->brk_end = BPF_CORE_READ(task, mm, brk);
	t->heap_start = 0;
	t->heap_end = 0;
	t->heaps_version = version;
}

/*
 * Remembers the heap of the arena block at addr. Where huge pages change the size of heaps
 * (glibc.malloc.hugetlb), what is read is no heap_info and fails the checks.
 */
static __always_inline void find_heap(struct thread *t, __u64 addr)
{
	__u64 start = addr & ~(HEAP_MAX - 1);
	struct heap_info h;

	if (bpf_probe_read_user(&h, sizeof(h), (void *)start))
		return;
	if (!h.arena || h.arena & 15 || h.previous & (HEAP_MAX - 1) || h.size & 4095 ||
	    h.size > h.mprotect_size || h.mprotect_size > HEAP_MAX)
		return;
	t->heap_start = start;
	t->heap_end = start + h.size;
}

/*
 * EV_CHUNK_* of the block at addr, which is handed out at this time. A wrapper may keep a header of
 * its own between the chunk's and the block. Its blocks go by where they are: what is in no heap is a
 * mapping.
 */
static __always_inline __u8 chunk_flags(struct thread *t, __u64 addr, __u64 time)
{
	__u64 header;

	refresh_heaps(t);
	if (addr >= t->brk_start && addr < t->brk_end)
		return 0;
	if (addr >= t->heap_start && addr < t->heap_end)
		return EV_CHUNK_ARENA;
	if (t->call.shape & SHAPE_PASSES) {
		if (!t->call.passed)
			return 0; /* it is no wrapper */
		find_heap(t, addr);
		return addr >= t->heap_start && addr < t->heap_end ? EV_CHUNK_ARENA : EV_CHUNK_MMAPPED;
	}
	if (bpf_probe_read_user(&header, sizeof(header), (void *)(addr - sizeof(header))))
		return 0;
	/* A thread that gets blocks of several arenas must not look up a heap for each. The
	 * time's bits choose one such block in 8. */
	if ((header & (CHUNK_MMAPPED | CHUNK_ARENA)) == CHUNK_ARENA && !(time >> 3 & 7))
		find_heap(t, addr);
	return (header & (CHUNK_MMAPPED | CHUNK_ARENA)) << 1;
}

/*
 * The sizes of chunks that are given up. User space knows the blocks whose allocations were
 * reported, so only the sizes of others matter: of older ones than the trace, and of those that
 * min_size and max_size leave out. Reading a header takes time. So each thread remembers the
 * reported blocks that it was handed last. They are most of what most threads give up, and
 * their headers are not read.
 */

/* The place of a block among those that a thread remembers. Blocks that lie close together
 * have places of their own. */
static __always_inline __u64 *handed_at(struct thread *t, __u64 addr)
{
	return &t->handed[(addr >> 4 ^ addr >> 10) & (HANDED - 1)];
}

/*
 * The size of the chunk of the block at addr, which a function of this shape is about to give up, in
 * units of 16 bytes, at most 2^32 - 1. It is 0 if it is not known, or if the thread, which may be
 * NULL, remembers the block.
 */
static __always_inline __u32 chunk_units(struct thread *t, __u32 shape, __u64 addr)
{
	__u64 header;

	if (t && *handed_at(t, addr) == addr)
		return 0;
	if (shape & SHAPE_FOREIGN && !(shape & SHAPE_PASSES && t && t->plain))
		return 0;
	if (bpf_probe_read_user(&header, sizeof(header), (void *)(addr - sizeof(header))))
		return 0;
	header >>= 4;
	return header > ~0U ? ~0U : header;
}

#endif
