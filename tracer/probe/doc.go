// Package probe is what memtrace has in the kernel: its BPF programs and maps, the probes
// that run them, and the unwind tables by which they walk stacks. It says what can be done
// there, and what that costs; of processes it knows a pid and the places of their
// functions, of memory nothing.
package probe
