// Package process has the traced processes: what each is (package target), its probes and
// whether they reach it, its symbols, its code, what its malloc says, its address space, and
// who debugs it. A Group follows all of a trace through exec, dlopen and exit, and has probes
// (package probe) attached to what comes.
//
// What files and /proc say of a process is asked for here. What it has allocated is not
// known here: see package book.
package process
