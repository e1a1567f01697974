package testprog

import (
	"os"
	"testing"
)

// NeedRoot skips a test that attaches probes where that is not allowed, except
// in CI, where it has to run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root: attaches probes")
}
