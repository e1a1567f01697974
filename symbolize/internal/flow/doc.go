// Package flow finds out, from machine code alone, where each instruction's frame is: how far
// the stack pointer is below the frame's address, and where the caller's rbp was saved. It is for
// code without call frame information: musl's libc, programs built with
// -fno-asynchronous-unwind-tables, hand-written assembly.
//
// At a function's start the return address is on top of the stack. From there on the analysis
// follows every path through the function and interprets what moves the stack pointer: pushes
// and pops, sub and add, lea, mov, leave. Compiled code has one height of the stack at each
// instruction, whichever path leads there. So one visit of each instruction is enough, except
// that some paths do not exist:
//
//   - A call may never return (abort). The instruction behind it then belongs to another path.
//     Where a jump leads to that instruction, the jump is believed.
//   - Targets of indirect jumps are not known. Code that nothing else reaches is taken to be
//     reached from the indirect jump before it.
//
// Each doubt adds to the rank of a path, and the path of the lowest rank is believed. Where two
// paths of the same rank disagree, the value is unknown.
//
// Functions start at symbols and at what is called, and, where these say nothing, at aligned
// code that nothing reaches. The input is not trusted. The work is linear in the code's size.
package flow
