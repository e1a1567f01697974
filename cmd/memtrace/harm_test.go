package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"memtrace/tracer/testprog"
)

// The tests called TestHarm... cover what must neither harm a target or the machine nor make a
// report wrong without saying so. Their programs are in testdata/harm.

var buildHarm = sync.OnceValues(func() (string, error) {
	// The directory outlives the test that asks first, as with testprog's programs.
	dir, err := os.MkdirTemp("", "memtrace-harm-")
	if err != nil {
		return "", err
	}
	return dir, testprog.Build(context.Background(), filepath.Join("testdata", "harm"), dir)
})

// harmProgram returns the path of a program of testdata/harm. The program's first line says
// how to build it (see testprog.Build).
func harmProgram(t testing.TB, name string) string {
	t.Helper()
	dir, err := buildHarm()
	if err != nil {
		t.Fatalf("build the programs: %v", err)
	}
	return filepath.Join(dir, name)
}
