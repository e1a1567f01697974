// Package tracer traces what processes allocate and do not give back.
//
// Open finds the allocators that the processes have mapped, loads the BPF programs, attaches
// them and, when the last one is in place, opens the gate: from that moment every call
// counts. Run reads the events and applies them. Snapshot says what is outstanding as a
// report.Report. Close takes everything away.
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
// With Config.GrowthOnly there are no probes in the process. The system calls alone feed the
// book, which then takes up growth of every kind, the allocator's too, and page faults are
// sampled. Which programs are attached for that is up to what the kernel offers: see
// bpf/calls.h and bpf/fault.h.
//
// The package knows nothing of flags and terminals. Its caller decides when to report and in
// which form.
package tracer
