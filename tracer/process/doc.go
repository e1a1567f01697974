// Package process has the traced processes: what each is (package target), its probes and
// whether they reach it, its symbols, its code, the state of its malloc, its address space, its
// descendants (package kin), and who debugs it. A Group follows the processes of a trace
// through exec, dlopen and exit, and attaches probes (package probe) to what they map.
//
// This package asks files and /proc about a process. It does not know what the process has
// allocated: see package book.
package process
