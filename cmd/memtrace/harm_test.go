package main

import (
	"path/filepath"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// The tests called TestHarm... cover what must neither harm a target or the machine nor make a
// report wrong without saying so. Their programs are in testdata/harm.

// harmProgram returns the path of a program of testdata/harm, whose first line says how
// it is built (see testprog.Build).
func harmProgram(t testing.TB, name string) string {
	t.Helper()
	return testprog.PathIn(t, filepath.Join("testdata", "harm"), name)
}
