// Package testprog builds and runs the programs of tracer/testdata. They allocate in known
// ways and keep a ledger of what they still hold, by call site. Tests compare what was traced
// with that.
package testprog
