/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Page faults, sampled. Growth mode traces these besides system calls.
 *
 * Kernel floor: Linux 5.15, for bpf_task_pt_regs, on x86-64, which has the tracepoints.
 * User space looks for them in the kernel's BTF.
 */
#ifndef MEMTRACE_FAULT_H
#define MEMTRACE_FAULT_H

/*
 * With more samples than FAULT_SAMPLES in a window on one CPU, the distance between samples
 * doubles. The window is in jiffies, which are cheap to read. There are 100 to 1,000 jiffies
 * in a second, so there are some 50 to 500 samples in a second.
 */
#define FAULT_SAMPLES 25
#define FAULT_WINDOW 50
#define FAULT_PERIOD_MAX (1U << 20)

/* When to take the next sample, on one CPU. A race spoils one sample at most. */
struct fault_clock {
	__u64 window; /* when the window began, in jiffies */
	__u32 since;  /* faults since the last sample */
	__u32 next;   /* faults from the last sample to the next one */
	__u32 period; /* mean of next, 0 at the start */
	__u32 taken;  /* samples in this window */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fault_clock);
} fault_clocks SEC(".maps");

/* Opens a new window if it is time. The period halves for each quiet window before it. */
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
 * Counts a fault and returns how many faults it stands for, 0 if it is no sample. The
 * distance between samples is random, so that it does not fall into step with a pattern in
 * the program.
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

/* Bits of the error code. */
#define FAULT_PRESENT 1 /* the page was there, but access was not allowed */
#define FAULT_WRITE 2

/* Whether a fault may bring in a page of the program's memory. A write to a page that is there
 * may make a copy of it: of a page of a file that is mapped privately, for example. */
static __always_inline bool brings_page(__u64 address, __u64 error)
{
	return (error & (FAULT_PRESENT | FAULT_WRITE)) != FAULT_PRESENT && !(address >> 63);
}

/* EV_* of an error code. */
static __always_inline __u8 fault_flags(__u64 error)
{
	return (error & FAULT_WRITE ? EV_WRITE : 0) | (error & FAULT_PRESENT ? EV_PRESENT : 0);
}

static __always_inline void take_sample(void *ctx, struct thread *t, __u64 id, __u64 address,
					__u64 error, const struct pt_regs *regs, bool exact)
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
			      FRAME_POINTER(regs), exact, true, 0);
	if (!emit_long(EV_FAULT, fault_flags(error), id, time, address, weight, stack, 0, 0, wake_flags(time)))
		COUNT(lost_fault, weight);
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(user_fault, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (live & LIVE_CALLS && is_target(id >> 32) && brings_page(address, error))
		take_sample(ctx, NULL, id, address, error, regs, true);
	return 0;
}

/* A fault inside a system call: read(2) into new memory, for example. */
SEC("tp_btf/page_fault_kernel")
int BPF_PROG(kernel_fault, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t;

	if (!brings_page(address, error) || !(live & LIVE_CALLS) || !is_target(id >> 32))
		return 0;
	/* Reading a stack may fault as well, but brings in no page. */
	t = this_thread(id);
	if (!t || *(volatile __u32 *)&t->walking)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	take_sample(ctx, t, id, address, error, regs, false);
	return 0;
}

#endif
