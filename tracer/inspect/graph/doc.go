// Package graph follows the pointers between the blocks of a process's heap, as they stand in the
// memory of the running process: who holds which block, and which blocks nobody points at.
//
// A word is a pointer if it is the address of a block, or points into it or to its end. Words that
// only look like pointers are taken for some, so a block that is held may wrongly be thought held,
// but a block is called unreachable only if no word in the places that were looked at points to it.
// These places, the roots, are all private memory of the process that is neither its malloc's nor
// unchanged content of a file, what the kernel gives back to the process (epoll, timers), and the
// registers of threads that wait in the kernel as far as it shows them.
//
// The process runs on meanwhile: what moves may be missed once. That a block is lost is permanent,
// so it is believed only of blocks that were unreachable, with the same content, in several passes
// (Passes). A block that was allocated after the census is followed when a pointer to it is seen, or
// all that hangs on the new head of a list would seem lost.
//
// Whoever makes several passes opens one datasym.Table and one kinds.Namer for all of them, takes a
// census before each, and goes on until Passes.Settled.
//
// What deceives: pointers that are stored XORed, with tags in their upper bits, compressed to 32
// bits or at odd addresses, pointers that are only in shared memory, and those only in registers
// that a waiting thread keeps. Blocks held like that are called lost. What requests of io_uring and
// libaio hold only the kernel knows; where there may be some, Skipped says so.
package graph
