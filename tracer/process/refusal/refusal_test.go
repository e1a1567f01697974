package refusal

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestHiddenIsNotEveryone(t *testing.T) {
	for _, pid := range []int{-1, 0, 1 << 22, os.Getpid()} { // 1<<22 is PID_MAX_LIMIT
		if Hidden(pid) {
			t.Errorf("%d is hidden", pid)
		}
	}
}

func TestDescribed(t *testing.T) {
	err := Described("in other words", os.ErrClosed)
	if err.Error() != "in other words" || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// Where Yama forbids reading the memory even of one's own processes, the remedy says so.
func TestYama(t *testing.T) {
	for _, tc := range []struct {
		scope string
		may   bool
		want  string
	}{
		{"0", false, ""},
		{"1", true, ""},
		{"", false, ""},
		{"2", true, ""},
		{"1", false, "run memtrace as root"},
		{"2", false, "run memtrace as root"},
		{"3", true, "until the next boot"},
	} {
		if got := ofYama(tc.scope, tc.may); (got == "") != (tc.want == "") || !strings.HasSuffix(got, tc.want) {
			t.Errorf("scope %q, %v: %q", tc.scope, tc.may, got)
		}
	}
}
