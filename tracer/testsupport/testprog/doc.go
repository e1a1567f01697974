// Package testprog builds and runs the programs of tracer/testdata: they
// allocate in known ways and keep a ledger of what they still hold, by call
// site, against which tests compare what was traced.
package testprog
