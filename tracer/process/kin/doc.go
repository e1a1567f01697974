// Package kin watches what lives around a traced process: its descendants and how their memory
// grows, the number of its threads, and whether it is stopped.
//
// A server that forks workers does not grow itself while they leak, a process whose threads are
// never joined grows by their stacks and not by threads, and one that a debugger holds does
// nothing at all. Each looks like "nothing grows" from the address space alone.
//
// A Watch polls /proc. It reads only files that take no lock on an address space (status, stat,
// statm, children), so that no process can keep it waiting. The times are the caller's.
//
// The parts: proc.go reads the files, list.go finds the descendants, child.go follows one of
// them, and watch.go polls and says what is known.
package kin
