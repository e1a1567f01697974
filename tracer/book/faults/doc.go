// Package faults keeps a sample of the pages that a process has faulted in, by the
// stack that touched them first.
//
// The probes report some faults, each with the number of faults that it stands
// for; a Book remembers them by page, forgets what is unmapped, and holds so many at
// most: when it is full it goes on with half of them, each of which then stands for
// twice as many. Sums are estimates, without a bias; of n samples the error is about
// one part in the square root of n.
//
// The package is a pure function of its input.
package faults
