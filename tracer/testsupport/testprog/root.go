package testprog

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// NeedRoot skips a test that needs root if the user is not root. In CI the test must run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root")
	}
}

// Long leaves a test that takes more than about two seconds out of a short run (make
// test-fast). CI has no short runs.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		Missing(t, "takes long")
	}
}

// NeedTool skips a test if a program is not installed, as Missing does.
func NeedTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, "needs "+name)
	}
}

// Library returns the path of a library where the linker finds it.
func Library(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("gcc", "-print-file-name="+name).Output()
	path := strings.TrimSpace(string(out)) // the name as given, if that is a path
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		Missing(t, name+" is not installed")
	}
	return path
}

// Missing skips a test because something is missing. In CI, where nothing may be missing, it
// fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
