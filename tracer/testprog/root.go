package testprog

import (
	"os"
	"testing"
)

// NeedRoot skips a test that attaches probes where that is not allowed, except
// in CI, where it has to run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root: attaches probes")
	}
}

// Missing skips a test for want of something. In CI, where nothing may be wanting,
// it fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
