// Package focus sees blocks that windows of time never meet, because they are allocated too rarely in a
// process that makes too many calls to trace them all. The program's own code says where allocation
// functions are called. A probe behind a call costs nothing until the call returns, and so a place that
// is seldom met is watched all the time at its own price. Those that return blocks of other sizes than
// the heap grows by are left out, and so are those that windows have seen to be met often. Any that
// turns out to be met often is taken away.
//
// It only says to whom a block was given. Whether the block is still there is told by looks at the
// heap: see package join of inspect.
package focus
