// Package stacks keeps the addresses of call stacks in little memory.
//
// A program has few call sites compared to the paths through them. So a Store numbers the
// addresses that it meets, the first ones lowest, and writes a stack down as the numbers of
// its frames. Most frames take one byte in a small program and two in a large one, where an
// address takes eight.
//
// The package is a pure function of its input.
package stacks
