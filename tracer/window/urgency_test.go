package window

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// While memtrace is in a hurry its threads go before others, new ones do not, and afterwards all is
// as it was.
func TestHurry(t *testing.T) {
	testprog.NeedRoot(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	get := func() unix.SchedAttr {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return *attr
	}
	before := get()
	calm := hurry()
	during := get()
	calm()
	after := get()
	if during.Policy != unix.SCHED_RR {
		testprog.Missing(t, "threads may not run in real time here")
	}
	if during.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
		t.Errorf("new threads would hurry, too: %+v", during)
	}
	if after.Policy != before.Policy || after.Nice != before.Nice {
		t.Errorf("%+v, and before %+v", after, before)
	}
}
