// Package faults keeps a sample of the pages that a process has faulted in, by the stack that
// touched them first.
//
// The probes report some faults, each with the number of faults that it stands for. A Book
// remembers them by page and forgets what is unmapped. It holds a limited number: when it is
// full it drops half of them, and each one left then stands for twice as many. Sums are
// unbiased estimates. The error of n samples is about one part in the square root of n.
//
// The package is a pure function of its input.
package faults
