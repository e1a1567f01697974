package window

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// urgency is the nice value of memtrace while it watches windows. It works for a hundredth of the
// time, but when a window is to end it has to be at once, however busy the machine is: until then
// probes cost the target time.
const urgency = -10

// hurry gives all threads of memtrace that urgency, which those to come inherit, and returns what
// takes it back. Without the right to do so it does nothing.
func hurry() (calm func()) {
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return func() {}
	}
	const most = 20 // the system call returns 20 minus the nice value
	before = most - before
	if before <= urgency || !renice(urgency) {
		return func() {}
	}
	return func() { renice(before) }
}

// renice sets the nice value of all threads. It reports whether it could.
func renice(nice int) bool {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false
	}
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return false
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && err != unix.ESRCH {
			return false
		}
	}
	return true
}
