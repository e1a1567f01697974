// Package tracer traces what processes allocate and do not give back.
//
// Open finds the allocators that the processes have mapped, loads the BPF programs and
// attaches them. When the last one is in place it opens the gate: from that moment every call
// counts. Run reads the events and applies them. Snapshot returns what is outstanding as a
// report.Report. Close removes everything.
//
// The package only wires others, through which data flows in one direction:
//
//	probe -> stream -> book -> diagnose -> report
//	  ^                  ^
//	  +---- process      |    one process: target, probes in it, malloc, address space
//	  +---- window ------+    when probes are in place, within Config.MaxOverhead
//
// Package probe is what is in the kernel, stream reads the ring buffer, book knows what is
// outstanding, diagnose makes a report of it. docs/ARCHITECTURE.md tells more, rooms_test.go
// which package may import which.
//
// With Config.GrowthOnly no probe is in the process. The system calls alone feed the book,
// which then records growth of every kind, the allocator's too, and page faults are sampled.
// The kernel's features decide which programs are attached for that: see bpf/calls.h and
// bpf/fault.h.
//
// The package knows nothing of flags and terminals. Its caller decides when to report and in
// which form.
package tracer
