// Package live shows a trace on a terminal while it runs: the answer, the stacks and the regions
// with what they held at the last looks, and what keys do. It knows reports, keys and a terminal.
// How a report is made, and what becomes of the trace when the view ends, is its caller's.
package live
