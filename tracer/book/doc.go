// Package book knows what is outstanding in the traced processes: live blocks (package
// heap), mappings (vm), call stacks (stacks), the evidence of windows of time (sample),
// sampled page faults (faults), how processes end, and what was lost on the way. Events go
// in by Apply, a Copy of what concerns one process comes out.
//
// A Book is guarded by a lock of its own. It reads no clock and no file, and knows nothing
// of the kernel: the same events give the same Copy.
package book
