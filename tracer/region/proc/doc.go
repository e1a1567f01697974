// Package proc reads the address spaces of running processes from /proc, for
// package region.
//
// A Process holds the folder of one process open, so that its number cannot pass
// to another one unseen. process.go opens it and says whether that makes sense,
// read.go reads its files, stacks.go finds its threads' stacks, memory.go looks
// at its memory.
package proc
