// Package diagnose makes a report of what is known of a process: which stacks there are and in
// which order, how they grow, how much of the growing memory they explain, what was lost, and
// what else bears on the figures. The result depends only on the Facts it is given. Of these
// two are asked for when they are needed, since they take long: the names of addresses, and
// how much malloc keeps free. Package report decides how a report looks.
package diagnose
