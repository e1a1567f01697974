// Package stacks keeps the addresses of call stacks in little memory.
//
// A program has few call sites beside the ways that lead through them, so a Store
// numbers the addresses that it meets, the first ones lowest, and writes a stack down as
// the numbers of its frames: a byte for most frames of a small program, two for most of
// a large one, where an address takes eight.
//
// The package is a pure function of its input.
package stacks
