/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What only growth mode attaches: page faults, sampled, and cheaper ways to see the
 * system calls. A tracepoint on the entry or the exit of system calls costs every
 * call of every process on the machine: some 85 ns the first, 45 ns the second.
 *
 * Kernel floors: for the functions of system calls a kernel that lets programs be
 * attached to functions (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS), which is tried;
 * for page faults Linux 5.15 (bpf_task_pt_regs) on x86-64, which has the tracepoints;
 * for lock_taken Linux 6.14. User space asks the kernel's BTF for those.
 */
#ifndef MEMTRACE_GROW_H
#define MEMTRACE_GROW_H

/* The functions behind the calls: all others cost nothing. */
SEC("fentry/" SYS_FUNCTION("munmap"))
int BPF_PROG(enter_munmap, const struct pt_regs *regs)
{
	vm_left(EV_MUNMAP, regs, SYS_ARG0(regs), SYS_ARG1(regs), 0);
	return 0;
}

SEC("fentry/" SYS_FUNCTION("mremap"))
int BPF_PROG(enter_mremap, const struct pt_regs *regs)
{
	vm_left(EV_MREMAP_ENTER, regs, SYS_ARG0(regs), SYS_ARG1(regs), SYS_ARG3(regs));
	return 0;
}

#define LEAVE(call)                                                            \
	SEC("fexit/" SYS_FUNCTION(#call))                                      \
	int BPF_PROG(leave_##call, const struct pt_regs *regs, long result)    \
	{                                                                      \
		return leave_syscall(ctx, regs, result, true);                 \
	}

LEAVE(brk)
LEAVE(mmap)
LEAVE(munmap)
LEAVE(mremap)
LEAVE(mprotect)

/*
 * The entry of calls, where there is no attaching to functions: this tracepoint is
 * passed only by what changes an address space, with the lock on that just taken. The
 * order that the kernel gives to the calls of several threads is the one that is
 * seen. A call that fails before this has no entry, which the reader puts up with.
 */
SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(lock_taken, struct mm_struct *mm, bool write, bool success)
{
	struct task_struct *task;
	struct pt_regs *regs;

	/* Nearly all others, page faults among them, only read. */
	if (!write || !success || !(live & LIVE_CALLS) || !is_target(bpf_get_current_pid_tgid() >> 32))
		return 0;
	task = bpf_get_current_task_btf();
	if (task->mm != mm)
		return 0; /* another process's, by way of /proc */
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	return call_entered(regs, (__u32)SYS_NUMBER(regs));
}

/*
 * Samples in a window on one CPU, beyond which the distance of two doubles. The
 * window is in jiffies, which are cheap to read; as there are 100 to 1,000 in a
 * second, samples come to some 50 to 500.
 */
#define FAULT_SAMPLES 25
#define FAULT_WINDOW 50
#define FAULT_PERIOD_MAX (1U << 20)

/* When to take a sample next, on one CPU. A race spoils no more than a sample. */
struct fault_clock {
	__u64 window; /* when the window began */
	__u32 since;  /* faults since the last sample */
	__u32 next;   /* how many there are to be until the next one */
	__u32 period; /* mean of next, 0 at the start */
	__u32 taken;  /* samples in this window */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fault_clock);
} fault_clocks SEC(".maps");

/* Opens a new window where it is time, after as many quiet ones as there were. */
static __always_inline void turn_window(struct fault_clock *c)
{
	__u64 now = bpf_jiffies64(), passed = now - c->window;
	__u32 halves = c->taken < FAULT_SAMPLES / 2;

	if (passed < FAULT_WINDOW)
		return;
	if (passed >= 2 * FAULT_WINDOW)
		halves = passed >= 32 * FAULT_WINDOW ? 31 : passed / FAULT_WINDOW;
	c->period >>= halves;
	if (!c->period)
		c->period = 1;
	if (c->next > c->period)
		c->next = c->period;
	c->window = now;
	c->taken = 0;
}

/*
 * Counts a fault and returns for how many it is to stand, 0 if it is no sample. The
 * distance is random, lest it falls into step with what the program does in turns.
 */
static __always_inline __u32 sample_weight(void)
{
	__u32 zero = 0, weight;
	struct fault_clock *c = bpf_map_lookup_elem(&fault_clocks, &zero);

	if (!c)
		return 0;
	turn_window(c);
	if (++c->since < c->next)
		return 0;
	weight = c->since;
	c->since = 0;
	if (++c->taken > FAULT_SAMPLES && c->period < FAULT_PERIOD_MAX) {
		c->period *= 2;
		c->taken = FAULT_SAMPLES / 2;
	}
	c->next = c->period > 1 ? 1 + bpf_get_prandom_u32() % (2 * c->period - 1) : 1;
	return weight;
}

#define FAULT_PRESENT 1 /* of the error code: the page was there, but not the right */

/* A fault that may bring a page of the program's own. */
static __always_inline bool brings_page(__u64 address, __u64 error)
{
	return !(error & FAULT_PRESENT) && !(address >> 63);
}

static __always_inline void take_sample(void *ctx, struct thread *t, __u64 id, __u64 address,
					const struct pt_regs *regs, bool exact)
{
	__u32 weight = sample_weight();
	__u64 time, stack;

	if (!weight)
		return;
	if (!t)
		t = this_thread(id);
	if (!t)
		return;
	time = bpf_ktime_get_ns();
	stack = capture_stack(ctx, t, id, time, INSTRUCTION(regs), STACK_POINTER(regs),
			      FRAME_POINTER(regs), exact, true);
	if (!emit_long(EV_FAULT, 0, id, time, address, weight, stack, 0, wake_flags(time)))
		COUNT(lost_fault, weight);
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(user_fault, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (live & LIVE_CALLS && is_target(id >> 32) && brings_page(address, error))
		take_sample(ctx, NULL, id, address, regs, true);
	return 0;
}

/* A system call's: read(2) into memory that is new, for one. */
SEC("tp_btf/page_fault_kernel")
int BPF_PROG(kernel_fault, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t;

	if (!brings_page(address, error) || !(live & LIVE_CALLS) || !is_target(id >> 32))
		return 0;
	/* Reading a stack may fault as well, which brings no page. */
	t = this_thread(id);
	if (!t || *(volatile __u32 *)&t->walking)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	take_sample(ctx, t, id, address, regs, false);
	return 0;
}

#endif
