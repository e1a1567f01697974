// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//go:build ignore

/*
 * The BPF programs of memtrace: uprobes on the allocation functions that a process has
 * mapped, and programs on the system calls behind them, on the life of processes and on
 * page faults.
 *
 * Protocol with user space (tracer/probe, tracer/stream): user space sets the constants and
 * map sizes at load, fills targets, attaches everything, then sets live. It reads records
 * (event.h) from the ring buffer events, drains spills whenever it has grown, and sums
 * counts. It clears live before it detaches.
 *
 * Kernel floor: Linux 5.8, for the ring buffer (BTF for typed tracepoints is older). What
 * needs a newer kernel says so, and is loaded only there. The rest uses no loop helpers, task
 * storage or attach cookies, which are all newer.
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
#include "shape.h"
#include "thread.h"
#include "ownstack.h"
#include "emit.h"
#include "tables.h"
#include "fresh.h"
#include "trail.h"
#include "trampoline.h"
#include "unwind.h"
#include "memo.h"
#include "late.h"
#include "stack.h"
#include "chunk.h"
#include "standing.h"
#include "result.h"
#include "freer.h"
#include "malloc.h"
#include "session.h"
#include "focus.h"
#include "mapped.h"
#include "vm.h"
#include "calls.h"
#include "process.h"
#include "fault.h"

/* Some helpers (bpf_probe_read_user, bpf_get_stack) are for GPL programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Keep the types that user space needs in the object's BTF. */
const struct event_short *unused_event_short __attribute__((unused));
const struct event_rest *unused_event_rest __attribute__((unused));
const struct fresh *unused_fresh __attribute__((unused));
const struct event_long *unused_event_long __attribute__((unused));
const struct event_code *unused_event_code __attribute__((unused));
const struct unwind_block *unused_unwind_block __attribute__((unused));
const struct mapping *unused_mapping __attribute__((unused));
const struct unwind_rule *unused_unwind_rule __attribute__((unused));
