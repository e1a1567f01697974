// Package diagnose makes a report of what is known of a process: which stacks there are and
// in which order, what their growth is, how much of the memory that grows they explain, what
// was lost and what else bears on the figures. It is a function of the Facts that it is
// given: it asks nobody, but for the names of addresses. How a report looks is package
// report's.
package diagnose
