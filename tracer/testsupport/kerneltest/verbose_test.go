package kerneltest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFailedLines(t *testing.T) {
	const output = `=== RUN   TestGood
    good_test.go:1: fine
--- PASS: TestGood (0.00s)
=== RUN   TestBad
=== RUN   TestBad/one
=== PAUSE TestBad/one
=== RUN   TestBad/two
=== CONT  TestBad/one
    bad_test.go:7: got 1, want 2
        and a line more
=== CONT  TestBad/two
    bad_test.go:8: fine as well
=== NAME  TestBad/one
    bad_test.go:9: the end
--- FAIL: TestBad (0.01s)
    --- FAIL: TestBad/one (6.40s)
    --- PASS: TestBad/two (0.01s)
FAIL
`
	const want = `    bad_test.go:7: got 1, want 2
        and a line more
    bad_test.go:9: the end
--- FAIL: TestBad (0.01s)
    --- FAIL: TestBad/one (6.40s)
FAIL
`
	if diff := cmp.Diff(want, string(failedLines([]byte(output)))); diff != "" {
		t.Error(diff)
	}
	if lines := failedLines([]byte("=== RUN   TestGood\n--- PASS: TestGood (0.00s)\nPASS\n")); len(lines) != 0 {
		t.Errorf("none failed, and there is\n%s", lines)
	}
}
