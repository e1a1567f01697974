package window

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// hurry has all threads of memtrace go before those of others, and returns what takes that back.
// When a window is to end it has to end at once, however busy the machine is: until then probes
// cost the target time. Nice values would not do, because they say nothing between sessions
// (autogroups) and control groups. The kernel limits how long such threads may run, and new ones
// are none. Without the right to do so hurry does nothing.
func hurry() (calm func()) {
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil || before.Policy != unix.SCHED_NORMAL {
		return func() {}
	}
	schedule(&unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK})
	return func() {
		schedule(&unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: before.Nice})
	}
}

// schedule sets how all threads of memtrace are scheduled, as far as that is permitted.
func schedule(attr *unix.SchedAttr) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetAttr(id, attr, 0) // it may have ended, or this may be forbidden
		}
	}
}
