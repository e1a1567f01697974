// Package trend keeps as much of a stack's past as it takes to say how its memory develops: a
// fixed number of samples of its outstanding bytes (Series), from which a slope is estimated,
// and counts of its most recent allocations (Recent), which tell survivors from newcomers.
//
// Both are plain values of fixed size. They hold no pointers, allocate nothing and know only
// the times that they are told. tracer/book/live embeds one of each in the account of every stack.
package trend
