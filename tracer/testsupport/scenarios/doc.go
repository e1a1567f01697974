// Package scenarios runs memtrace on programs that leak in a known way, or do not leak, and
// judges what the report says first.
//
// Each row of the tables in rows_*_test.go is a program of testdata, or one that is installed,
// with the truth about it: the kind of finding, the function to blame, and whether what leaks
// has been counted. A program that leaks says every 100 ms how much that was (truth.h), so that
// the truth of the traced time is measured too. The text form is made of the same report.
//
// The rows have the build tag scenarios, because they take minutes: see "make test-scenarios",
// which prints what docs/SCENARIOS.md is made of.
package scenarios
