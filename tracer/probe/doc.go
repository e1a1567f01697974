// Package probe is memtrace's part in the kernel: its BPF programs and maps, the probes that
// run them, and the unwind tables by which they walk stacks. It says what the kernel can do,
// and what that costs. Of a process it knows the pid and where its functions are; of memory it
// knows nothing.
package probe
