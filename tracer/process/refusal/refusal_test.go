package refusal

import (
	"errors"
	"os"
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
