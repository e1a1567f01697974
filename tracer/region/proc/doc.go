// Package proc reads the address spaces of running processes from /proc, for package region.
//
// A Process keeps the process's /proc directory open, so that a reuse of the PID cannot go
// unnoticed. process.go opens it and checks that the process can be inspected, read.go reads
// its files, stacks.go finds the stacks of its threads, and memory.go reads its memory.
package proc
