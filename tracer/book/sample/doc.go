// Package sample finds leaks in a process that is watched for some milliseconds of every
// second. In such a window every allocation and free is seen; in the tail of the window, only
// frees. A block that was born in a window and is not freed when its tail ends is a candidate.
// It is dropped again when
//
//   - a later window sees it freed,
//   - a later window sees its address handed out again, which proves a free in between, or
//   - a look at the allocator's own bookkeeping finds its chunk free, or no such chunk at all.
//
// A candidate whose content changes is active. Either it is still in use, or its chunk was
// freed and handed out again unseen, and now belongs to somebody else. The candidates that
// remain, by the stack that allocated them, are the sample from which Estimates are made; the
// windows are the draws.
//
// Set is pure: it knows only the times that it is told, reads no process and attaches nothing.
// It is not safe for concurrent use.
package sample
