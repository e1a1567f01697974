// Package serve shows reports over HTTP while they are made: as a page for browsers, in every form
// of reports, as metrics for Prometheus and as a heap profile. It knows reports by a function that
// makes them, and nothing of where they come from.
//
// A look at a process costs time, so the Server makes one when it is asked, but not before the last
// one has paid for itself (looks.go), and no form of it once their share of the time is spent
// (budget.go). What anyone may ask for and who may ask is kept narrow (guard.go), since the one who
// serves is root.
package serve
