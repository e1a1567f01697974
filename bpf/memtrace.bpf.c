// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//go:build ignore

/*
 * memtrace's probes: uprobes on the allocation functions that a process has
 * mapped, programs on the system calls behind them, on the life of processes and on
 * page faults.
 *
 * Protocol with user space (package tracer): user space sets the constants and
 * map sizes at load, fills targets, attaches everything, then sets live. It
 * reads records (event.h) from the ring buffer events, drains spills whenever
 * it grows, and sums counts. It clears live before it detaches.
 *
 * Kernel floor: Linux 5.8 (ring buffer; BTF for typed tracepoints is older). No loop
 * helpers, task storage or cookies are used, all of which are younger.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>
#include "arch.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "kernel.h"
#include "event.h"
#include "state.h"
#include "emit.h"
#include "tables.h"
#include "trail.h"
#include "unwind.h"
#include "memo.h"
#include "stack.h"
#include "chunk.h"
#include "standing.h"
#include "malloc.h"
#include "vm.h"
#include "calls.h"
#include "process.h"
#include "fault.h"

/* Some helpers (bpf_probe_read_user, bpf_get_stack) ask for a GPL program. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Keeps the types that only user space uses in the object's BTF. */
const struct event_short *unused_event_short __attribute__((unused));
const struct event_long *unused_event_long __attribute__((unused));
const struct unwind_block *unused_unwind_block __attribute__((unused));
const struct mapping *unused_mapping __attribute__((unused));
const struct unwind_rule *unused_unwind_rule __attribute__((unused));
