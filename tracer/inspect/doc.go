// Package inspect looks again and again at the heap of a process and says what it knows in a
// report.HeapReport: which blocks pile up, which nobody points at, and who holds the rest. It wires
// packages census, graph, kinds and cohort.
//
// The process is only read, through /proc. It is not stopped, and nothing is attached to it, unless
// Config.Freeze is set: package freeze.
package inspect
