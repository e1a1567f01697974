/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The system calls that change an address space. As with blocks, a range leaves the live set
 * at the call's entry and joins it at the return. The programs are in calls.h.
 */
#ifndef MEMTRACE_VM_H
#define MEMTRACE_VM_H

#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define MAP_FAILED_FROM (-4095UL) /* results from here on are error codes */

/* Bytes. A smaller range is never the whole of an arena's heap. */
#define SMALLEST_HEAP (1 << 20)

static __always_inline void heaps_changed(void)
{
	__sync_fetch_and_add(&heaps_version, 1);
}

/* EV_IN_ALLOCATOR if an allocation call in flight made the system call, else 0. */
static __always_inline __u8 in_allocator(const struct thread *t, const struct pt_regs *regs)
{
	return !windowed && in_flight(t) && STACK_POINTER(regs) < t->call.sp && return_pending(t) ?
		       EV_IN_ALLOCATOR :
		       0;
}

static __always_inline struct thread *traced_thread(__u64 id)
{
	return live & LIVE_CALLS ? this_thread(id) : NULL;
}

/*
 * Whether the stack behind a call is wanted. It is for mappings that the program makes
 * itself. In growth mode, and where allocation functions are probed in windows of time, it
 * is for every call that may add memory. arg is the event's.
 */
static __always_inline bool wants_stack(__u8 kind, __u8 flags, __u64 addr, __u64 arg)
{
	if (!growth && !windowed)
		return !flags && (kind == EV_MMAP || kind == EV_MREMAP || kind == EV_SHMAT);
	switch (kind) {
	case EV_MMAP:
		return !(arg >> 32 & MAP_ANONYMOUS) || arg & 0xffffffff;
	case EV_BRK:
		return addr == arg; /* else it failed, or only asked where the break is */
	case EV_MPROTECT:
		return arg;
	}
	return kind == EV_MREMAP || kind == EV_SHMAT;
}

static __always_inline void vm_joined(void *ctx, __u8 kind, const struct pt_regs *regs,
				      __u64 addr, __u64 size, __u64 arg, bool tables)
{
	__u64 id = bpf_get_current_pid_tgid(), time, stack = 0, wake;
	struct thread *t = traced_thread(id);
	bool code = kind == EV_MMAP && arg & PROT_EXEC && !(arg >> 32 & MAP_ANONYMOUS);
	__u32 number = 0;
	__u8 flags;

	if (!t)
		return;
	if (kind == EV_BRK)
		heaps_changed();
	if (tables && code)
		number = note_code(id >> 32, addr, size);
	flags = in_allocator(t, regs);
	time = bpf_ktime_get_ns();
	if (wants_stack(kind, flags, addr, arg))
		stack = capture_stack(ctx, t, id, time, INSTRUCTION(regs), STACK_POINTER(regs),
				      FRAME_POINTER(regs), false, tables, 0);
	if (code)
		send_code(t, id, time, addr, size, regs);
	/* Wakes the reader for code: a module may go again soon, and its tables and symbols are
	 * easiest to get while it is mapped. */
	wake = code ? BPF_RB_FORCE_WAKEUP : wake_flags(time);
	if (!emit_long(kind, flags, id, time, addr, size, stack, arg, number, wake))
		COUNT(lost_mmap, 1);
}

static __always_inline void vm_left(__u8 kind, const struct pt_regs *regs, __u64 addr,
				    __u64 size, __u64 arg)
{
	__u64 id = bpf_get_current_pid_tgid(), time;
	struct thread *t = traced_thread(id);

	if (!t && !(live & LIVE_CALLS && is_target(id >> 32)))
		return;
	if (size >= SMALLEST_HEAP)
		heaps_changed();
	time = bpf_ktime_get_ns();
	if (!emit_long(kind, t ? in_allocator(t, regs) : 0, id, time, addr, size, 0, arg, 0, wake_flags(time)))
		spill(kind, arg, id, time, addr, size, 0);
}

/* Reports what a call gives up, at its entry. */
static __always_inline int call_entered(const struct pt_regs *regs, long number)
{
	switch (number) {
	case SYS_MUNMAP:
		vm_left(EV_MUNMAP, regs, SYS_ARG0(regs), SYS_ARG1(regs), 0);
		break;
	case SYS_MREMAP:
		vm_left(EV_MREMAP_ENTER, regs, SYS_ARG0(regs), SYS_ARG1(regs), SYS_ARG3(regs));
		break;
	case SYS_SHMDT:
		vm_left(EV_SHMDT, regs, SYS_ARG0(regs), 0, 0);
		break;
	}
	return 0;
}

static __always_inline int leave_syscall(void *ctx, const struct pt_regs *regs, long result,
					 bool tables)
{
	bool failed = (__u64)result >= MAP_FAILED_FROM;
	__u64 addr = result, size = SYS_ARG1(regs), arg = 0;
	__u8 kind;

	switch (SYS_NUMBER(regs)) {
	case SYS_MMAP:
		if (failed)
			return 0;
		kind = EV_MMAP;
		arg = (SYS_ARG2(regs) & 0xffffffff) | SYS_ARG3(regs) << 32;
		break;
	case SYS_MUNMAP:
		if (!failed)
			return 0;
		kind = EV_MUNMAP_FAIL;
		addr = SYS_ARG0(regs);
		break;
	case SYS_MREMAP:
		kind = failed ? EV_MREMAP_FAIL : EV_MREMAP;
		if (failed) {
			addr = SYS_ARG0(regs);
		} else {
			size = SYS_ARG2(regs);
			arg = SYS_ARG0(regs);
		}
		break;
	case SYS_MPROTECT:
		if (failed)
			return 0;
		kind = EV_MPROTECT;
		addr = SYS_ARG0(regs);
		arg = SYS_ARG2(regs);
		break;
	case SYS_SHMAT: /* the size is the segment's, which user space looks up */
		if (failed)
			return 0;
		kind = EV_SHMAT;
		size = 0;
		arg = (__u32)SYS_ARG0(regs);
		break;
	case SYS_BRK:
		kind = EV_BRK;
		size = 0;
		arg = SYS_ARG0(regs);
		break;
	default:
		return 0;
	}
	vm_joined(ctx, kind, regs, addr, size, arg, tables);
	return 0;
}

#endif
