/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is read of the kernel's own structures; CO-RE finds the fields' places. */
#ifndef MEMTRACE_KERNEL_H
#define MEMTRACE_KERNEL_H

struct mm_struct {
	unsigned long start_brk, brk;
} __attribute__((preserve_access_index));

struct signal_struct {
	struct {
		int counter;
	} live;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	struct mm_struct *mm;
	struct signal_struct *signal;
} __attribute__((preserve_access_index));

#endif
