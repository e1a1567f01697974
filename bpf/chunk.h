/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How glibc served a block. The header before the block says it, but to read it takes
 * longer than to send the record. Where the thread's blocks mostly are it cannot say
 * anything new: in the brk heap, which holds the main arena and nothing else, and in
 * the heap of another arena. Those ranges are remembered.
 *
 * A kernel that leaves out the run that would have seen a heap unmapped (the reader
 * counts those) can have a mapped block taken for the heap's, until the next brk(2) or
 * large munmap(2).
 *
 * Of another allocator's block all this says nothing; user space knows whose it is.
 */
#ifndef MEMTRACE_CHUNK_H
#define MEMTRACE_CHUNK_H

/* In the size of a chunk. */
#define CHUNK_MMAPPED 2
#define CHUNK_ARENA 4

/* Heaps of arenas are aligned to this, which is also the largest size of one. */
#define HEAP_MAX (64ULL << 20)

/* What a heap starts with: glibc's malloc/arena.c, unchanged from 2.10 on. */
struct heap_info {
	__u64 arena;
	__u64 previous;
	__u64 size;
	__u64 mprotect_size;
};

/* The thread's copy of where the brk heap is, renewed where that may have changed. */
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
 * Remembers the heap that addr, a block of an arena, lies in. Where huge pages make
 * heaps of another size (glibc.malloc.hugetlb), what is there is no heap_info.
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

/* EV_CHUNK_* of the block that is handed out at this time. */
static __always_inline __u8 chunk_flags(struct thread *t, __u64 addr, __u64 time)
{
	__u64 header;

	refresh_heaps(t);
	if (addr >= t->brk_start && addr < t->brk_end)
		return 0;
	if (addr >= t->heap_start && addr < t->heap_end)
		return EV_CHUNK_ARENA;
	if (bpf_probe_read_user(&header, sizeof(header), (void *)(addr - sizeof(header))))
		return 0;
	/* A thread that is handed blocks of several arenas must not look at a heap for
	 * each: of the time's bits only some say that it is worth it. */
	if ((header & (CHUNK_MMAPPED | CHUNK_ARENA)) == CHUNK_ARENA && !(time >> 3 & 7))
		find_heap(t, addr);
	return (header & (CHUNK_MMAPPED | CHUNK_ARENA)) << 1;
}

#endif
