/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Page faults, sampled: what growth mode sees besides system calls.
 *
 * Kernel floor: Linux 5.15 (bpf_task_pt_regs) on x86-64, which has the tracepoints;
 * user space asks the kernel's BTF for them.
 */
#ifndef MEMTRACE_FAULT_H
#define MEMTRACE_FAULT_H

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
