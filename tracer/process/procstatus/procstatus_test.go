package procstatus

import (
	"os"
	"testing"
)

func TestStatus(t *testing.T) {
	s := Status("Name:\tx\\nTgid:\t9\nUmask:\t0022\nState:\tZ (zombie)\nTgid:\t12\nGroups:\t \nThreads:\tmany\n")
	for field, want := range map[string]string{"Tgid": "12", "State": "Z", "Umask": "0022", "Groups": "", "Thread": "", "Threads": "many", "None": ""} {
		if got := s.Word(field); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if s.Number("Tgid") != 12 || s.Number("Threads") != 0 || s.Number("Groups") != 0 || !s.Ended() {
		t.Error("numbers and state are wrong")
	}
}

func TestOf(t *testing.T) {
	s, err := Of(os.Getpid())
	if err != nil || s.Number("Tgid") != os.Getpid() || s.Number("PPid") != os.Getppid() || s.Ended() {
		t.Errorf("%v: %s", err, s)
	}
	if _, err := Of(-1); err == nil {
		t.Error("there is no process -1")
	}
}
