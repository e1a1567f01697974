// Package join looks at the heap of a process beside its trace, and joins the groups of blocks that
// grow with the stacks that allocated them. The trace knows the stacks of the calls that it saw: of all
// since it began, or of those in windows of time. A group that it saw nothing of stays without one.
package join
