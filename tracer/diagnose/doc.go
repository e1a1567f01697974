// Package diagnose makes a report of what is known of a process: which stacks there are and in
// which order, how they grow, how much of the growing memory they explain, what was lost, and
// what else bears on the figures. The result depends only on the Facts it is given; only the
// names of addresses are looked up. Package report decides how a report looks.
package diagnose
