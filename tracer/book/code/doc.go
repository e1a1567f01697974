// Package code knows which code was mapped last at which addresses of a process. Where a
// library was unloaded and another one loaded in its place, two stacks may have the same
// addresses and yet be different ones.
//
// Only what is mapped during the trace is known. Unmapping need not be: nothing runs there
// until something else is mapped.
package code
