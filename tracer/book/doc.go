// Package book knows what is outstanding in the traced processes: live blocks (package heap),
// mappings (vm), call stacks (stacks), the evidence of windows of time (sample) and sampled
// page faults (faults). It also knows how processes ended and what was lost on the way. Events
// go in through Apply; a Copy of what concerns one process comes out.
//
// A Book has its own lock. It reads no clock and no file, and knows nothing of the kernel: the
// same events give the same Copy.
package book
