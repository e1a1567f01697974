package probe

import (
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// No other test would notice that calls are seen by the exit of all system calls where there
// is task work: it only costs more.
func TestTaskWork(t *testing.T) {
	testprog.NeedRoot(t)
	for _, test := range []struct {
		older    Older
		possible bool
	}{{Older{}, true}, {Older{ExitTracepoint: true}, false}, {Older{EntryTracepoint: true}, false}} {
		k, err := findFeatures()
		if err != nil {
			t.Fatal(err)
		}
		if err := k.findWays(Options{Older: test.older}); err != nil {
			t.Fatal(err)
		}
		if want := test.possible && k.UnwindTables && k.atLeast(6, 18); (k.resume != "") != want {
			t.Errorf("Linux %v, %+v: the program is %q", k.version, test.older, k.resume)
		}
	}
}

func TestReturnProbesKill(t *testing.T) {
	for release, want := range map[string]bool{
		"5.10.0-32-amd64": false, "6.10.14": false, "6.11.0-29-generic": true, "6.12.9": true,
		"6.12.13": true, "6.12.14": false, "6.12.43+deb13-amd64": false, "6.13.2": true, "6.13.3": false,
		"6.14.0": false, "7.2.13": false,
	} {
		if got := (Features{version: parseRelease(release)}).ReturnProbesKill(); got != want {
			t.Errorf("%s: %v, want %v", release, got, want)
		}
	}
}

// The error names what is missing and the remedy.
func TestRequirementError(t *testing.T) {
	err := &RequirementError{Needs: "CAP_SYS_ADMIN", Remedy: "run memtrace as root"}
	if got, want := err.Error(), "needs CAP_SYS_ADMIN: run memtrace as root"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
