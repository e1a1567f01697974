// Package tracer watches what a process allocates and never gives back.
//
// Open finds the allocators that the processes have mapped (package target),
// loads the BPF programs, attaches them and, when the last one is in place, opens
// the gate (package probe): from that moment every call counts. The programs
// send fixed-size records through one ring buffer. Run has it read (package stream),
// and applies its records (package event) to two pure aggregators: heap, the
// live blocks by the stack that allocated them, and vm, the mappings that the
// program made itself. Snapshot copies what is outstanding, names the frames
// (package symbolize) and returns a report.Report, which package report
// renders.
//
//	probe -> stream -> event -> heap -> Snapshot -> symbolize -> report
//	                         -> vm   ->
//
// With Config.GrowthOnly there are no probes in the process. The system calls alone
// feed the ledger, which then takes up growth of every kind, the allocator's too, and
// page faults are sampled (package faults). Which programs are attached for that is
// up to what the kernel offers: see bpf/calls.h and bpf/fault.h.
//
// With Config.MaxOverhead tracing keeps within a budget (package window): where every call
// costs more, probes are in place for windows of time, and what leaks is estimated (package
// sample).
//
// It knows nothing of flags and terminals, and leaves to its caller when to
// report and in which form.
package tracer
